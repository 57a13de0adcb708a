/**
 * What `resolve` would choose, without choosing: for whoever asks why. Changes
 * nothing: no turn passes, no key is remembered. `resolve.ts` decides, this file
 * says what it would decide; a property test holds the two together.
 *
 * The runner-up is what would be chosen if the first left the pool before the request.
 */
import type { Cause } from '../cause.ts';
import type { Selector } from '../selector.ts';
import { isOverdue } from './accounts.ts';
import { assignmentsOf } from './assignments.ts';
import { isStrict, nobody } from './choice.ts';
import { consistentChoice } from './consistent.ts';
import { lookAhead } from './lookahead.ts';
import type { Member } from './member.ts';
import type { Pool, ResolveOutcome } from './pool.ts';
import { stickyKeyOf, successorOf } from './resolve.ts';
import { isWanted, scopeOf } from './scope.ts';
import { runnerUp } from './selection.ts';

export interface Foreseen {
  readonly member: Member;
  /** How it is chosen. */
  readonly outcome: Exclude<ResolveOutcome, 'none'>;
  readonly runnerUp: Member | null;
}

/** How many sessions of a pool can serve a request, and how many cannot, by reason: together all that are live. */
export interface PoolCensus {
  readonly eligibleCount: number;
  readonly exclusions: readonly { readonly reason: ExclusionReason; readonly count: number }[];
}

/** Why sessions cannot serve. Of several reasons the one nearest to the session counts; `not_asked_for`: they can, but the request wants others. */
export type ExclusionReason =
  | 'session_disabled'
  | 'session_ejected'
  | 'provider_disabled'
  | 'provider_incomplete'
  | 'provider_suspended'
  | 'pool_disabled'
  | 'not_asked_for';

/** A look takes out whoever it meets at a suspended endpoint, as a choice does: so often it looks again. */
const MAX_LOOKS = 64;

/**
 * The next choice for a request like this, at its first attempt; or the cause for which there is none. Where more sessions
 * than MAX_LOOKS of suspended endpoints come first, one of them.
 */
export function foresee(pool: Pool, selector: Selector, targetHost: string): Foreseen | Cause {
  for (let i = 1; ; i++) {
    const { ejections } = pool.judge;
    const seen = look(pool, selector, targetHost);
    if (pool.judge.ejections === ejections || i === MAX_LOOKS) return seen;
  }
}

function look(pool: Pool, selector: Selector, targetHost: string): Foreseen | Cause {
  if (!pool.state.enabled) return 'pool_disabled';
  pool.judge.advance(pool.clock.monotonicMs());
  if (selector.account !== null) return byAccount(pool, selector, selector.account);
  if (selector.session !== null) return byKey(pool, selector, selector.session, targetHost);
  const scope = scopeOf(pool, selector);
  if (scope.size === 0) return nobody(pool);
  const { selection } = pool.state.policy;
  const ahead = lookAhead(pool, scope);
  const first = ahead[0]!;
  const second = runnerUp(pool, scope);
  const member = ahead.find((each) => !pool.judge.blocks(each, targetHost)) ?? first;
  return { member, outcome: selection, runnerUp: member === first ? second : first };
}

function byAccount(pool: Pool, selector: Selector, name: string): Foreseen | Cause {
  const bound = pool.assignments?.find(name);
  const member = bound && pool.findById(bound.sessionId);
  const serves = member !== undefined && isWanted(member, selector) && pool.serves(member);
  const second = leastAssigned(pool, selector, name, member ?? null);
  if (serves && !(isOverdue(pool, bound!) && second !== null)) return { member, outcome: 'account', runnerUp: second };
  const stays = bound !== undefined && !serves;
  if (stays && (bound.pinned || isStrict(pool, selector) || !pool.state.policy.rotateUnhealthy))
    return 'session_unavailable';
  if (second === null) return nobody(pool);
  return { member: second, outcome: 'assigned', runnerUp: leastAssigned(pool, selector, name, second) };
}

/** As `accounts.ts` chooses. */
function leastAssigned(pool: Pool, selector: Selector, name: string, without: Member | null): Member | null {
  if (selector.labels !== null || selector.provider !== null) {
    return consistentChoice(pool, scopeOf(pool, selector), name, without === null ? [] : [without]);
  }
  const [id = null] = assignmentsOf(pool).leastAssigned([name], without?.id ?? null);
  return id === null ? null : (pool.findById(id) ?? null);
}

type Choice = Pick<Foreseen, 'member' | 'outcome'>;

function byKey(pool: Pool, selector: Selector, token: string, targetHost: string): Foreseen | Cause {
  const named = pool.findByToken(pool.keyHash(token), token);
  const isNamed = named !== undefined && isWanted(named, selector);
  if (isNamed && !pool.serves(named) && isStrict(pool, selector)) return 'session_unavailable';
  const first: Choice | Cause =
    isNamed && pool.serves(named) ? { member: named, outcome: 'token' } : choiceByKey(pool, selector, targetHost, null);
  if (typeof first === 'string') return first;
  const second = isStrict(pool, selector) ? null : choiceByKey(pool, selector, targetHost, first.member);
  return { ...first, runnerUp: second === null || typeof second === 'string' ? null : second.member };
}

/** As `resolve` does for a key that names no token; `without` left aside. */
function choiceByKey(pool: Pool, selector: Selector, targetHost: string, without: Member | null): Choice | Cause {
  const { sticky } = pool;
  const key = stickyKeyOf(selector);
  const aside = without === null ? [] : [without];
  const held = sticky.peek(pool.stickyHash(pool.keyHash(key)), pool, key);
  if (held < 0) return chosen(pool, consistent(pool, selector, key, targetHost, aside), 'consistent');
  const from = pool.members.get(sticky.memberSlot(held));
  const member = from?.id === sticky.sessionId(held) ? from : undefined;
  if (member !== undefined && pool.serves(member) && isWanted(member, selector) && member !== without) {
    if (isStrict(pool, selector) || !pool.judge.blocks(member, targetHost)) return { member, outcome: 'sticky' };
    const detour = consistentChoice(pool, scopeOf(pool, selector), key, [member, ...aside]);
    return detour === null ? { member, outcome: 'sticky' } : { member: detour, outcome: 'moved' };
  }
  if (isStrict(pool, selector)) return 'session_unavailable';
  // Of one that is gone nobody knows what it was like.
  return chosen(pool, successorOf(pool, selector, member === without ? undefined : member, key, aside), 'moved');
}

function consistent(pool: Pool, selector: Selector, key: string, targetHost: string, aside: Member[]): Member | null {
  const first = consistentChoice(pool, scopeOf(pool, selector), key, aside);
  if (first === null || !pool.judge.blocks(first, targetHost)) return first;
  return consistentChoice(pool, scopeOf(pool, selector), key, [...aside, first]) ?? first;
}

function chosen(pool: Pool, member: Member | null, outcome: Choice['outcome']): Choice | Cause {
  return member === null ? nobody(pool) : { member, outcome };
}

/** Counts a pool's sessions, in time proportional to its providers and what is asked for. */
export function censusOf(pool: Pool, selector: Selector): PoolCensus {
  const counts = new Map<ExclusionReason, number>();
  const exclude = (reason: ExclusionReason, count: number): void => {
    if (count > 0) counts.set(reason, (counts.get(reason) ?? 0) + count);
  };
  let canServe = 0;
  for (const { provider, roster, bench, others, suspended } of pool.groups()) {
    exclude('session_disabled', others.length);
    const rest = roster.size + bench.length;
    if (!provider.serves) exclude(provider.state.enabled ? 'provider_incomplete' : 'provider_disabled', rest);
    else if (!pool.state.enabled) exclude('pool_disabled', rest);
    else if (suspended) exclude('provider_suspended', rest);
    else {
      exclude('session_ejected', bench.length);
      canServe += roster.size;
    }
  }
  const eligibleCount = pool.state.enabled ? Math.min(canServe, scopeOf(pool, selector).size) : 0;
  exclude('not_asked_for', canServe - eligibleCount);
  return { eligibleCount, exclusions: [...counts].map(([reason, count]) => ({ reason, count })) };
}
