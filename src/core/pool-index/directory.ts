/**
 * The root of the index: keys, pools and providers of every workspace. The
 * gateway owns one, resolves from it, and applies the control plane's changes
 * to it in commit order; nothing else writes here.
 *
 *   workspace + name ─▶ Pool ─▶ Group (one a provider) ─▶ Member (one a session) ─▶ Route
 *
 * Invariant: after any changes it answers as one that was loaded afresh would.
 * No turn is long: a deleted provider's sessions stop at once and are cleared
 * in slices, by later changes and by `step()`.
 */
import type { AccountBinding } from '../account-binding.ts';
import type { Clock } from '../clock.ts';
import type {
  ApiKeyId,
  ApiKeyState,
  AssignmentState,
  Change,
  PoolId,
  PoolState,
  ProviderId,
  ProviderState,
  Route,
  SessionId,
  SessionState,
  WorkspaceId,
} from '../model.ts';
import type { AssignQuery } from '../observed.ts';
import type { RandomFill } from '../token-mint.ts';
import { assignmentsOf } from './assignments.ts';
import { ejectedIn, type MoveReason } from './choice.ts';
import { consistentChoice } from './consistent.ts';
import type { Group } from './group.ts';
import { Provider } from './group.ts';
import type { HashKey } from './hash.ts';
import { PUBLIC_KEY } from './hash.ts';
import { Health } from './health.ts';
import { HealthReports, INDEX_HOST } from './health-host.ts';
import type { Member } from './member.ts';
import { Pool } from './pool.ts';
import { baseOf } from './request-route.ts';
import type { LocalExit } from './route.ts';
import type { OnRequestRouteRetired } from './route-shelf.ts';
import { MAX_STICKY_KEYS, StickyTable } from './sticky-table.ts';
import type { PoolSurroundings } from './surroundings.ts';

/** A pool or a provider that stopped (or changed) as a whole. */
export type RetiredScope = { readonly poolId: PoolId } | { readonly providerId: ProviderId };

/** How many sessions of a pool can serve, and how many cannot. */
export interface PoolStats {
  readonly pool: PoolState;
  readonly eligible: number;
  /** Left out for their health, or their provider's. */
  readonly ejected: number;
  readonly disabled: number;
}

/** What a run hands to the next about its sticky keys. */
export interface StickyOverrides {
  /** Rises with every change that may add to them. */
  readonly version: number;
  readonly entries: readonly StickyOverride[] | null;
}

/** A sticky key that stays on a session which is not its consistent choice. `expiresAtMs` is wall time. */
export interface StickyOverride {
  readonly poolId: PoolId;
  readonly key: string;
  readonly sessionId: SessionId;
  readonly expiresAtMs: number;
}

export interface DirectoryOptions {
  readonly clock: Clock;
  readonly localExit: LocalExit | null;
  /** Two random 32-bit integers: with them no client can choose keys or tokens that collide. */
  readonly hashKey?: HashKey;
  /** Sticky keys remembered in all. */
  readonly maxStickyKeys?: number;
  /** At least 0, below 1. */
  readonly random?: () => number;
  /** Random octets, for tokens that nobody can foresee; without it providers that mint serve no request without a key. */
  readonly fill?: RandomFill;
}

/** Members cleared by one `step()`: about a tenth of a millisecond. */
const CLEAR_SLICE = 256;
/** Members of deleted providers that every change clears beside its own work. */
const CLEAR_PER_CHANGE = 8;

function noRandomness(): never {
  throw new Error('this directory was given no random octets');
}

export class Directory {
  /**
   * Called in the same turn when one session's route stops being valid: its
   * endpoint or credentials changed, or it was disabled or deleted.
   */
  onRouteRetired: (route: Route) => void = () => {};
  /**
   * Called once in the same turn when a pool or a provider stops or changes as
   * a whole (disabled, gone; a provider's endpoint, templates or credential).
   * It may stand for a million routes, so the caller walks its own live routes
   * instead and ends those for which `isCurrent` is false.
   */
  onScopeRetired: (scope: RetiredScope) => void = () => {};
  /** Called in the same turn when a route that was made for requests is not handed out any more. */
  onRequestRouteRetired: OnRequestRouteRetired = () => {};
  /** Called when `step` has something to do that no change will do in passing. */
  onWork: () => void = () => {};
  /** Called in the same turn when an account was bound in the index: to be written down. */
  onBind: (binding: AccountBinding) => void = () => {};

  /** To be told how attempts end. */
  readonly health: HealthReports;

  readonly #judge: Health;
  readonly #keys = new Map<string, ApiKeyState>();
  readonly #keysById = new Map<ApiKeyId, ApiKeyState>();
  readonly #pools = new Map<PoolId, Pool>();
  readonly #names = new Map<WorkspaceId, Map<string, Pool>>();
  readonly #providers = new Map<ProviderId, Provider>();
  readonly #dropped: Group[] = [];
  /** Pools that build a facet. */
  readonly #building = new Set<Pool>();
  readonly #clock: Clock;
  readonly #localExit: LocalExit | null;
  readonly #sticky: StickyTable;
  readonly #surroundings: PoolSurroundings;

  constructor(options: DirectoryOptions) {
    this.#clock = options.clock;
    this.#localExit = options.localExit;
    this.#sticky = new StickyTable(options.clock, options.maxStickyKeys ?? MAX_STICKY_KEYS);
    const judge = new Health(options.clock, INDEX_HOST);
    this.#judge = judge;
    this.health = new HealthReports(judge);
    this.#surroundings = {
      hashKey: options.hashKey ?? PUBLIC_KEY,
      localExit: options.localExit,
      sticky: this.#sticky,
      clock: options.clock,
      judge,
      random: options.random ?? Math.random,
      fill: options.fill ?? noRandomness,
      onWork: (pool) => {
        this.#building.add(pool);
        this.onWork();
      },
      onBind: (binding) => this.onBind(binding),
    };
  }

  /** Applies one committed change, in place. Throws when it names a pool or provider that was never put. */
  apply(change: Change): void {
    switch (change.kind) {
      case 'key-put':
        this.#putKey(change.key);
        break;
      case 'key-gone':
        this.#dropKey(change.hash);
        break;
      case 'pool-put':
        this.#putPool(change.pool);
        break;
      case 'pool-gone':
        this.#dropPool(change.poolId);
        break;
      case 'provider-put':
        this.#putProvider(change.provider);
        break;
      case 'provider-gone':
        this.#dropProvider(change.providerId);
        break;
      case 'session-put':
        this.#putSession(change.session);
        break;
      case 'session-gone': {
        this.#retire(this.#pools.get(change.poolId)?.remove(change.sessionId) ?? null);
        break;
      }
      case 'assignment-put':
        this.#putAssignment(change.assignment);
        break;
      case 'assignment-gone':
        this.#pools.get(change.poolId)?.assignments?.remove(change.accountName);
        break;
    }
    if (this.#dropped.length > 0) this.step(CLEAR_PER_CHANGE);
  }

  /** Clears up to `limit` sessions of deleted providers, and goes on building facets; true while more remain. Call it from a coarse tick. */
  step(limit: number = CLEAR_SLICE): boolean {
    let left = limit;
    for (let group = this.#dropped.at(-1); group !== undefined && left > 0; group = this.#dropped.at(-1)) {
      left -= group.pool.clear(group, left);
      if (group.total === 0) this.#dropped.pop();
    }
    const [building] = this.#building;
    if (building !== undefined && !building.step()) this.#building.delete(building);
    return this.#dropped.length > 0 || this.#building.size > 0;
  }

  /** The key with this SHA-256 (64 lower-case hex characters). */
  findKey(hash: string): ApiKeyState | undefined {
    return this.#keys.get(hash);
  }

  /** The key with this id. */
  findKeyById(id: ApiKeyId): ApiKeyState | undefined {
    return this.#keysById.get(id);
  }

  /** A workspace's pool by name, enabled or not. */
  findPool(workspaceId: WorkspaceId, name: string): Pool | undefined {
    return this.#names.get(workspaceId)?.get(name);
  }

  /** A pool by id, enabled or not. */
  findPoolById(poolId: PoolId): Pool | undefined {
    return this.#pools.get(poolId);
  }

  /** Whether a route may still be used: its session can serve now, by this very route. */
  isCurrent(route: Route): boolean {
    const pool = this.#pools.get(route.poolId);
    const member = pool?.findById(route.sessionId);
    if (pool === undefined || member === undefined || !pool.holds(member)) return false;
    const base = baseOf(route);
    if (pool.routeOf(member) !== base) return false;
    return base === route || (member.group.provider.requests?.made(route) ?? false);
  }

  /** The assignment of a pool's account; its session may be gone or unable to serve. */
  findAssignment(poolId: PoolId, accountName: string): AssignmentState | undefined {
    const binding = this.#pools.get(poolId)?.assignments?.find(accountName);
    if (binding === undefined) return undefined;
    // Where its member stands is the index's own affair.
    const { slot: _slot, ...assignment } = binding;
    return assignment;
  }

  /**
   * For each account in turn the session of the pool that can serve now with the fewest assignments, as if the
   * accounts before it were assigned already; null where there is none. Changes nothing.
   */
  leastAssigned({ poolId, accountNames, exclude }: AssignQuery): (SessionId | null)[] {
    const pool = this.#pools.get(poolId);
    if (pool === undefined) return accountNames.map(() => null);
    return assignmentsOf(pool).leastAssigned(accountNames, exclude);
  }

  /** Every pool with its counts, for the metrics. */
  stats(): PoolStats[] {
    this.advance();
    return [...this.#pools.values()].map((pool) => {
      const eligible = pool.state.enabled ? pool.size : 0;
      const ejected = pool.state.enabled ? ejectedIn(pool) : 0;
      return { pool: pool.state, eligible, ejected, disabled: pool.total - eligible - ejected };
    });
  }

  /** Lets sessions come back whose time is over: choices do, so it is for whoever looks at a pool without traffic. */
  advance(): void {
    this.#judge.advance(this.#clock.monotonicMs());
  }

  /** Sticky keys moved away from a session that could not serve, by reason, since the start. */
  stickyMoves(): ReadonlyMap<MoveReason, number> {
    return this.#sticky.moves;
  }

  /**
   * Live sticky keys held elsewhere than their consistent choice: what a restart would otherwise move.
   * Yields null for every key that is where it would be anyway, so that a caller can pause in between.
   */
  *stickyOverrides(): Generator<StickyOverride | null> {
    for (const { pool, key, sessionId, expiresAtMs } of this.#sticky.live()) {
      const known = this.#pools.get(pool.state.id) === pool && pool.findById(sessionId) !== undefined;
      if (!known || consistentChoice(pool, pool.scope, key)?.id === sessionId) {
        yield null;
        continue;
      }
      const left = expiresAtMs - this.#clock.monotonicMs();
      yield { poolId: pool.state.id, key, sessionId, expiresAtMs: this.#clock.nowMs() + left };
    }
  }

  /** Puts overrides back after a load. Those expired, or whose session is gone, are dropped. */
  restoreSticky(entries: Iterable<StickyOverride>): void {
    const now = this.#clock.nowMs();
    for (const { poolId, key, sessionId, expiresAtMs } of entries) {
      const pool = this.#pools.get(poolId);
      const member: Member | undefined = pool?.findById(sessionId);
      if (pool === undefined || member === undefined || expiresAtMs <= now) continue;
      this.#sticky.restore(pool.stickyHash(pool.keyHash(key)), pool, key, member, expiresAtMs - now);
    }
  }

  #putKey(key: ApiKeyState): void {
    this.#keys.set(key.hash, key);
    this.#keysById.set(key.id, key);
  }

  #dropKey(hash: string): void {
    const key = this.#keys.get(hash);
    if (key === undefined) return;
    this.#keys.delete(hash);
    if (this.#keysById.get(key.id) === key) this.#keysById.delete(key.id);
  }

  #putPool(state: PoolState): void {
    const known = this.#pools.get(state.id);
    if (known === undefined) {
      const pool = new Pool(state, this.#surroundings);
      this.#pools.set(state.id, pool);
      this.#name(pool);
      return;
    }
    this.#unname(known);
    const stopped = known.state.enabled && !state.enabled;
    known.update(state);
    this.#name(known);
    if (stopped) this.onScopeRetired({ poolId: state.id });
  }

  #dropPool(poolId: PoolId): void {
    const pool = this.#pools.get(poolId);
    if (pool === undefined) return;
    this.#unname(pool);
    this.#pools.delete(poolId);
    pool.destroy();
    this.#building.delete(pool);
    this.onScopeRetired({ poolId });
  }

  #putProvider(state: ProviderState): void {
    const known = this.#providers.get(state.id);
    if (known === undefined) {
      this.#providers.set(
        state.id,
        new Provider(state, this.#localExit, (route, how) => this.onRequestRouteRetired(route, how)),
      );
      return;
    }
    if (!known.update(state, this.#localExit)) return;
    this.#judge.renewed(known);
    this.onScopeRetired({ providerId: state.id });
  }

  #dropProvider(providerId: ProviderId): void {
    const provider = this.#providers.get(providerId);
    if (provider === undefined) return;
    this.#providers.delete(providerId);
    provider.requests?.retireAll();
    this.#judge.renewed(provider);
    for (const group of [...provider.groups]) {
      group.pool.drop(group);
      this.#dropped.push(group);
    }
    this.onScopeRetired({ providerId });
  }

  #putSession(session: SessionState): void {
    const pool = this.#pools.get(session.poolId);
    const provider = this.#providers.get(session.providerId);
    if (pool === undefined) throw new Error(`session ${session.id} is in no known pool (${session.poolId})`);
    if (provider === undefined) throw new Error(`session ${session.id} has no known provider (${session.providerId})`);
    this.#retire(pool.put(session, provider));
  }

  #retire(route: Route | null): void {
    if (route === null) return;
    this.#providers.get(route.providerId)?.requests?.retire(route);
    this.onRouteRetired(route);
  }

  #putAssignment(assignment: AssignmentState): void {
    const pool = this.#pools.get(assignment.poolId);
    if (pool === undefined) throw new Error(`assignment ${assignment.id} is in no known pool (${assignment.poolId})`);
    assignmentsOf(pool).put(assignment);
  }

  #name(pool: Pool): void {
    const { workspaceId, name } = pool.state;
    const names = this.#names.get(workspaceId);
    if (names === undefined) this.#names.set(workspaceId, new Map([[name, pool]]));
    else names.set(name, pool);
  }

  #unname(pool: Pool): void {
    const { workspaceId, name } = pool.state;
    const names = this.#names.get(workspaceId);
    if (names?.get(name) !== pool) return;
    names.delete(name);
    if (names.size === 0) this.#names.delete(workspaceId);
  }
}
