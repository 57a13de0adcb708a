/** The rules of each request about providers. */
import * as rule from '../field-rules.ts';
import { nested, optional, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { templateRule, tokenFormatRule } from '../provider-template.ts';
import { anyId, byId, id, type MessageRules, on, page } from './message-rules.ts';

export const PROVIDER_RULES: readonly MessageRules[] = [
  on(pb.ConnectProviderRequestSchema, {
    workspaceId: id,
    name: optional(rule.displayName),
    targetPoolId: anyId,
    endpoint: nested<pb.Endpoint>({
      scheme: required(rule.scheme),
      host: required(rule.host),
      port: required(rule.port),
    }),
    usernameTemplate: optional(templateRule),
    passwordTemplate: optional(templateRule),
    tokenFormat: optional(tokenFormatRule),
    credentials: optional((value) => (value.length >= 1 && value.length <= 4_096 ? null : 'must be 1–4096 bytes')),
  }),
  on(pb.GetProviderRequestSchema, byId('providerId')),
  on(pb.ListProvidersRequestSchema, { workspaceId: id, ...page }),
];
