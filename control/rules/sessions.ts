/** The rules of each request about sessions. */
import * as rule from '../field-rules.ts';
import { clearable, each, type MessageChecks, nested, optional, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { anyId, byId, id, ids, type MessageRules, on, page } from './message-rules.ts';

const newSession: MessageChecks<pb.NewSession> = {
  token: required(rule.token),
  scheme: optional(rule.scheme),
  host: optional(rule.host),
  port: optional(rule.port),
  username: optional(rule.credential),
  password: optional(rule.credential),
  labels: optional(rule.labels),
};

export const SESSION_RULES: readonly MessageRules[] = [
  on(pb.CreateSessionRequestSchema, { workspaceId: id, poolId: id, providerId: id, ...newSession }),
  on(pb.BulkCreateSessionsRequestSchema, {
    workspaceId: id,
    poolId: id,
    providerId: id,
    sessions: each(nested(newSession), 1, 50_000),
  }),
  on(pb.GetSessionRequestSchema, byId('sessionId')),
  on(pb.UpdateSessionRequestSchema, {
    ...byId('sessionId'),
    scheme: optional(rule.scheme),
    host: clearable(rule.host),
    port: optional(rule.port),
    username: clearable(rule.credential),
    password: clearable(rule.credential),
    labels: optional(rule.labels),
    expectedVersion: optional(rule.version),
  }),
  on(pb.DeleteSessionRequestSchema, byId('sessionId')),
  on(pb.ListSessionsRequestSchema, { workspaceId: id, poolId: anyId, providerId: anyId, ...page }),
  on(pb.BatchGetSessionsRequestSchema, { workspaceId: id, sessionIds: ids }),
];
