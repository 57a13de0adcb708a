/**
 * What every connection of one gateway shares: made once by `server.ts`, passed
 * down, never global. Its counters are the live state that limits and drain look at.
 */
import type { Clock } from '../src/core/clock.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Logger } from '../src/core/log.ts';
import type { Histogram } from '../src/core/metrics.ts';
import type { Route } from '../src/core/model.ts';
import type { Directory } from '../src/core/pool-index/directory.ts';
import type { RequestIds } from '../src/core/request-ids.ts';
import type { AddressGuard } from './address-guard.ts';
import type { AuthThrottle } from './auth-throttle.ts';
import type { BindingQueue } from './binding-queue.ts';
import type { Caps } from './caps.ts';
import type { Counters } from './counters.ts';
import { CredentialEcho } from './credential-echo.ts';
import type { Credentials } from './credentials.ts';
import type { Deadlines } from './deadlines.ts';
import type { Exchange } from './exchange.ts';
import type { HealthFeed } from './health-feed.ts';
import { ReplyMemo } from './http1/head-memo.ts';
import type { Ledger } from './ledger.ts';
import { type Load, NORMAL } from './load.ts';
import type { NameResolver } from './name-resolver.ts';
import type { OwnAddresses } from './own-addresses.ts';
import { requestLine } from './request-line.ts';
import { RetryBudgets } from './retry-budget.ts';
import { Tunnels } from './tunnels.ts';
import type { UpstreamPool } from './upstream-pool.ts';
import type { UpstreamTls } from './upstream-tls.ts';
import type { Via } from './via.ts';
import type { Wires } from './wire/wires.ts';

export class GatewayContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly accessLog: boolean;
  /** Writes the line of a request that ended. */
  readonly logRequest: (exchange: Exchange) => void;
  readonly limits: GatewayLimits;
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
  readonly connectReplies = new ReplyMemo();
  readonly retryBudgets = new RetryBudgets();
  readonly wires: Wires;
  readonly health: HealthFeed;
  readonly load: Load;
  readonly throttle: AuthThrottle;
  /** By outcome; the resolver's latency is the first figure an operator looks at. */
  readonly resolveSeconds: Map<string, Histogram>;
  /** Requests and tunnels under way. */
  inFlight = 0;
  /** Told of each that has finished, while somebody waits for the last. */
  onFinished: (() => void) | null = null;
  /** Keep-alive answers close. */
  draining = false;
  /** New tunnels are refused: they would be cut before long. */
  takesTunnels = true;
  readonly tunnels: Tunnels;
  readonly requestIds: RequestIds;

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
    wires: Wires;
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
    requestIds: RequestIds;
  }) {
    this.clock = parts.clock;
    this.log = parts.log;
    this.accessLog = parts.accessLog;
    this.logRequest = parts.log.linesOf(requestLine);
    this.limits = parts.limits;
    this.directory = parts.directory;
    this.credentials = parts.credentials;
    this.bindings = parts.bindings;
    this.counters = parts.counters;
    this.deadlines = parts.deadlines;
    this.wires = parts.wires;
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
    this.tunnels = new Tunnels(parts.deadlines, parts.revokeGraceMs);
    this.requestIds = parts.requestIds;
  }

  /** Whether a client's connection may carry another request after this one. */
  get keepsClients(): boolean {
    return !this.draining && this.load.level === NORMAL;
  }

  /** Counts in a request, until `inFlight` is told of its end; answers its number. */
  beginRequest(): number {
    this.inFlight++;
    return this.requestIds.next();
  }

  /** A route is no longer valid: its idle connections close and its tunnels are cut, in this turn. */
  retire(route: Route): void {
    this.upstreams.retire(route);
    this.tunnels.retire(route);
  }

  /** A pool or provider stopped or changed as a whole: whatever is no longer current goes, as in `retire`. */
  retireStale(): void {
    const isCurrent = (route: Route): boolean => this.directory.isCurrent(route);
    this.upstreams.retireStale(isCurrent);
    this.tunnels.retireStale(isCurrent);
  }
}
