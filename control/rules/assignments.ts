/** The rules of each request about assignments. */
import * as rule from '../field-rules.ts';
import { each, type MessageChecks, optional, type Rule, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { anyId, byId, id, ids, type MessageRules, on, page } from './message-rules.ts';

/** What the username language can carry behind `-account-`. */
const accountName: Rule<string> = (value) =>
  /^[A-Za-z0-9._~-]{1,128}$/.test(value) ? null : 'must be 1–128 of A–Z, a–z, 0–9, . _ ~ -';

/** A filter finds what there is: no account has a longer name, but one may ask. */
const accountFilter: Rule<string> = (value) => (value.length <= 128 ? null : 'must be 128 characters or fewer');

/** A row of BulkCreateAssignment: broken, it is that row's error and not the call's. */
export const NEW_ASSIGNMENT_CHECKS: MessageChecks<pb.NewAssignment> = {
  sessionId: anyId,
  accountName: required(accountName),
};

export const ASSIGNMENT_RULES: readonly MessageRules[] = [
  on(pb.CreateAssignmentRequestSchema, { workspaceId: id, poolId: id, ...NEW_ASSIGNMENT_CHECKS }),
  on(pb.GetAssignmentRequestSchema, byId('assignmentId')),
  on(pb.UpdateAssignmentRequestSchema, {
    ...byId('assignmentId'),
    sessionId: anyId,
    expectedVersion: optional(rule.version),
  }),
  on(pb.RebindAssignmentRequestSchema, byId('assignmentId')),
  on(pb.BulkCreateAssignmentRequestSchema, {
    workspaceId: id,
    poolId: id,
    assignments: each(() => undefined, 1, 1_000),
  }),
  on(pb.DeleteAssignmentRequestSchema, byId('assignmentId')),
  on(pb.ListAssignmentsRequestSchema, {
    workspaceId: id,
    poolId: anyId,
    sessionId: anyId,
    accountName: optional(accountFilter),
    ...page,
  }),
  on(pb.BatchGetAssignmentsRequestSchema, { workspaceId: id, assignmentIds: ids }),
];
