/**
 * The consistent choice: multi-probe consistent hashing (Appleton and O'Reilly,
 * 2015). Each session has one point on a ring of 2³², its id's hash; a key is
 * hashed to a fixed number of probes, and the probe nearest to the next session
 * clockwise wins.
 *
 * That is the smallest of a score per (session, key), so it depends on nothing
 * but the sessions that can serve: the same on every gateway and after a restart,
 * and a session that leaves moves only its own keys. As the smallest of parts is
 * the smallest of all, each roster has a ring of its own.
 */
import { hashText, mix, PUBLIC_KEY } from './hash.ts';
import type { Member } from './member.ts';
import type { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';
import type { Scope } from './scope.ts';

/** More probes are fairer and dearer; `docs/decisions/0003-index-structure.md` has the measured table. */
export const PROBES = 8;
/** 2³² divided by the golden ratio: spreads the inputs of `mix`. */
const STEP = 0x9e3779b9;
const NOBODY: readonly Member[] = [];

/**
 * The member of the scope that a key belongs to, or null when it is empty. `aside` are left aside: the answer is
 * the one that would hold if those left.
 */
export function consistentChoice(
  pool: Pool,
  scope: Scope,
  key: string,
  aside: readonly Member[] = NOBODY,
  probes: number = PROBES,
): Member | null {
  const start = mix(hashText(key, PUBLIC_KEY) ^ pool.ringSalt);
  const { rosters } = scope;
  let best: Member | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  let bestProbe = 0;
  for (let r = 0; r < rosters.length; r++) {
    const roster = rosters[r]!;
    const { ring } = roster;
    const here = aside.length === 0 ? aside : aside.filter((member) => roster.has(member));
    if (ring.size <= here.length) continue;
    const nearest =
      here.length === 0 ? ring.nearestOf(start, STEP, probes) : nearestBut(pool, ring, start, probes, here);
    const from = probeOf(start, nearest);
    const point = here.length === 0 ? ring.successor(from) : successorBut(pool, ring, from, here);
    const distance = (point - from) >>> 0;
    if (distance > bestDistance || (distance === bestDistance && nearest > bestProbe)) continue;
    const member = firstAt(pool, ring, point, here)!;
    // The same distance from the same probe is the same point: ids decide, as they do within a roster.
    if (distance === bestDistance && nearest === bestProbe && best !== null && best.id < member.id) continue;
    best = member;
    bestDistance = distance;
    bestProbe = nearest;
  }
  return best;
}

function probeOf(start: number, probe: number): number {
  return mix((start + Math.imul(probe, STEP)) | 0);
}

/** `nearestOf` over those of the ring that are not left aside. */
function nearestBut(pool: Pool, ring: PointTable, start: number, probes: number, aside: readonly Member[]): number {
  let nearest = 0;
  let distance = Number.POSITIVE_INFINITY;
  for (let probe = 0; probe < probes; probe++) {
    const from = probeOf(start, probe);
    const gap = (successorBut(pool, ring, from, aside) - from) >>> 0;
    if (gap >= distance) continue;
    distance = gap;
    nearest = probe;
  }
  return nearest;
}

/** The next point clockwise at which there is another member than those of the ring which are left aside. */
function successorBut(pool: Pool, ring: PointTable, from: number, aside: readonly Member[]): number {
  let point = ring.successor(from);
  // Each step passes one that is left aside, or stops.
  for (let i = 0; i < aside.length && firstAt(pool, ring, point, aside) === null; i++) {
    point = ring.successor((point + 1) | 0);
  }
  return point;
}

/** The member at a point of the ring; of several with equal hashes the one with the smallest id; null: all are left aside. */
function firstAt(pool: Pool, ring: PointTable, point: number, aside: readonly Member[]): Member | null {
  let first: Member | null = null;
  for (let at = ring.seek(point); at >= 0; at = ring.next(point, at)) {
    const member = pool.members.get(ring.slotAt(point, at))!;
    if (!aside.includes(member) && (first === null || member.id < first.id)) first = member;
  }
  return first;
}
