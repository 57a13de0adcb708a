/**
 * How a pool chooses for who has no account and no sticky key: whose turn it is, by
 * each selection, over the rosters of a scope that is not empty; and what passes
 * when that one was chosen. O(1) for a roster, O(log n) where use is ordered; the rosters
 * of a scope are few. Looking changes nothing that another look would see.
 */
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';
import type { Roster } from './roster.ts';
import type { Scope } from './scope.ts';
import { UsageOrder } from './usage-order.ts';

/** So many that are blocked for the target are passed over; then a blocked one serves. */
export const PASSED_OVER = 3;

/** Whose turn it is; by chance, what the draws say that come `after` so many others. The scope must not be empty. */
export function next(pool: Pool, scope: Scope, after = 0): Member {
  switch (pool.state.policy.selection) {
    case 'round_robin':
      return inTurn(scope);
    case 'random':
      return at(scope, Math.floor(pool.draws[2 * after]! * scope.size));
    case 'least_connections':
      return leastUsed(pool, scope, true);
    case 'least_recently_used':
      return leastUsed(pool, scope, false);
    case 'fastest':
      return fasterOfTwo(pool, scope, after);
  }
}

/** The turn of whom `next` answered is over. Where use is ordered, it is over when the member was used (`usage.ts`). */
export function pass(pool: Pool, scope: Scope): void {
  const { selection } = pool.state.policy;
  if (selection === 'round_robin') passTurn(scope);
  else if (selection === 'random' || selection === 'fastest') pool.draw();
}

/** Who would be next in turn if that one left; null where that is not known, or nobody is left. */
export function runnerUp(pool: Pool, scope: Scope): Member | null {
  if (pool.state.policy.selection !== 'round_robin') return null;
  const { rosters } = scope;
  const from = turnOf(scope);
  const { list, served } = rosters[from]!;
  const position = served < list.length ? served : 0;
  // A waiting member that leaves is replaced by the last of its roster (`Roster.remove`).
  if (position < list.length - 1) return list.get(list.length - 1);
  const after = rosters.slice(from + 1).concat(rosters.slice(0, from));
  const waiting = after.find((roster) => roster.served < roster.size);
  if (waiting !== undefined) return waiting.list.get(waiting.served);
  const first = rosters.find((roster, index) => roster.size > (index === from ? 1 : 0));
  return first === undefined ? null : first.list.get(0);
}

/** Each once before anyone comes again, provider after provider. */
function inTurn(scope: Scope): Member {
  const { list, served } = scope.rosters[turnOf(scope)]!;
  return list.get(served < list.length ? served : 0);
}

/** The roster whose member is next: the first from the turn on in which somebody waits; when nobody does, a new round begins. */
function turnOf({ rosters, turn }: Scope): number {
  for (let i = 0; i < rosters.length; i++) {
    const index = (turn + i) % rosters.length;
    if (rosters[index]!.served < rosters[index]!.size) return index;
  }
  return rosters.findIndex(({ size }) => size > 0);
}

function passTurn(scope: Scope): void {
  const { rosters } = scope;
  scope.turn = turnOf(scope);
  const roster = rosters[scope.turn]!;
  if (roster.served >= roster.size) for (const each of rosters) each.served = 0;
  roster.served++;
}

/** The member at an index of all rosters together. */
function at(scope: Scope, index: number): Member {
  let left = index;
  for (const roster of scope.rosters) {
    if (left < roster.size) return roster.list.get(left);
    left -= roster.size;
  }
  throw new Error('an index lies outside of its scope');
}

/** Those that were never used from here come first; then the smallest rank. */
function leastUsed({ era }: Pool, scope: Scope, countsRequests: boolean): Member {
  let best: Roster | null = null;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const roster of scope.rosters) {
    if (roster.size === 0) continue;
    const order = orderOf(roster, era, countsRequests);
    if (roster.served < roster.size) return roster.list.get(roster.served);
    if (best !== null && order.firstRank >= bestRank) continue;
    best = roster;
    bestRank = order.firstRank;
  }
  return best!.order!.first!;
}

/** The roster's order of this era; of another one, or without any, nobody was used yet. */
function orderOf(roster: Roster, era: number, countsRequests: boolean): UsageOrder {
  if (roster.order?.era !== era) {
    roster.order = new UsageOrder(countsRequests, era);
    roster.served = 0;
  }
  return roster.order;
}

/** Of two different ones at random the better. */
function fasterOfTwo(pool: Pool, scope: Scope, after: number): Member {
  const { size } = scope;
  const one = Math.floor(pool.draws[2 * after]! * size);
  const a = at(scope, one);
  if (size === 1) return a;
  const other = Math.floor(pool.draws[2 * after + 1]! * (size - 1));
  const b = at(scope, other < one ? other : other + 1);
  return cost(b) < cost(a) ? b : a;
}

/** Smoothed time of a dial, once for each request that it would have; one that was never dialled is tried first. */
function cost({ live }: Member): number {
  return live === null ? 0 : (live.latencyMs ?? 0) * (live.inflight + 1);
}
