/**
 * What `resolve` would choose, without choosing: for whoever asks why. Changes
 * nothing: no turn passes, no key is remembered. `resolve.ts` decides, this file
 * says what it would decide; a property test holds the two together.
 *
 * The runner-up is what would be chosen if the first left the pool before the request.
 */
import { consistentChoice, PROBES } from './consistent.ts';
import type { Member } from './member.ts';
import type { Pool, ResolveOutcome } from './pool.ts';

export interface Foreseen {
  readonly member: Member;
  /** How it is chosen. */
  readonly outcome: Exclude<ResolveOutcome, 'none'>;
  readonly runnerUp: Member | null;
}

/** How many sessions of a pool can serve, and how many cannot, by reason: together all that are live. */
export interface PoolCensus {
  readonly eligibleCount: number;
  readonly exclusions: readonly { readonly reason: ExclusionReason; readonly count: number }[];
}

/** Why sessions cannot serve. Of several reasons the one nearest to the session counts. */
export type ExclusionReason = 'session_disabled' | 'provider_disabled' | 'provider_incomplete' | 'pool_disabled';

/** The next choice for a request with this key, or without one; null when no session of the pool can serve. */
export function foresee(pool: Pool, stickyKey: string | null): Foreseen | null {
  if (!pool.state.enabled || pool.size === 0) return null;
  if (stickyKey === null) {
    const { next, runnerUp } = pool.peek();
    return { member: next, outcome: 'round_robin', runnerUp };
  }
  const keyHash = pool.keyHash(stickyKey);
  const hash = pool.stickyHash(keyHash);
  const named = pool.findByToken(keyHash, stickyKey);
  const first: Choice | null =
    named !== undefined && pool.serves(named)
      ? { member: named, outcome: 'token' }
      : choiceByKey(pool, stickyKey, hash, null);
  if (first === null) return null;
  return { ...first, runnerUp: choiceByKey(pool, stickyKey, hash, first.member)?.member ?? null };
}

type Choice = Pick<Foreseen, 'member' | 'outcome'>;

/** As `resolve` does for a key that names no token; `without` left aside. */
function choiceByKey(pool: Pool, key: string, hash: number, without: Member | null): Choice | null {
  const { sticky } = pool;
  const held = sticky.peek(hash, pool, key);
  if (held >= 0) {
    const member = pool.members.get(sticky.memberSlot(held));
    const serves = member !== undefined && member.id === sticky.sessionId(held) && pool.serves(member);
    if (serves && member !== without) return { member, outcome: 'sticky' };
  }
  const member = consistentChoice(pool, key, PROBES, without);
  return member && { member, outcome: held >= 0 ? 'moved' : 'consistent' };
}

/** Counts a pool's sessions, in time proportional to its providers. */
export function censusOf(pool: Pool): PoolCensus {
  let eligibleCount = 0;
  const counts = new Map<ExclusionReason, number>();
  const exclude = (reason: ExclusionReason, count: number): void => {
    if (count > 0) counts.set(reason, (counts.get(reason) ?? 0) + count);
  };
  for (const { provider, eligible, others } of pool.groups()) {
    exclude('session_disabled', others.length);
    if (!provider.serves)
      exclude(provider.state.enabled ? 'provider_incomplete' : 'provider_disabled', eligible.length);
    else if (!pool.state.enabled) exclude('pool_disabled', eligible.length);
    else eligibleCount += eligible.length;
  }
  return { eligibleCount, exclusions: [...counts].map(([reason, count]) => ({ reason, count })) };
}
