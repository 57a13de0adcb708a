/**
 * One session in the index. A million of these exist, so a member holds only
 * what choosing and compiling need: the endpoint and credentials of a STATIC
 * session live in its route alone. Written by `Pool` and `Group`, read by all.
 */
import type { PoolId, Route, SessionId } from '../model.ts';
import type { Group } from './group.ts';
import type { RouteSeed } from './route.ts';
import type { SessionLive } from './session-live.ts';

export class Member implements RouteSeed {
  readonly id: SessionId;
  /** Its point on the ring, and its hash in the table of ids: the same for every start. */
  readonly point: number;
  readonly group: Group;
  token: string;
  localAddress: string | null;
  /** Its number in the pool's tables. */
  slot = -1;
  /** Its index in the group's list of eligible members, or of the others. */
  position = -1;
  /** Whether it stands in the list of eligible ones: enabled, and it has an endpoint. */
  eligible = false;
  /** The route last compiled; use `Group.routeOf`, which knows whether it still holds. */
  route: Route | null = null;
  /** The group's stamp for which `route` was compiled. */
  stamp = -1;
  /** How it fares; null until its route is first handed out. */
  live: SessionLive | null = null;

  constructor(id: SessionId, point: number, group: Group, token: string, localAddress: string | null) {
    this.id = id;
    this.point = point;
    this.group = group;
    this.token = token;
    this.localAddress = localAddress;
  }

  get poolId(): PoolId {
    return this.group.pool.state.id;
  }
}
