/**
 * The consistent choice: multi-probe consistent hashing (Appleton and O'Reilly,
 * 2015). Each session has one point on a ring of 2³², its id's hash; a key is
 * hashed to a fixed number of probes, and the probe nearest to the next session
 * clockwise wins.
 *
 * That is the smallest of a score per (session, key), so it depends on nothing
 * but the sessions that can serve: the same on every gateway and after a restart,
 * and a session that leaves moves only its own keys. As the smallest of parts is
 * the smallest of all, each provider's group has a ring of its own.
 */
import type { Group } from './group.ts';
import { hashText, mix, PUBLIC_KEY } from './hash.ts';
import type { Member } from './member.ts';
import type { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';

/** More probes are fairer and dearer; `docs/decisions/0003-index-structure.md` has the measured table. */
export const PROBES = 8;
/** A smaller ring lies in the cache anyway. */
const PREFETCH_FROM = 10_000;
/** 2³² divided by the golden ratio: spreads the inputs of `mix`. */
const STEP = 0x9e3779b9;

/**
 * The member that a key belongs to among those that can serve, or null when none can. `without` is left aside:
 * the answer is the one that would hold if that member left.
 */
export function consistentChoice(
  pool: Pool,
  key: string,
  probes: number = PROBES,
  without: Member | null = null,
): Member | null {
  const start = mix(hashText(key, PUBLIC_KEY) ^ pool.ringSalt);
  const { serving } = pool;
  let best: Member | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  let bestProbe = 0;
  for (let g = 0; g < serving.length; g++) {
    const group = serving[g]!;
    const { ring } = group;
    let distance = Number.POSITIVE_INFINITY;
    let point = 0;
    let nearest = 0;
    const aside = without !== null && without.group === group && without.eligible ? without : null;
    if (aside !== null && ring.size === 1) continue;
    if (ring.size > PREFETCH_FROM) ring.prefetch(start, STEP, probes);
    for (let probe = 0; probe < probes; probe++) {
      const from = mix((start + Math.imul(probe, STEP)) | 0);
      const next = aside === null ? ring.successor(from) : successorBut(ring, from, aside);
      const gap = (next - from) >>> 0;
      if (gap < distance) {
        distance = gap;
        point = next;
        nearest = probe;
      }
    }
    if (distance > bestDistance || (distance === bestDistance && nearest > bestProbe)) continue;
    const member = firstAt(pool, group, point, aside);
    // The same distance from the same probe is the same point: ids decide, as they do within a group.
    if (distance === bestDistance && nearest === bestProbe && best !== null && best.id < member.id) continue;
    best = member;
    bestDistance = distance;
    bestProbe = nearest;
  }
  return best;
}

/** The next point clockwise at which there is another member than `aside`, who must not be alone on the ring. */
function successorBut(ring: PointTable, from: number, aside: Member): number {
  const point = ring.successor(from);
  if (point !== aside.point || ring.next(point, ring.seek(point)) >= 0) return point;
  return ring.successor((point + 1) | 0);
}

/** The member at a point of the ring; of several with equal hashes the one with the smallest id, never `aside`. */
function firstAt(pool: Pool, group: Group, point: number, aside: Member | null): Member {
  const { ring } = group;
  let first: Member | null = null;
  for (let at = ring.seek(point); at >= 0; at = ring.next(point, at)) {
    const member = pool.members.get(ring.slotAt(point, at))!;
    if (member !== aside && (first === null || member.id < first.id)) first = member;
  }
  return first!;
}
