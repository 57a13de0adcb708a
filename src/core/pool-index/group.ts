/**
 * A pool's sessions of one provider, and the provider they share. Disabling a
 * provider takes its group out of each pool's turn, whatever the number of
 * sessions, because everything that chooses walks groups, not sessions:
 *
 *   provider ──▶ group in pool A: eligible members (dense), their ring, the others (dense)
 *            └─▶ group in pool B: …
 *
 * A change that touches all routes of a group raises its stamp, and each route
 * is compiled again when it is next asked for. Invariant: an eligible member
 * stands in `eligible` and in `ring` exactly once, any other in `others`.
 */
import type { ProviderState, Route } from '../model.ts';
import type { AssignedTree } from './assigned-tree.ts';
import type { Member } from './member.ts';
import { PagedList } from './paged-list.ts';
import { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';
import type { LocalExit } from './route.ts';
import { compileProviderRoute, sameRoute } from './route.ts';
import { SessionLive } from './session-live.ts';

export class Provider {
  state: ProviderState;
  /** Whether sessions of this provider can serve: enabled, and it has the endpoint its type needs. */
  serves: boolean;
  readonly groups = new Set<Group>();

  constructor(state: ProviderState, localExit: LocalExit | null) {
    this.state = state;
    this.serves = canServe(state, localExit);
  }

  /**
   * Takes a new state over, in time proportional to the pools that have
   * sessions of it; true when routes may have stopped being valid.
   */
  update(state: ProviderState, localExit: LocalExit | null): boolean {
    const { state: before, serves: servedBefore } = this;
    if (state.type !== before.type) throw new Error(`provider ${state.id} changed its type, which is fixed`);
    this.state = state;
    this.serves = canServe(state, localExit);
    const stopped = servedBefore && !this.serves;
    const rerouted = state.type === 'gateway' && reroutes(before, state);
    for (const group of this.groups) {
      if (stopped) group.expire();
      else if (rerouted) group.outdate();
      group.pool.admit(group);
    }
    return stopped || (servedBefore && rerouted);
  }
}

export class Group {
  readonly pool: Pool;
  readonly provider: Provider;
  eligible = new PagedList<Member>();
  others = new PagedList<Member>();
  readonly ring = new PointTable();
  /** Who on the ring has the fewest assignments; null while nobody has any. Kept by `PoolAssignments`. */
  assigned: AssignedTree | null = null;
  /** Whether it takes turns in its pool: its provider serves, and it has eligible members. Kept by `Pool.admit`. */
  serving = false;
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
    return this.eligible.length + this.others.length;
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
    this.eligible = new PagedList();
    this.others = new PagedList();
  }

  /** The member's route as of now, with its session's live state; null without an endpoint. */
  routeOf(member: Member): Route | null {
    const route = member.stamp === this.#stamp ? member.route : this.#recompile(member);
    if (route !== null && route.live === null) route.live = member.live ??= new SessionLive();
    return route;
  }

  /** Makes `route` the member's own from now on. */
  assign(member: Member, route: Route | null): void {
    member.route = route;
    member.stamp = this.#stamp;
  }

  /** Adds to the list that fits; `eligible` as the pool judged. */
  add(member: Member, eligible: boolean): void {
    member.eligible = eligible;
    member.position = (eligible ? this.eligible : this.others).push(member);
    if (!eligible) return;
    this.ring.insert(member.point, member.slot);
    this.pool.assignments?.came(member);
  }

  /**
   * Takes a member out of its list, in O(1). `served` is how many from the
   * front of `eligible` had their turn in this round; answers how many of those remain.
   *
   *   [ served … s | waiting … w ]  a served one leaves: s fills its place, w fills that of s
   */
  remove(member: Member, served: number): number {
    const list = member.eligible ? this.eligible : this.others;
    if (member.eligible) {
      this.ring.remove(member.point, member.slot);
      this.pool.assignments?.left(member);
    }
    let hole = member.position;
    const left = member.eligible && hole < served ? served - 1 : served;
    if (left < served) {
      this.#place(list, list.get(left), hole);
      hole = left;
    }
    const last = list.pop()!;
    if (hole < list.length) this.#place(list, last, hole);
    member.position = -1;
    member.eligible = false;
    return left;
  }

  #place(list: PagedList<Member>, member: Member, position: number): void {
    list.set(position, member);
    member.position = position;
  }

  /** A STATIC route is its own source: retired, it is copied, as its identity is what was retired. */
  #recompile(member: Member): Route | null {
    const { state } = this.provider;
    const before = member.route;
    const retired = this.hasRetired(member);
    member.stamp = this.#stamp;
    if (state.type === 'static') {
      if (retired && before !== null) member.route = { ...before };
      return member.route;
    }
    const route = compileProviderRoute(member, state, this.pool.localExit);
    const stays = !retired && before !== null && route !== null && sameRoute(before, route);
    if (!stays) member.route = route;
    return member.route;
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
