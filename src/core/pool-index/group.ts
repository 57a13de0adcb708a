/**
 * A pool's sessions of one provider, and the provider they share. Disabling a
 * provider takes its group out of each pool's scope, whatever the number of
 * sessions, because everything that chooses walks groups, not sessions:
 *
 *   provider ──▶ group in pool A: roster (can serve), bench (left out for their health), the others
 *            └─▶ group in pool B: …
 *
 * A change that touches all routes of a group raises its stamp, and each route
 * is compiled again when it is next asked for. Invariant: a member stands in exactly
 * one of the three, and in rosters of the pool's facets only while it stands in this one.
 */
import type { ProviderState, Route } from '../model.ts';
import type { AssignedTree } from './assigned-tree.ts';
import { BENCHED, type Member, NOWHERE, OFF, SERVING, type Standing } from './member.ts';
import { PagedList } from './paged-list.ts';
import type { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';
import type { GroupHealth } from './pool-health.ts';
import type { RequestRoutes } from './request-routes.ts';
import { requestRoutesOf } from './request-routes.ts';
import { type Positions, Roster } from './roster.ts';
import type { LocalExit } from './route.ts';
import { compileProviderRoute, sameRoute } from './route.ts';
import type { OnRequestRouteRetired } from './route-shelf.ts';
import { SessionLive } from './session-live.ts';
import type { ProviderHealth } from './suspensions.ts';

/** The index in a group's own lists is the member's. */
const OWN_POSITIONS: Positions = {
  get: (member) => (member.standing === SERVING ? member.position : -1),
  set: (member, position) => {
    member.position = position;
  },
};

export class Provider {
  state: ProviderState;
  /** Whether sessions of this provider can serve: enabled, and it has the endpoint its type needs. */
  serves: boolean;
  /** What requests need of it beyond its sessions' own routes; null: nothing. */
  requests: RequestRoutes | null;
  readonly groups = new Set<Group>();
  /** Written by `Health` alone. */
  health: ProviderHealth | null = null;
  readonly #onRetired: OnRequestRouteRetired;

  constructor(state: ProviderState, localExit: LocalExit | null, onRetired: OnRequestRouteRetired) {
    this.state = state;
    this.serves = canServe(state, localExit);
    this.#onRetired = onRetired;
    this.requests = requestRoutesOf(state, null, onRetired);
  }

  /** Whether a session of it has this token, in whatever pool. */
  hasToken(token: string): boolean {
    for (const { pool } of this.groups) {
      if (pool.findByToken(pool.keyHash(token), token)?.group.provider === this) return true;
    }
    return false;
  }

  /**
   * Takes a new state over, in time proportional to the pools that have
   * sessions of it; true when routes may have stopped being valid.
   */
  update(state: ProviderState, localExit: LocalExit | null): boolean {
    const { state: before, serves: servedBefore, requests } = this;
    if (state.type !== before.type) throw new Error(`provider ${state.id} changed its type, which is fixed`);
    this.state = state;
    this.serves = canServe(state, localExit);
    this.requests = requestRoutesOf(state, requests, this.#onRetired);
    const stopped = servedBefore && !this.serves;
    const rerouted = state.type === 'gateway' && reroutes(before, state);
    for (const group of this.groups) {
      if (stopped) group.expire();
      else if (rerouted) group.outdate();
      group.pool.admit(group);
    }
    return stopped || (servedBefore && (rerouted || this.requests !== requests));
  }
}

export class Group {
  readonly pool: Pool;
  readonly provider: Provider;
  roster = new Roster(OWN_POSITIONS);
  bench = new PagedList<Member>();
  others = new PagedList<Member>();
  /** Who on the ring has the fewest assignments; null while nobody has any. Kept by `PoolAssignments`. */
  assigned: AssignedTree | null = null;
  /** Whether it stands in its pool's scope: its provider serves, and its roster is not empty. Kept by `Pool.admit`. */
  serving = false;
  /** Left out as a whole, for its provider's health. */
  suspended = false;
  /** Written by `Health` alone. */
  health: GroupHealth | null = null;
  /** Its provider was deleted: its members are no longer found, and are cleared in slices. */
  gone = false;
  #stamp = 0;
  /** Routes compiled before this stamp were retired: never to be handed out again. */
  #expired = 0;

  constructor(pool: Pool, provider: Provider) {
    this.pool = pool;
    this.provider = provider;
    provider.groups.add(this);
  }

  get total(): number {
    return this.roster.size + this.bench.length + this.others.length;
  }

  /** Those that can serve, by their points. */
  get ring(): PointTable {
    return this.roster.ring;
  }

  /** All routes may differ from now on; those that turn out the same stay. */
  outdate(): void {
    this.#stamp++;
  }

  /** All routes are retired: each next one is a new object. */
  expire(): void {
    this.#expired = ++this.#stamp;
  }

  /** Whether the member's route was retired with all others, and not compiled since. */
  hasRetired(member: Member): boolean {
    return member.stamp < this.#expired;
  }

  /** Lets go of all members at once: their pool is gone. */
  abandon(): void {
    this.roster = new Roster(OWN_POSITIONS);
    this.bench = new PagedList();
    this.others = new PagedList();
  }

  /** The member's route as of now, with its session's live state; null without an endpoint. */
  routeOf(member: Member): Route | null {
    const route = member.stamp === this.#stamp ? member.route : this.#recompile(member);
    // The member knows as well as the route, and is in the cache by now.
    if (member.live === null && route !== null) route.live = member.live = new SessionLive(member);
    return route;
  }

  /** Makes `route` the member's own from now on. */
  assign(member: Member, route: Route | null): void {
    member.stamp = this.#stamp;
    this.#give(member, route);
  }

  /** Puts a member that stands nowhere where it belongs. */
  add(member: Member, standing: Standing): void {
    member.standing = standing;
    if (standing !== SERVING) {
      member.position = this.#listOf(standing).push(member);
      return;
    }
    this.roster.add(member);
    this.pool.came(member);
  }

  /** Takes a member out of where it stands, in O(1) but for what is ordered. */
  remove(member: Member): void {
    const { standing } = member;
    if (standing === SERVING) {
      this.roster.remove(member);
      this.pool.left(member);
    } else {
      const list = this.#listOf(standing);
      const last = list.pop()!;
      if (last !== member) {
        list.set(member.position, last);
        last.position = member.position;
      }
    }
    member.standing = NOWHERE;
    member.position = -1;
  }

  #listOf(standing: Standing): PagedList<Member> {
    if (standing !== OFF && standing !== BENCHED) throw new Error('a member that stands nowhere is in no list');
    return standing === BENCHED ? this.bench : this.others;
  }

  /** A STATIC route is its own source: retired, it is copied, as its identity is what was retired. */
  #recompile(member: Member): Route | null {
    const { state } = this.provider;
    const before = member.route;
    const retired = this.hasRetired(member);
    member.stamp = this.#stamp;
    if (state.type === 'static') {
      if (retired && before !== null) this.#give(member, { ...before });
      return member.route;
    }
    const route = compileProviderRoute(member, state, this.pool.localExit);
    const stays = !retired && before !== null && route !== null && sameRoute(before, route);
    if (!stays) this.#give(member, route);
    return member.route;
  }

  /** Another route of the same session fares as that does. */
  #give(member: Member, route: Route | null): void {
    if (route !== null) route.live = member.live;
    member.route = route;
  }
}

function canServe(state: ProviderState, localExit: LocalExit | null): boolean {
  if (!state.enabled) return false;
  if (state.type === 'gateway') return state.endpoint !== null;
  return state.type === 'static' || localExit !== null;
}

function reroutes(a: ProviderState, b: ProviderState): boolean {
  return (
    a.endpoint?.scheme !== b.endpoint?.scheme ||
    a.endpoint?.host !== b.endpoint?.host ||
    a.endpoint?.port !== b.endpoint?.port ||
    a.usernameTemplate !== b.usernameTemplate ||
    a.passwordTemplate !== b.passwordTemplate ||
    a.password !== b.password
  );
}
