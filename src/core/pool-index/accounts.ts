/**
 * Resolves an account: to the session that it is bound to, or to one that it is bound
 * to from now on. The binding is made in the index, in this turn; `pool.onBind` is told,
 * so that it is written down behind the request (docs/decisions/0020, 0022).
 *
 *   not bound ─────────────▶ the least-assigned session that can serve
 *   bound, can serve ──────▶ that one, until it is older than the pool lets it be
 *   bound, cannot serve ───▶ pinned, strict, or no rotation: session_unavailable; else the least-assigned other one
 */
import type { BindReason } from '../account-binding.ts';
import type { Cause } from '../cause.ts';
import type { AssignmentId, AssignmentState, Route, SessionId } from '../model.ts';
import type { Selector } from '../selector.ts';
import { assignmentsOf } from './assignments.ts';
import {
  absenceOf,
  canServe,
  hand,
  isRefused,
  isStrict,
  isTried,
  type MoveReason,
  membersOf,
  nobody,
  type Tried,
} from './choice.ts';
import { consistentChoice } from './consistent.ts';
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';
import { isWanted, scopeOf } from './scope.ts';

/** Of a binding that the control plane has not seen yet. */
const UNWRITTEN = '' as AssignmentId;

export function resolveAccount(
  pool: Pool,
  selector: Selector,
  name: string,
  targetHost: string,
  tried: Tried,
): Route | Cause {
  const { assignments } = pool;
  const bound = assignments?.find(name);
  if (assignments === null || bound === undefined) {
    const first = leastAssigned(pool, selector, name, null, tried);
    if (first === null) return nobody(pool);
    const route = hand(pool, first, 'assigned', selector, targetHost);
    if (isRefused(route)) return route;
    bind(pool, { id: UNWRITTEN, name, to: first, pinned: false }, null, 'first_use');
    return route;
  }
  const member = assignments.memberOf(bound);
  if (member !== undefined && isWanted(member, selector) && canServe(pool, member, tried)) {
    const next = isOverdue(pool, bound) ? leastAssigned(pool, selector, name, member, tried) : null;
    return next === null
      ? hand(pool, member, 'account', selector, targetHost)
      : move(pool, selector, targetHost, bound, next, 'max_age');
  }
  const stays = bound.pinned || isStrict(pool, selector) || !pool.state.policy.rotateUnhealthy;
  if (stays) return 'session_unavailable';
  const next = leastAssigned(pool, selector, name, member ?? null, tried);
  if (next === null) return nobody(pool);
  return move(
    pool,
    selector,
    targetHost,
    bound,
    next,
    absenceOf(member, bound.sessionId, member !== undefined && isTried(member, tried)),
  );
}

/** Whether the pool's policy wants it to move for its age. */
export function isOverdue(pool: Pool, { pinned, boundAtMs }: AssignmentState): boolean {
  const { rotateAgeMs } = pool.state.policy;
  return rotateAgeMs !== null && !pinned && pool.clock.nowMs() - boundAtMs >= rotateAgeMs;
}

/** The session with the fewest assignments; among those with the labels asked for, or beside several tried, the consistent choice. */
function leastAssigned(
  pool: Pool,
  selector: Selector,
  name: string,
  current: Member | null,
  tried: Tried,
): Member | null {
  const aside = membersOf(pool, tried);
  if (current !== null && !aside.includes(current)) aside.push(current);
  const narrowed = selector.labels !== null || selector.provider !== null;
  if (narrowed || aside.length > 1) return consistentChoice(pool, scopeOf(pool, selector), name, aside);
  const [id = null] = assignmentsOf(pool).leastAssigned([name], aside[0]?.id ?? null);
  return id === null ? null : (pool.findById(id) ?? null);
}

function move(
  pool: Pool,
  selector: Selector,
  targetHost: string,
  bound: AssignmentState,
  to: Member,
  reason: MoveReason,
): Route | Cause {
  const route = hand(pool, to, 'assigned', selector, targetHost);
  if (isRefused(route)) return route;
  bind(pool, { id: bound.id, name: bound.accountName, to, pinned: bound.pinned }, bound.sessionId, reason);
  pool.moved = { from: bound.sessionId, reason };
  return route;
}

function bind(
  pool: Pool,
  { id, name, to, pinned }: { id: AssignmentId; name: string; to: Member; pinned: boolean },
  previous: SessionId | null,
  reason: BindReason,
): void {
  const sessionId = to.id;
  assignmentsOf(pool).put({
    id,
    poolId: pool.state.id,
    accountName: name,
    sessionId,
    pinned,
    boundAtMs: pool.clock.nowMs(),
  });
  pool.onBind({ poolId: pool.state.id, accountName: name, sessionId, previousSessionId: previous, reason });
}
