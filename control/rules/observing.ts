/** The rules of each request about usage, live state and what the gateway does. */
import { CAUSES } from '../../src/core/cause.ts';
import { dayFromDate } from '../convert/days.ts';
import { WENT_WELL } from '../convert/observed.ts';
import * as rule from '../field-rules.ts';
import { each, optional, type Rule, required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { canonicalTarget } from '../host.ts';
import { anyId, id, type MessageRules, on, page } from './message-rules.ts';

/** No request head that the gateway takes holds a longer one. */
const MAX_USERNAME_BYTES = 1_024;

const date: Rule<string> = (value) => (dayFromDate(value) === null ? 'must be a date such as 2026-02-28' : null);

/** A filter finds what there is: no account has a longer name, but one may ask. */
const accountFilter: Rule<string> = (value) => (value.length <= 128 ? null : 'must be 128 characters or fewer');

const username: Rule<string> = (value) =>
  Buffer.byteLength(value) <= MAX_USERNAME_BYTES ? null : `must be ${MAX_USERNAME_BYTES} bytes or fewer`;

const targetHost: Rule<string> = (value) =>
  canonicalTarget(value) === null ? 'must be a host name or an IP address' : null;

const requestId: Rule<string> = (value) => (/^[\x21-\x7e]{1,128}$/.test(value) ? null : 'must be a request id');

const outcome: Rule<string> = (value) =>
  value === WENT_WELL || Object.hasOwn(CAUSES, value) ? null : `must be ${WENT_WELL} or a cause`;

export const OBSERVING_RULES: readonly MessageRules[] = [
  on(pb.ListSessionStatesRequestSchema, { workspaceId: id, poolId: id, sessionIds: each(id, 0, 1_000), ...page }),
  on(pb.QueryProxyUsageRequestSchema, {
    workspaceId: id,
    startDate: required(date),
    endDate: required(date),
    poolId: anyId,
    providerId: anyId,
    sessionId: anyId,
    accountName: optional(accountFilter),
    ...page,
  }),
  on(pb.ResolveSessionRequestSchema, {
    workspaceId: id,
    username: required(username),
    targetHost: required(targetHost),
    targetPort: required(rule.port),
  }),
  on(pb.GetRequestRequestSchema, { workspaceId: id, requestId: required(requestId) }),
  on(pb.TailRequestsRequestSchema, {
    workspaceId: id,
    poolId: anyId,
    sessionId: anyId,
    accountName: optional(accountFilter),
    cause: optional(outcome),
  }),
];
