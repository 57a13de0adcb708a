/**
 * What the ways to resolve share: who may be chosen for an attempt, and what happens when
 * somebody is. Used by `resolve.ts` and `accounts.ts`.
 */
import type { Cause } from '../cause.ts';
import type { Route, SessionId } from '../model.ts';
import type { Selector, SelectorKey } from '../selector.ts';
import type { TokenMint } from '../token-mint.ts';
import type { RequestFault } from './dialect.ts';
import type { Member } from './member.ts';
import type { Pool, ResolveOutcome } from './pool.ts';
import { isRoute } from './request-route.ts';
import type { RouteSeed } from './route.ts';
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

/**
 * Makes a member the one that was chosen; answers the route of this request. Where that is a cause nothing came of the
 * choice, and callers remember nothing of it: a client's mistake binds no account and moves no key.
 */
export function hand(
  pool: Pool,
  member: Member,
  outcome: ResolveOutcome,
  selector: Selector,
  targetHost: string,
): Route | Cause {
  const route = routeFor(pool, member, outcome, selector);
  if (isRefused(route)) return route;
  pool.outcome = outcome;
  noteUse(member);
  pool.trial = pool.judge.chosen(member, targetHost);
  return route;
}

/** Whether a choice has no route after all. */
export function isRefused(route: Route | Cause): route is Cause {
  return typeof route === 'string';
}

/**
 * The route of a request over a member that is chosen for it so: the session's own, or one with a token and values of its
 * own where its provider has such. A value that the provider cannot spell is the selector's fault: `pool.fault`.
 * `foreseen`: the request is only thought of, so that its key takes no token from another and its route no other's place.
 */
export function routeFor(
  pool: Pool,
  member: Member,
  outcome: ResolveOutcome,
  selector: Selector,
  foreseen = false,
): Route | Cause {
  const base = pool.routeOf(member);
  if (base === null) return nobody(pool);
  const { provider } = member.group;
  const { requests } = provider;
  if (requests === null) return base;
  const { labels, ttlMs, session } = selector;
  const { mint } = requests;
  const values = { labels, ttlMs: ttlMs === null ? null : Math.min(ttlMs, pool.state.policy.stickyMaxMs) };
  const seed = { ...seedOf(member), labels: member.labels?.labels ?? null };
  const isTaken = (token: string): boolean => provider.hasToken(token);
  // An account has its session's own token, and so has who names one.
  const mints = mint !== null && selector.account === null && outcome !== 'token';
  const token = mints ? tokenFor(pool, mint, session, isTaken, foreseen) : null;
  if (mints && token === null) return faulty(pool, 'session');
  const asked = { ...values, token };
  let route: Route | RequestFault;
  if (foreseen) route = requests.foresee(base, seed, asked);
  else if (mints && session === null) route = requests.freshRoute(base, seed, { ...values, token: token! });
  else route = requests.routeFor(base, seed, asked);
  return isRoute(route) ? route : faulty(pool, route.invalid);
}

function tokenFor(
  { fill }: Pool,
  mint: TokenMint,
  key: string | null,
  isTaken: (token: string) => boolean,
  foreseen: boolean,
): string | null {
  if (key === null) return mint.fresh(fill, isTaken);
  return foreseen ? mint.foresee(key, isTaken) : mint.mint(key, isTaken);
}

function seedOf({ id, poolId, token, localAddress }: Member): RouteSeed {
  return { id, poolId, token, localAddress };
}

function faulty(pool: Pool, key: SelectorKey): Cause {
  pool.fault = { fault: 'invalid', key };
  return 'selector_invalid';
}

/** Why no session can serve. */
export function nobody(pool: Pool): Cause {
  return ejectedIn(pool) > 0 ? 'pool_unhealthy' : 'pool_empty';
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

/** Why a member that a key or an account was on cannot serve it. `member` is what now stands in its slot; `tried`: for this request. */
export function absenceOf(member: Member | undefined, id: SessionId, tried: boolean): MoveReason {
  if (member === undefined || member.id !== id || member.group.gone) return 'removed';
  if (!member.eligible) return 'disabled';
  if (!member.group.provider.serves) return 'provider_disabled';
  if (!member.serving || member.group.suspended) return 'ejected';
  return tried ? 'failed' : 'unwanted';
}

/** Sessions of a pool that could serve but for their health, or their provider's. */
export function ejectedIn(pool: Pool): number {
  let count = 0;
  for (const { provider, roster, bench, suspended } of pool.groups()) {
    if (provider.serves) count += bench.length + (suspended ? roster.size : 0);
  }
  return count;
}
