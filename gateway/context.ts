/**
 * What every connection of one gateway shares: made once by `server.ts`, passed
 * down, never global. Its counters are the live state that limits and drain look at.
 */
import type { Clock } from '../src/core/clock.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Logger } from '../src/core/log.ts';
import type { Histogram } from '../src/core/metrics.ts';
import type { OnRevokeName, Route } from '../src/core/model.ts';
import type { Directory } from '../src/core/pool-index/directory.ts';
import { baseOf } from '../src/core/pool-index/request-route.ts';
import type { AddressGuard } from './address-guard.ts';
import type { AuthThrottle } from './auth-throttle.ts';
import type { BindingQueue } from './binding-queue.ts';
import type { Caps } from './caps.ts';
import type { Counters } from './counters.ts';
import { CredentialEcho } from './credential-echo.ts';
import type { Credentials } from './credentials.ts';
import { Deadline, type Deadlines } from './deadlines.ts';
import type { HealthFeed } from './health-feed.ts';
import type { Intakes } from './intake.ts';
import type { Ledger } from './ledger.ts';
import { type Load, NORMAL } from './load.ts';
import type { NameResolver } from './name-resolver.ts';
import type { OwnAddresses } from './own-addresses.ts';
import { RetryBudgets } from './retry-budget.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import type { UpstreamTls } from './upstream-tls.ts';
import type { Via } from './via.ts';

/** Something live that a revocation or the end of a drain must be able to cut. */
export interface Cuttable {
  /** Hash of the API key it was opened with. */
  readonly keyHash: string;
  /** Whether it is open; until then whatever it goes by must be valid. */
  readonly open: boolean;
  /** What its pool wants to become of it when its session or key is revoked. */
  readonly onRevoke: OnRevokeName;
  /** Ends it now, visibly. */
  cut(cause: 'revoked' | 'draining'): void;
}

export class GatewayContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly accessLog: boolean;
  readonly limits: GatewayLimits;
  /** How long tunnels of pools with `onRevoke: DRAIN` may go on. */
  readonly revokeGraceMs: number;
  readonly directory: Directory;
  readonly credentials: Credentials;
  readonly bindings: BindingQueue;
  readonly counters: Counters;
  readonly deadlines: Deadlines;
  readonly upstreams: UpstreamPool;
  readonly upstreamTls: UpstreamTls;
  readonly ownAddresses: OwnAddresses;
  readonly resolver: NameResolver;
  readonly addressGuard: AddressGuard;
  readonly ledger: Ledger;
  readonly caps: Caps;
  readonly via: Via;
  readonly credentialEcho = new CredentialEcho();
  readonly retryBudgets = new RetryBudgets();
  readonly intakes: Intakes;
  readonly health: HealthFeed;
  readonly load: Load;
  readonly throttle: AuthThrottle;
  /** By outcome; the resolver's latency is the first figure an operator looks at. */
  readonly resolveSeconds: Map<string, Histogram>;
  /** Requests and tunnels under way. */
  inFlight = 0;
  /** Keep-alive answers close. */
  draining = false;
  /** New tunnels are refused: they would be cut before long. */
  takesTunnels = true;
  readonly #tunnels = new Map<Route, Set<Cuttable>>();
  /** Those of the routes with tunnels that were made for requests, by their session's own. */
  readonly #requestRoutes = new Map<Route, Set<Route>>();
  /** Tunnels that were revoked and have their grace. */
  readonly #leaving = new Map<Cuttable, Deadline>();
  readonly #idPrefix: string;
  #lastId = 0;

  constructor(parts: {
    clock: Clock;
    log: Logger;
    accessLog: boolean;
    limits: GatewayLimits;
    revokeGraceMs: number;
    directory: Directory;
    credentials: Credentials;
    bindings: BindingQueue;
    counters: Counters;
    deadlines: Deadlines;
    intakes: Intakes;
    upstreams: UpstreamPool;
    upstreamTls: UpstreamTls;
    ownAddresses: OwnAddresses;
    resolver: NameResolver;
    addressGuard: AddressGuard;
    ledger: Ledger;
    caps: Caps;
    via: Via;
    load: Load;
    throttle: AuthThrottle;
    health: HealthFeed;
    resolveSeconds: Map<string, Histogram>;
    /** Eight random hex digits that tell this run's request ids from another's. */
    idPrefix: string;
  }) {
    this.clock = parts.clock;
    this.log = parts.log;
    this.accessLog = parts.accessLog;
    this.limits = parts.limits;
    this.revokeGraceMs = parts.revokeGraceMs;
    this.directory = parts.directory;
    this.credentials = parts.credentials;
    this.bindings = parts.bindings;
    this.counters = parts.counters;
    this.deadlines = parts.deadlines;
    this.intakes = parts.intakes;
    this.upstreams = parts.upstreams;
    this.upstreamTls = parts.upstreamTls;
    this.ownAddresses = parts.ownAddresses;
    this.resolver = parts.resolver;
    this.addressGuard = parts.addressGuard;
    this.ledger = parts.ledger;
    this.caps = parts.caps;
    this.via = parts.via;
    this.load = parts.load;
    this.throttle = parts.throttle;
    this.health = parts.health;
    this.resolveSeconds = parts.resolveSeconds;
    this.#idPrefix = parts.idPrefix;
  }

  /** Whether a client's connection may carry another request after this one. */
  get keepsClients(): boolean {
    return !this.draining && this.load.level === NORMAL;
  }

  nextRequestId(): string {
    return `${this.#idPrefix}-${(++this.#lastId).toString(16).padStart(8, '0')}`;
  }

  addTunnel(route: Route, tunnel: Cuttable): void {
    let tunnels = this.#tunnels.get(route);
    if (tunnels === undefined) {
      tunnels = new Set();
      this.#tunnels.set(route, tunnels);
      this.#noteRequestRoute(route);
    }
    tunnels.add(tunnel);
  }

  #noteRequestRoute(route: Route): void {
    const base = baseOf(route);
    if (base === route) return;
    const made = this.#requestRoutes.get(base);
    if (made === undefined) this.#requestRoutes.set(base, new Set([route]));
    else made.add(route);
  }

  removeTunnel(route: Route, tunnel: Cuttable): void {
    this.#leaving.get(tunnel)?.release();
    this.#leaving.delete(tunnel);
    const tunnels = this.#tunnels.get(route);
    if (!tunnels?.delete(tunnel) || tunnels.size > 0) return;
    this.#tunnels.delete(route);
    const base = baseOf(route);
    const made = this.#requestRoutes.get(base);
    if (made?.delete(route) && made.size === 0) this.#requestRoutes.delete(base);
  }

  /** A route is no longer valid: its idle connections close and its tunnels are cut, in this turn. */
  retire(route: Route): void {
    this.upstreams.retire(route);
    this.#cutTunnelsOf(route);
    // Those made for requests go with the session's own.
    for (const made of [...(this.#requestRoutes.get(route) ?? [])]) this.#cutTunnelsOf(made);
  }

  #cutTunnelsOf(route: Route): void {
    for (const tunnel of [...(this.#tunnels.get(route) ?? [])]) this.#revoke(tunnel);
  }

  /** Ends a tunnel as its pool wants it: at once, after a grace, or not at all. One that is not open yet never will be. */
  #revoke(tunnel: Cuttable): void {
    if (!tunnel.open || tunnel.onRevoke === 'cut') return tunnel.cut('revoked');
    if (tunnel.onRevoke === 'keep' || this.#leaving.has(tunnel)) return;
    const grace = new Deadline(this.deadlines, () => tunnel.cut('revoked'));
    this.#leaving.set(tunnel, grace);
    grace.arm(this.revokeGraceMs);
  }

  /** A pool or provider stopped or changed as a whole: whatever is no longer current goes, as in `retire`. */
  retireStale(): void {
    this.upstreams.retireStale((route) => this.directory.isCurrent(route));
    for (const route of [...this.#tunnels.keys()]) {
      if (!this.directory.isCurrent(route)) this.retire(route);
    }
  }

  /** A key was revoked: what was opened with it ends, in this turn (A10). */
  revokeKey(hash: string): void {
    for (const tunnel of [...this.tunnels()]) if (tunnel.keyHash === hash) this.#revoke(tunnel);
  }

  /** Every live tunnel, for the end of a drain. */
  *tunnels(): Iterable<Cuttable> {
    for (const tunnels of this.#tunnels.values()) yield* tunnels;
  }
}
