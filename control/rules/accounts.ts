/** The rules of each request of accounts.v1.Accounts. */
import * as rule from '../field-rules.ts';
import { each, optional, required } from '../field-rules.ts';
import * as pb from '../gen/accounts/v1/accounts_pb.ts';
import { id, type MessageRules, on } from './message-rules.ts';

export const ACCOUNT_RULES: readonly MessageRules[] = [
  on(pb.CreateWorkspaceRequestSchema, {
    name: required(rule.displayName),
    description: optional(rule.description),
  }),
  on(pb.CreateAPIKeyRequestSchema, {
    workspaceId: id,
    name: required(rule.displayName),
    policies: each(required(rule.policy), 1, 8),
  }),
  on(pb.DeleteAPIKeyRequestSchema, { apiKeyId: id }),
];
