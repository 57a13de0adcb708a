/**
 * The gateway: its listeners, its connections, and its life. `app.ts` makes one,
 * feeds it changes, opens it once the store is loaded, drains and closes it.
 *
 *   created ─▶ listening ─▶ draining (no accept, keep-alive ends, grace) ─▶ closed
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../src/core/clock.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Logger } from '../src/core/log.ts';
import { APPLY_BUCKETS, type GatewaySnapshot, Histogram, type Sample } from '../src/core/metrics.ts';
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
import { Directory, type StickyOverride, type StickyOverrides } from '../src/core/pool-index/directory.ts';
import { liveStateOf } from '../src/core/pool-index/session-live.ts';
import { admit } from './admission.ts';
import { Caps } from './caps.ts';
import { ClientConnection } from './client-connection.ts';
import { GatewayContext } from './context.ts';
import { Counters } from './counters.ts';
import { Credentials } from './credentials.ts';
import { Deadline, Deadlines } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import { LocalExitServer } from './exits/local-exit.ts';
import { explain } from './explain.ts';
import { Ledger } from './ledger.ts';
import { type Entrance, Listeners } from './listeners.ts';
import { OwnAddresses } from './own-addresses.ts';
import { answerOf } from './respond.ts';
import { UpstreamPool } from './upstream-pool.ts';

export interface GatewayOptions {
  readonly listen: readonly Entrance[];
  readonly limits: GatewayLimits;
  readonly accessLog: boolean;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Changes after which a key may be held elsewhere than its consistent choice. */
const PUTS = ['session-put', 'provider-put', 'pool-put'] as const;
/** More than this many keys held elsewhere are not carried over a restart. */
const MAX_STICKY_OVERRIDES = 100_000;
const STICKY_SLICE_MS = 2;
/** Event-loop delay is sampled at this interval; the interval itself is no delay. */
const DELAY_SAMPLE_MS = 10;
/** After the grace, what was cut gets this long to be gone: more than a tunnel's last words, less than the second in which we must be. */
const LAST_WORDS_MS = 500;

/** A connection beyond the limit gets this long to read that it is turned away. */
const TURNED_AWAY_MS = 1_000;

/** What a gateway holds right now; all zero once nobody uses it. */
export interface GatewayHoldings {
  readonly clientConnections: number;
  /** Requests and tunnels under way. */
  readonly inFlight: number;
  /** Those of them that have a session. */
  readonly placed: number;
  readonly tunnels: number;
  readonly idleUpstreams: number;
  /** Entries in the deadline wheel; a closed connection's leaves within a turn of the wheel (51 s). */
  readonly deadlines: number;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #context: GatewayContext;
  readonly #exit: LocalExitServer;
  readonly #listeners: Listeners;
  readonly #connections = new Set<ClientConnection>();
  readonly #changes = new Map<Change['kind'], number>();
  readonly #applySeconds = new Histogram(APPLY_BUCKETS);
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;
  #onEmpty: (() => void) | null = null;

  private constructor(options: GatewayOptions, context: GatewayContext, exit: LocalExitServer) {
    this.#options = options;
    this.#context = context;
    this.#exit = exit;
    this.#listeners = new Listeners(options.log);
    this.#delay = monitorEventLoopDelay({ resolution: DELAY_SAMPLE_MS });
    this.#delay.enable();
    context.directory.onRouteRetired = (route) => context.retire(route);
    context.directory.onScopeRetired = () => context.retireStale();
  }

  /** Makes a gateway that applies changes but takes no client yet. */
  static async create(options: GatewayOptions): Promise<Gateway> {
    const { clock, limits, log, accessLog } = options;
    const ownAddresses = new OwnAddresses();
    const exit = await LocalExitServer.start(ownAddresses);
    const random = randomBytes(12);
    const directory = new Directory({
      clock,
      localExit: exit,
      hashKey: { k0: random.readUInt32LE(0), k1: random.readUInt32LE(4) },
    });
    const context = new GatewayContext({
      clock,
      log,
      accessLog,
      limits,
      directory,
      credentials: new Credentials((hash) => directory.findKey(hash), clock),
      counters: new Counters(),
      deadlines: new Deadlines(),
      upstreams: new UpstreamPool(limits, clock),
      ownAddresses,
      ledger: new Ledger(clock),
      caps: new Caps(limits),
      resolveSeconds: new Map(),
      idPrefix: random.toString('hex', 8, 12),
    });
    return new Gateway(options, context, exit);
  }

  /** Applies committed changes to the index, in order: in force for the next request. */
  apply(changes: readonly Change[]): void {
    const { directory, credentials, clock } = this.#context;
    let before = clock.monotonicMs();
    for (const change of changes) {
      directory.apply(change);
      if (change.kind === 'key-put' || change.kind === 'key-gone') credentials.forget();
      if (change.kind === 'key-gone') this.#context.revokeKey(change.hash);
      if (change.kind === 'key-put' && !change.key.mayUseGateway) this.#context.revokeKey(change.key.hash);
      if (change.kind === 'provider-gone') this.#clearDropped();
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
      for (const entrance of this.#options.listen) {
        const { port, url } = await this.#listeners.open(entrance, (socket) => this.#accept(socket, entrance));
        this.guardPort(port);
        urls.push(url);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    return urls;
  }

  /** What it holds now: for tests of leaks, and for whoever looks at a gateway that should be idle. */
  holdings(): GatewayHoldings {
    const { inFlight, ledger, upstreams, deadlines } = this.#context;
    const tunnels = [...this.#context.tunnels()].length;
    return {
      clientConnections: this.#connections.size,
      inFlight,
      placed: ledger.underWay,
      tunnels,
      idleUpstreams: upstreams.size,
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
    const { directory, counters, resolveSeconds } = this.#context;
    const delay = this.#delay;
    const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - DELAY_SAMPLE_MS / 1e3);
    const eventLoopDelay = {
      p50: seconds(delay.percentile(50)),
      p99: seconds(delay.percentile(99)),
      max: seconds(delay.max),
    };
    delay.reset();
    return {
      ...counters.snapshot(),
      resolveSeconds: [...resolveSeconds].map(([outcome, histogram]) => ({
        labels: [outcome],
        histogram: histogram.snapshot(),
      })),
      overheadSeconds: counters.overheadSeconds.snapshot(),
      failovers: [],
      clientConnections: this.#connections.size,
      sessions: directory.stats().flatMap(({ pool, eligible, disabled }): Sample[] => {
        const { label } = counters.pool(pool);
        return [
          { labels: [label, 'eligible'], value: eligible },
          { labels: [label, 'disabled'], value: disabled },
        ];
      }),
      stickyMoves: [...Object.entries(directory.stickyMoves())].map(([reason, value]) => ({ labels: [reason], value })),
      indexChanges: [...this.#changes].map(([kind, value]) => ({ labels: [kind], value })),
      indexApplySeconds: this.#applySeconds.snapshot(),
      eventLoopDelay,
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
    const pool = this.#context.directory.findPoolById(query.poolId);
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

  /** From now on keep-alive answers close, so that clients leave by themselves; accepting goes on. */
  announceDrain(): void {
    this.#context.draining = true;
  }

  /** Stops accepting, lets requests and tunnels go on for the grace, then ends what is left. */
  async drain(graceMs: number): Promise<void> {
    this.announceDrain();
    // Whoever the kernel has accepted already is let in: closing the listener would reset them.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#listeners.close();
    for (const connection of this.#connections) connection.close();
    if (await this.#empty(graceMs)) return;
    for (const tunnel of [...this.#context.tunnels()]) tunnel.cut('draining');
    await this.#empty(LAST_WORDS_MS);
  }

  /** Cuts everything at once. */
  async close(): Promise<void> {
    this.#listeners.close();
    for (const connection of this.#connections) connection.destroy();
    await this.#empty(LAST_WORDS_MS);
    this.#context.upstreams.close();
    this.#context.deadlines.close();
    this.#delay.disable();
    await this.#exit.close();
  }

  /** The sessions of a deleted provider are cleared a slice a turn, beside the traffic. */
  #clearDropped(): void {
    if (this.#context.directory.step()) setImmediate(() => this.#clearDropped());
  }

  #accept(socket: Socket, _entrance: Entrance): void {
    const context = this.#context;
    if (this.#connections.size >= context.limits.maxClientConnections) {
      socket.on('error', () => undefined); // it is being turned away; nobody waits for the reason
      const exchange = new Exchange(context, 'forward', '', null, `${socket.remoteAddress}:${socket.remotePort}`);
      exchange.status = 503;
      // What the client sends is read and dropped for a moment, as a reset would take our answer from it.
      socket.resume().end(answerOf('overloaded', exchange, { close: true }), 'latin1');
      const deadline = new Deadline(context.deadlines, () => socket.destroy());
      deadline.arm(TURNED_AWAY_MS);
      socket.once('close', () => deadline.release());
      exchange.finish('overloaded');
      return;
    }
    const connection = new ClientConnection(
      context,
      socket,
      (head, exchange) => admit(context, head, exchange),
      (closed) => {
        this.#connections.delete(closed);
        if (this.#connections.size === 0) this.#onEmpty?.();
      },
    );
    this.#connections.add(connection);
  }

  /** Waits until no client is connected; false when it took longer than `ms`. */
  #empty(ms: number): Promise<boolean> {
    if (this.#connections.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), ms);
      const done = (empty: boolean): void => {
        clearTimeout(timer);
        this.#onEmpty = null;
        resolve(empty);
      };
      this.#onEmpty = () => done(true);
    });
  }
}
