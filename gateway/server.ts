/**
 * The gateway: its listeners, its connections, and its life. `app.ts` makes one,
 * feeds it changes, opens it once the store is loaded, drains and closes it.
 *
 *   created ─▶ listening ─▶ draining (no accept, keep-alive ends, grace) ─▶ closed
 */
import { APPLY_BUCKETS, columnsOf, type GatewaySnapshot, Histogram, samplesOf } from '../src/core/metrics.ts';
import type { Change, PoolId, SessionId } from '../src/core/model.ts';
import type {
  AssignQuery,
  ExplainQuery,
  Explanation,
  FinishedRequest,
  RequestPage,
  RequestQuery,
  SessionLiveState,
  UsageDelta,
} from '../src/core/observed.ts';
import type { StickyOverride, StickyOverrides } from '../src/core/pool-index/directory.ts';
import { liveStateOf } from '../src/core/pool-index/session-live.ts';
import { admit } from './admission.ts';
import { Arrival, type Reception } from './arrival.ts';
import { type Assembled, assemble, type GatewayOptions } from './assemble.ts';
import { compileRanges } from './bindings.ts';
import type { CapHoldings } from './caps.ts';
import { type Admission, ClientConnection } from './client-connection.ts';
import { networkOf } from './client-network.ts';
import type { GatewayContext } from './context.ts';
import type { LocalExitServer } from './exits/local-exit.ts';
import { explain } from './explain.ts';
import type { HealthFeed } from './health-feed.ts';
import { type Door, Listeners } from './listeners.ts';
import { SHEDDING } from './load.ts';
import { LoopDelay } from './loop-delay.ts';
import type { Prober } from './prober.ts';
import { SocksConnection } from './socks-connection.ts';
import { SOCKS_VERSION } from './socks5.ts';
import { turnAway } from './turn-away.ts';
import { UnderWay } from './under-way.ts';
import type { Wire } from './wire/wire.ts';

/** Changes after which a key may be held elsewhere than its consistent choice. */
const PUTS = ['session-put', 'provider-put', 'pool-put'] as const;
/** More than this many keys held elsewhere are not carried over a restart. */
const MAX_STICKY_OVERRIDES = 100_000;
const STICKY_SLICE_MS = 2;
/** After the grace, what was cut gets this long to be gone: more than a tunnel's last words, less than the second in which we must be. */
const LAST_WORDS_MS = 500;

/** What a gateway holds right now; all zero once nobody uses it. */
export interface GatewayHoldings {
  readonly clientConnections: number;
  /** Requests and tunnels under way. */
  readonly inFlight: number;
  /** Those of them that have a session. */
  readonly placed: number;
  readonly tunnels: number;
  readonly probes: number;
  readonly idleUpstreams: number;
  /** Slots taken, by level. */
  readonly slots: CapHoldings;
  /** Entries in the deadline wheel. */
  readonly deadlines: number;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #context: GatewayContext;
  readonly #exit: LocalExitServer;
  readonly #prober: Prober;
  readonly #listeners: Listeners;
  readonly #reception: Reception;
  readonly #arrivals = new UnderWay<Arrival>();
  readonly #changes = new Map<Change['kind'], number>();
  readonly #applySeconds = new Histogram(APPLY_BUCKETS);
  readonly #loopDelay = new LoopDelay();
  #onEmpty: (() => void) | null = null;

  private constructor(options: GatewayOptions, { context, exit, prober }: Assembled) {
    this.#options = options;
    this.#context = context;
    this.#exit = exit;
    this.#prober = prober;
    this.#listeners = new Listeners(options.log, context.wires, compileRanges(options.clientRanges));
    this.#reception = this.#makeReception();
    context.load.start();
    context.directory.onRouteRetired = (route) => {
      context.retire(route);
      prober.retire(route);
    };
    context.directory.onRequestRouteRetired = (route, because) => {
      // One that merely was not asked for lately is as good as ever for the tunnels that are open over it.
      if (because === 'changed') context.retire(route);
      else context.upstreams.retire(route);
    };
    context.directory.onScopeRetired = () => {
      context.retireStale();
      prober.retireStale();
    };
    context.directory.onWork = () => this.#stepDirectory();
    context.directory.onBind = (binding) => context.bindings.push(binding);
  }

  /** Makes a gateway that applies changes but takes no client yet. `health` hears how each attempt ends. */
  static async create(options: GatewayOptions, health: HealthFeed | null = null): Promise<Gateway> {
    return new Gateway(options, await assemble(options, health));
  }

  /** Applies committed changes to the index, in order: in force for the next request. */
  apply(changes: readonly Change[]): void {
    const { directory, credentials, clock } = this.#context;
    let before = clock.monotonicMs();
    for (const change of changes) {
      directory.apply(change);
      if (change.kind === 'key-put' || change.kind === 'key-gone') credentials.forget();
      if (change.kind === 'key-gone') this.#context.tunnels.revokeKey(change.hash);
      if (change.kind === 'key-put' && !change.key.mayUseGateway) this.#context.tunnels.revokeKey(change.key.hash);
      if (change.kind === 'provider-gone') this.#stepDirectory();
      if (change.kind === 'pool-put') this.#prober.heed(change.pool.id);
      if (change.kind === 'pool-gone') this.#prober.heed(change.poolId);
      const after = clock.monotonicMs();
      this.#applySeconds.observe((after - before) / 1_000);
      this.#changes.set(change.kind, (this.#changes.get(change.kind) ?? 0) + 1);
      before = after;
    }
  }

  /** Refuses to dial this port of this machine from now on: it is one of ours. */
  guardPort(port: number): void {
    this.#context.ownAddresses.guard(port);
  }

  /** Opens every listener; answers their addresses as URLs. Rejects, with none left open, when one cannot. */
  async listen(): Promise<string[]> {
    const urls: string[] = [];
    try {
      for (const entrance of this.#options.entrances) {
        const { port, url } = await this.#listeners.open(entrance, (wire, door) => this.#accept(wire, door));
        this.guardPort(port);
        urls.push(url);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#prober.start();
    return urls;
  }

  /** What it holds now: for tests of leaks, and for whoever looks at a gateway that should be idle. */
  holdings(): GatewayHoldings {
    const { inFlight, ledger, tunnels, upstreams, deadlines, caps } = this.#context;
    return {
      clientConnections: this.#arrivals.size,
      inFlight,
      placed: ledger.underWay,
      tunnels: tunnels.size,
      probes: this.#prober.size,
      idleUpstreams: upstreams.size,
      slots: caps.holdings(),
      deadlines: deadlines.size,
    };
  }

  /**
   * Sticky keys that a restart would move, as sessions were added since they were
   * chosen; `entries` null when nothing was put since `knownVersion`. Walks the
   * table in slices: a million keys are no long turn.
   */
  async stickyOverrides(knownVersion: number): Promise<StickyOverrides> {
    const version = PUTS.reduce((sum, kind) => sum + (this.#changes.get(kind) ?? 0), 0);
    if (version === knownVersion) return { version, entries: null };
    const entries: StickyOverride[] = [];
    let sliceEndsAt = this.#context.clock.monotonicMs() + STICKY_SLICE_MS;
    for (const entry of this.#context.directory.stickyOverrides()) {
      if (entry !== null) entries.push(entry);
      if (entries.length >= MAX_STICKY_OVERRIDES) break;
      if (this.#context.clock.monotonicMs() < sliceEndsAt) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      sliceEndsAt = this.#context.clock.monotonicMs() + STICKY_SLICE_MS;
    }
    return { version, entries };
  }

  /** Puts back what `stickyOverrides` told an earlier run, once the sessions are loaded. */
  restoreSticky(entries: readonly StickyOverride[]): void {
    this.#context.directory.restoreSticky(entries);
  }

  /** Everything counted since the start, and the gauges now. */
  snapshot(): GatewaySnapshot {
    const { directory, bindings, counters, resolveSeconds } = this.#context;
    return {
      ...counters.snapshot(),
      resolveSeconds: [...resolveSeconds].map(([outcome, histogram]) => ({
        labels: [outcome],
        histogram: histogram.snapshot(),
      })),
      overheadSeconds: counters.overheadSeconds.snapshot(),
      clientConnections: this.#arrivals.size,
      sessions: columnsOf(directory.stats(), ({ pool }) => counters.pool(pool).label, [
        [['eligible'], (pool) => pool.eligible],
        [['ejected'], (pool) => pool.ejected],
        [['disabled'], (pool) => pool.disabled],
      ]),
      stickyMoves: samplesOf(Object.fromEntries(directory.stickyMoves()), bindings.moves),
      indexChanges: [...this.#changes].map(([kind, value]) => ({ labels: [kind], value })),
      indexApplySeconds: this.#applySeconds.snapshot(),
      eventLoopDelay: this.#loopDelay.take(),
    };
  }

  /** One page of the traffic since the last report, told once; a page shorter than `MAX_REPORT` is the last of it. */
  drainUsage(): Promise<readonly UsageDelta[]> {
    return this.#context.ledger.drainUsage();
  }

  /** The record of a recent request, of whatever workspace; null when it is not kept (any more). */
  findRequest(requestId: string): FinishedRequest | null {
    return this.#context.ledger.findRequest(requestId);
  }

  /** Recent requests in the order they finished. */
  listRequests(query: RequestQuery): RequestPage {
    return this.#context.ledger.listRequests(query);
  }

  /** How these sessions of a pool fare; those it does not have are left out. */
  sessionStates(query: { readonly poolId: PoolId; readonly sessionIds: readonly SessionId[] }): SessionLiveState[] {
    const { directory } = this.#context;
    directory.advance();
    const pool = directory.findPoolById(query.poolId);
    if (pool === undefined) return [];
    return query.sessionIds.map((id) => liveStateOf(pool, id)).filter((state) => state !== null);
  }

  /** What a request would meet; changes nothing. */
  explain(query: ExplainQuery): Explanation {
    return explain(this.#context, query);
  }

  /** The least-assigned session that can serve for each account, in order; null where there is none. */
  leastAssigned(query: AssignQuery): (SessionId | null)[] {
    return this.#context.directory.leastAssigned(query);
  }

  /** From now on keep-alive answers close, so that clients leave by themselves, and nobody is probed; accepting goes on. */
  announceDrain(): void {
    this.#context.draining = true;
    this.#prober.close();
  }

  /** From now on new tunnels are refused; requests are not. */
  refuseTunnels(): void {
    this.#context.takesTunnels = false;
  }

  /** Stops accepting, lets requests and tunnels go on for the grace, then ends what is left. */
  async drain(graceMs: number): Promise<void> {
    this.announceDrain();
    this.refuseTunnels();
    // Whoever the kernel has accepted already is let in: closing the listener would reset them.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#listeners.close();
    for (const arrival of [...this.#arrivals]) arrival.close();
    if (!(await this.#empty(graceMs))) {
      this.#context.tunnels.cutAll();
      await this.#empty(LAST_WORDS_MS);
    }
    await this.#context.bindings.drain(LAST_WORDS_MS);
  }

  /** Cuts everything at once. */
  async close(): Promise<void> {
    this.#prober.close();
    this.#listeners.close();
    for (const arrival of [...this.#arrivals]) arrival.destroy();
    await this.#empty(LAST_WORDS_MS);
    // Nobody binds any more, and the control plane is closed after us.
    await this.#context.bindings.drain(LAST_WORDS_MS);
    this.#context.bindings.close();
    this.#context.upstreams.close();
    this.#context.resolver.close();
    this.#context.deadlines.close();
    this.#context.load.close();
    this.#loopDelay.close();
    await this.#exit.close();
  }

  /** What the index has to clear or to build it does a slice a turn, beside the traffic. */
  #stepDirectory(): void {
    setImmediate(() => {
      if (this.#context.directory.step()) this.#stepDirectory();
    });
  }

  #accept(wire: Wire, door: Door): void {
    const context = this.#context;
    const { caps, load } = context;
    const network = networkOf(wire.peer.address);
    const cause = load.level === SHEDDING ? 'overloaded' : caps.connect(network);
    if (cause !== null) return turnAway(context, wire, door, cause);
    this.#arrivals.add(new Arrival(context, wire, door, network, this.#reception));
  }

  /** What a client speaks is told by its first octet, whichever door it came in by. */
  #makeReception(): Reception {
    const context = this.#context;
    const admission: Admission = (identity, target, exchange) => admit(context, identity, target, exchange);
    return {
      serve: (arrival, firstOctet) =>
        firstOctet === SOCKS_VERSION
          ? new SocksConnection(context, arrival, admission)
          : new ClientConnection(context, arrival, admission),
      onGone: (arrival) => {
        this.#arrivals.remove(arrival);
        context.caps.disconnect(arrival.network);
        this.#onEmpty?.();
      },
    };
  }

  get #isEmpty(): boolean {
    return this.#arrivals.size === 0 && this.#context.inFlight === 0;
  }

  /** Waits until no client is connected and nothing is under way; false when it took longer than `ms`. */
  #empty(ms: number): Promise<boolean> {
    if (this.#isEmpty) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), ms);
      const done = (empty: boolean): void => {
        clearTimeout(timer);
        this.#onEmpty = null;
        this.#context.onFinished = null;
        resolve(empty);
      };
      this.#onEmpty = () => this.#isEmpty && done(true);
      this.#context.onFinished = this.#onEmpty;
    });
  }
}
