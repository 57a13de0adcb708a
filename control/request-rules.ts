/**
 * The rules of each request message, as data: what can be said about its fields
 * one by one. Rules that need the store or another field are the services'.
 * `interceptors/validate.ts` applies the table before a service sees a message.
 */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import type { FieldViolation } from './domain-error.ts';
import * as rule from './field-rules.ts';
import {
  type Check,
  checkFields,
  clearable,
  each,
  type MessageChecks,
  nested,
  optional,
  required,
} from './field-rules.ts';
import * as accounts from './gen/accounts/v1/accounts_pb.ts';
import * as proxies from './gen/proxies/v1/proxies_pb.ts';
import { templateRule, tokenFormatRule } from './provider-template.ts';

const id = required(rule.id);
const anyId = optional(rule.id);
const page = { limit: optional(rule.limit) };
const ids = each(id, 1, 1_000);
const byId = <F extends string>(field: F) =>
  ({ workspaceId: id, [field]: id }) as { [key in F | 'workspaceId']: Check<Uint8Array> };

const newSession: MessageChecks<proxies.NewSession> = {
  token: required(rule.token),
  scheme: optional(rule.scheme),
  host: optional(rule.host),
  port: optional(rule.port),
  username: optional(rule.credential),
  password: optional(rule.credential),
  labels: optional(rule.labels),
};

/** A type error here is a rule on a field that the message does not have. */
function on<M extends Message>(schema: GenMessage<M>, checks: MessageChecks<M>): [DescMessage, MessageChecks<never>] {
  return [schema, checks as MessageChecks<never>];
}

const REQUEST_RULES = new Map<DescMessage, MessageChecks<never>>([
  on(accounts.CreateWorkspaceRequestSchema, {
    name: required(rule.displayName),
    description: optional(rule.description),
  }),
  on(accounts.CreateAPIKeyRequestSchema, {
    workspaceId: id,
    name: required(rule.displayName),
    policies: each(required(rule.policy), 1, 8),
  }),
  on(accounts.DeleteAPIKeyRequestSchema, { apiKeyId: id }),
  on(proxies.CreateSessionRequestSchema, { workspaceId: id, poolId: id, providerId: id, ...newSession }),
  on(proxies.BulkCreateSessionsRequestSchema, {
    workspaceId: id,
    poolId: id,
    providerId: id,
    sessions: each(nested(newSession), 1, 50_000),
  }),
  on(proxies.GetSessionRequestSchema, byId('sessionId')),
  on(proxies.UpdateSessionRequestSchema, {
    ...byId('sessionId'),
    scheme: optional(rule.scheme),
    host: clearable(rule.host),
    port: optional(rule.port),
    username: clearable(rule.credential),
    password: clearable(rule.credential),
    labels: optional(rule.labels),
    expectedVersion: optional(rule.version),
  }),
  on(proxies.DeleteSessionRequestSchema, byId('sessionId')),
  on(proxies.ListSessionsRequestSchema, { workspaceId: id, poolId: anyId, providerId: anyId, ...page }),
  on(proxies.BatchGetSessionsRequestSchema, { workspaceId: id, sessionIds: ids }),
  on(proxies.CreatePoolRequestSchema, { workspaceId: id, name: required(rule.poolName) }),
  on(proxies.GetPoolRequestSchema, byId('poolId')),
  on(proxies.ListPoolsRequestSchema, { workspaceId: id, ...page }),
  on(proxies.ConnectProviderRequestSchema, {
    workspaceId: id,
    name: optional(rule.displayName),
    targetPoolId: anyId,
    endpoint: nested<proxies.Endpoint>({
      scheme: required(rule.scheme),
      host: required(rule.host),
      port: required(rule.port),
    }),
    usernameTemplate: optional(templateRule),
    passwordTemplate: optional(templateRule),
    tokenFormat: optional(tokenFormatRule),
    credentials: optional((value) => (value.length >= 1 && value.length <= 4_096 ? null : 'must be 1–4096 bytes')),
  }),
  on(proxies.GetProviderRequestSchema, byId('providerId')),
  on(proxies.ListProvidersRequestSchema, { workspaceId: id, ...page }),
]);

/** Every rule that the message breaks; none for a message without a row. */
export function violationsOf(schema: DescMessage, message: Message): FieldViolation[] {
  const found: FieldViolation[] = [];
  const checks = REQUEST_RULES.get(schema);
  if (checks !== undefined) checkFields(message as never, checks, '', found);
  return found;
}
