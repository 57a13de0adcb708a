/**
 * Who of a pool is out, in numbers, and who of them is the least bad. Made for a
 * group when a session of it first fails; written by `Ejections` alone.
 *
 *   PoolHealth ── groups ──▶ GroupHealth: its ejected sessions (heap, least bad first)
 *        └─────── suspended: those of its groups that are out as a whole
 *
 * A session counts as out once: its ejection counts while its group serves, and
 * else its group does, with all of its sessions.
 */
import { type Condition, isLessBad } from './condition.ts';
import type { PatientGroup, PatientPool } from './patient.ts';
import { PlacedHeap } from './placed-heap.ts';

export class GroupHealth {
  /** The least bad first; of equals who is out longest. */
  readonly ejected = new PlacedHeap<Condition>({
    before: (a, b) => isLessBad(a, b) || (!isLessBad(b, a) && a.order < b.order),
    placeOf: ({ badPlace }) => badPlace,
    place: (condition, index) => {
      condition.badPlace = index;
    },
  });
  /** Sessions that are half-open or on trial. */
  halfOpen = 0;
  suspended = false;
}

export class PoolHealth {
  readonly groups = new Set<PatientGroup>();
  readonly suspended = new Set<PatientGroup>();
  /** Ejected sessions of all groups, suspended or not. */
  ejected = 0;
  /** Waits to be settled. */
  unsettled = false;
  /** The pool is gone: nobody of it is to come back. */
  closed = false;
}

/** How many sessions of one pool are left out, and how many are half-open, at the moment. */
export interface HealthCounts {
  readonly ejected: number;
  readonly halfOpen: number;
}

/** Sessions of the pool that are out, in time proportional to its suspended groups. */
export function outOf({ health }: PatientPool): number {
  if (health === null) return 0;
  let out = health.ejected;
  for (const group of health.suspended) out += group.total - group.health!.ejected.size;
  return out;
}

/** How many sessions of the pool may be out at once. */
export function capOf({ total, state }: PatientPool): number {
  return Math.floor((total * state.policy.maxEjectedPercent) / 100);
}

/** For the metrics, in time proportional to the pool's providers. */
export function countsOf({ health }: PatientPool): HealthCounts {
  let ejected = 0;
  let halfOpen = 0;
  for (const group of health?.groups ?? []) {
    const own = group.health!;
    ejected += own.suspended ? group.total : own.ejected.size;
    if (own.suspended) continue;
    halfOpen += group.provider.health?.standing === 'half_open' ? group.total - own.ejected.size : own.halfOpen;
  }
  return { ejected, halfOpen };
}

/** The least bad of those whose return makes room; null when there is none. */
export function leastBadOf({ groups }: PoolHealth): Condition | null {
  let least: Condition | null = null;
  for (const { health } of groups) {
    const first = health!.suspended ? undefined : health!.ejected.first;
    if (first === undefined) continue;
    if (least === null || isLessBad(first, least) || (!isLessBad(least, first) && first.order < least.order)) {
      least = first;
    }
  }
  return least;
}

/** The group's health, made when first needed. */
export function healthOf(group: PatientGroup): GroupHealth {
  if (group.health === null) {
    group.health = new GroupHealth();
    group.pool.health ??= new PoolHealth();
    group.pool.health.groups.add(group);
  }
  return group.health;
}
