/** The rules of each request of accounts.v1.Accounts. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import * as rule from '../field-rules.ts';
import { each, optional, type Rule, required } from '../field-rules.ts';
import * as pb from '../gen/accounts/v1/accounts_pb.ts';
import { id, ids, type MessageRules, on, page } from './message-rules.ts';

/** Seconds since the epoch of the last second that RFC 3339 can write: 9999-12-31T23:59:59Z. */
const LAST_SECOND = 253_402_300_799n;

/** Whether it is in the future is the service's question, which has the clock. */
const expiry: Rule<Timestamp> = ({ seconds, nanos }) =>
  seconds >= 0n && seconds <= LAST_SECOND && nanos >= 0 && nanos <= 999_999_999
    ? null
    : 'must be a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z';

export const ACCOUNT_RULES: readonly MessageRules[] = [
  on(pb.CreateWorkspaceRequestSchema, {
    name: required(rule.displayName),
    description: optional(rule.description),
  }),
  on(pb.GetWorkspaceRequestSchema, { workspaceId: id }),
  on(pb.BatchGetWorkspacesRequestSchema, { workspaceIds: ids }),
  on(pb.ListWorkspacesRequestSchema, page),
  on(pb.UpdateWorkspaceRequestSchema, {
    workspaceId: id,
    name: optional(rule.displayName),
    description: optional(rule.description),
    expectedVersion: optional(rule.version),
  }),
  on(pb.DeleteWorkspaceRequestSchema, { workspaceId: id }),
  on(pb.RotateWorkspaceKeyRequestSchema, { workspaceId: id }),
  on(pb.CreateAPIKeyRequestSchema, {
    workspaceId: id,
    name: required(rule.displayName),
    expiresAt: optional(expiry),
    policies: each(required(rule.policy), 1, 8),
  }),
  on(pb.ListAPIKeysRequestSchema, { workspaceId: id }),
  on(pb.DeleteAPIKeyRequestSchema, { apiKeyId: id }),
  on(pb.ListAuditEventsRequestSchema, { workspaceId: id, ...page }),
];
