/**
 * One session in the index. A million of these exist, so a member holds only
 * what choosing and compiling need: the endpoint and credentials of a STATIC
 * session live in its route alone. Written by `Pool` and `Group`, read by all.
 */
import type { PoolId, Route, SessionId } from '../model.ts';
import type { Condition } from './condition.ts';
import type { Group } from './group.ts';
import type { LabelSet } from './label-set.ts';
import type { Patient } from './patient.ts';
import type { RouteSeed } from './route.ts';
import type { LoadWatcher, SessionLive } from './session-live.ts';
import { noteLoad } from './usage.ts';

/**
 * Where a member stands in its group: not at all; among those that cannot serve (disabled, without an endpoint); among
 * those that can; among those that could, but are left out for their health.
 */
export const NOWHERE = 0;
export const OFF = 1;
export const SERVING = 2;
export const BENCHED = 3;
export type Standing = typeof NOWHERE | typeof OFF | typeof SERVING | typeof BENCHED;

export class Member implements RouteSeed, LoadWatcher, Patient {
  // First what a choice reads, side by side: beyond the caches each line of 64 octets counts.
  readonly group: Group;
  standing: Standing = NOWHERE;
  /** The group's stamp for which `route` was compiled. */
  stamp = -1;
  /** The route last compiled; use `Group.routeOf`, which knows whether it still holds. */
  route: Route | null = null;
  /** How it fares, on each of its routes as well; null until its route is first handed out. */
  live: SessionLive | null = null;
  /** Written by `Health` alone. */
  condition: Condition | null = null;
  readonly id: SessionId;
  token: string;
  /** Its number in the pool's tables. */
  slot = -1;
  /** Its index in the list of those that stand where it does. */
  position = -1;
  /** Its point on the ring, and its hash in the table of ids: the same for every start. */
  readonly point: number;
  localAddress: string | null;
  labels: LabelSet | null;

  constructor(seed: RouteSeed, point: number, group: Group, labels: LabelSet | null) {
    this.id = seed.id;
    this.point = point;
    this.group = group;
    this.token = seed.token;
    this.localAddress = seed.localAddress;
    this.labels = labels;
  }

  get poolId(): PoolId {
    return this.group.pool.state.id;
  }

  /** Whether it stands in rosters, whatever its provider and pool. */
  get serving(): boolean {
    return this.standing === SERVING;
  }

  /** Requests of it began or ended. */
  loadChanged(): void {
    noteLoad(this);
  }

  /** Whether it is enabled and has an endpoint, in good health or not. */
  get eligible(): boolean {
    return this.standing >= SERVING;
  }
}
