/**
 * Whom `choose` in `resolve.ts` would look at, one after the other, were each of them
 * blocked for the target; for `foresee.ts`. Changes nothing: turns are put back, draws
 * are made in advance (`Pool.draws`), and use is only reckoned with.
 */
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';
import type { Scope } from './scope.ts';
import { next, PASSED_OVER, pass } from './selection.ts';
import { rankOf } from './usage-order.ts';

/** So many are looked at. */
const LOOKS = 1 + PASSED_OVER;

/** The next choices of a scope that is not empty, first to last: the same one may come again. */
export function lookAhead(pool: Pool, scope: Scope): Member[] {
  switch (pool.state.policy.selection) {
    case 'round_robin':
      return inTurn(pool, scope);
    case 'random':
    case 'fastest':
      return Array.from({ length: LOOKS }, (_, after) => next(pool, scope, after));
    case 'least_connections':
    case 'least_recently_used':
      return leastUsed(pool, scope);
  }
}

function inTurn(pool: Pool, scope: Scope): Member[] {
  const { rosters, turn } = scope;
  const served = rosters.map((roster) => roster.served);
  const members = Array.from({ length: LOOKS }, () => {
    const member = next(pool, scope);
    pass(pool, scope);
    return member;
  });
  scope.turn = turn;
  for (const [index, roster] of rosters.entries()) roster.served = served[index]!;
  return members;
}

/** Each that is looked at counts as used: those never used come first, then the smallest rank, reckoned anew. */
function leastUsed(pool: Pool, scope: Scope): Member[] {
  const counts = pool.state.policy.selection === 'least_connections';
  const members: Member[] = [];
  const ranks = new Map<Member, number>();
  for (const { list, size, order, served } of scope.rosters) {
    // An order of another era is made anew by the choice that comes to it: nobody was used then.
    const used = order?.era === pool.era ? order : null;
    for (let i = used === null ? 0 : served; i < size && members.length < LOOKS; i++) members.push(list.get(i));
    for (const { member, rank } of used?.front(LOOKS) ?? []) ranks.set(member, rank);
  }
  let time = pool.uses;
  for (const member of members) ranks.set(member, rankOf(member, ++time, counts));
  while (members.length < LOOKS) {
    let best: Member | null = null;
    for (const [member, rank] of ranks) if (best === null || rank < ranks.get(best)!) best = member;
    members.push(best!);
    ranks.set(best!, rankOf(best!, ++time, counts));
  }
  return members;
}
