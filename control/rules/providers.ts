/** The rules of each request about providers. */
import * as rule from '../field-rules.ts';
import { clearable, nested, optional, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { templateRule, tokenFormatRule } from '../provider-template.ts';
import { anyId, byId, id, ids, type MessageRules, on, page } from './message-rules.ts';

const endpoint = nested<pb.Endpoint>({
  scheme: required(rule.scheme),
  host: required(rule.host),
  port: required(rule.port),
});

const credentials: rule.Rule<Uint8Array> = (value) =>
  value.length >= 1 && value.length <= 4_096 ? null : 'must be 1–4096 bytes';

export const PROVIDER_RULES: readonly MessageRules[] = [
  on(pb.ConnectProviderRequestSchema, {
    workspaceId: id,
    name: optional(rule.displayName),
    targetPoolId: anyId,
    endpoint,
    usernameTemplate: optional(templateRule),
    passwordTemplate: optional(templateRule),
    tokenFormat: optional(tokenFormatRule),
    credentials: optional(credentials),
  }),
  on(pb.UpdateProviderRequestSchema, {
    ...byId('providerId'),
    name: clearable(rule.displayName),
    targetPoolId: clearable(rule.id),
    endpoint,
    usernameTemplate: optional(templateRule),
    passwordTemplate: clearable(templateRule),
    tokenFormat: clearable(tokenFormatRule),
    credentials: optional(credentials),
    expectedVersion: optional(rule.version),
  }),
  on(pb.GetProviderRequestSchema, byId('providerId')),
  on(pb.BatchGetProvidersRequestSchema, { workspaceId: id, providerIds: ids }),
  on(pb.ListProvidersRequestSchema, { workspaceId: id, ...page }),
  on(pb.RefreshProviderStateRequestSchema, byId('providerId')),
  on(pb.DeleteProviderRequestSchema, byId('providerId')),
];
