/**
 * What the ways to resolve share: who may be chosen for an attempt, and what happens when
 * somebody is. Used by `resolve.ts` and `accounts.ts`.
 */
import type { Cause } from '../cause.ts';
import type { Route, SessionId } from '../model.ts';
import type { Selector } from '../selector.ts';
import type { Member } from './member.ts';
import type { Pool, ResolveOutcome } from './pool.ts';
import { noteUse } from './usage.ts';

/** Who was tried already for this request. */
export type Tried = readonly Route[];

/** Why a key or an account left its session. */
export type MoveReason =
  | 'removed'
  | 'disabled'
  | 'provider_disabled'
  | 'ejected'
  /** An attempt on it failed. */
  | 'failed'
  /** Its labels are no longer those that are asked for. */
  | 'unwanted'
  /** The pool's policy moves accounts after so long. */
  | 'max_age';

/** A key's or an account's move in this turn. */
export interface Move {
  readonly from: SessionId;
  readonly reason: MoveReason;
}

/** Makes a member the one that was chosen; answers its route. */
export function hand(pool: Pool, member: Member, outcome: ResolveOutcome): Route | Cause {
  const route = pool.routeOf(member);
  if (route === null) return nobody(pool);
  pool.outcome = outcome;
  noteUse(member);
  pool.health.chosen(member);
  return route;
}

/** Why no session can serve. */
export function nobody(pool: Pool): Cause {
  return pool.leftOut > 0 ? 'pool_unhealthy' : 'pool_empty';
}

/** Whether a request's stickiness fails rather than moves. */
export function isStrict(pool: Pool, { strict }: Selector): boolean {
  return strict ?? pool.state.policy.strict;
}

/** Whether a member can serve this attempt, the target's own troubles aside. */
export function canServe(pool: Pool, member: Member, tried: Tried): boolean {
  return pool.serves(member) && !isTried(member, tried);
}

export function isTried({ id }: Member, tried: Tried): boolean {
  for (const { sessionId } of tried) if (sessionId === id) return true;
  return false;
}

/** The members behind what was tried. */
export function membersOf(pool: Pool, tried: Tried): Member[] {
  return tried.map(({ sessionId }) => pool.findById(sessionId)).filter((member) => member !== undefined);
}
