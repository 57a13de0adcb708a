/**
 * One proxied request from its head to its end: made when the head was read, filled
 * as the phases pass, finished exactly once however it ends. Finishing is the only
 * place that counts, logs, books, and frees the request's slot.
 *
 *   place ─▶ attempt ─▶ served ─▶ finish      the health of sessions hears of each attempt once
 *               ▲  └──────────────▲           (`health-feed.ts`), by `served`, `move` or `finish`
 *             move: what is held of a session is given back, and taken of the next
 *
 * Invariant: holds no credential and no path.
 */
import type { Cause } from '../src/core/cause.ts';
import { type ApiKeyState, OPEN_POLICY, type PoolId, type PoolPolicyState, type Route } from '../src/core/model.ts';
import type { AttemptRecord } from '../src/core/observed.ts';
import type { Move } from '../src/core/pool-index/choice.ts';
import { NO_TRIAL } from '../src/core/pool-index/health.ts';
import type { ResolveOutcome } from '../src/core/pool-index/pool.ts';
import type { RecordSlot } from '../src/core/request-ring.ts';
import type { Selector, SelectorFault } from '../src/core/selector.ts';
import type { RequestSlots } from './caps.ts';
import { networkOfPeer } from './client-network.ts';
import type { GatewayContext } from './context.ts';
import { outcomeOf, type PoolCounters, type RequestKind } from './counters.ts';
import { harmOf } from './health-feed.ts';
import type { Target } from './http1/target.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Linked } from './under-way.ts';

export type Stage = 'head' | 'authenticate' | 'select' | 'admit' | 'resolve' | 'dial' | 'wait' | 'relay';

/** How far it is: a dial holds a slot, and what was served is not abandoned any more. */
type Step = 'begun' | 'dialling' | 'served' | 'over';

/** What a request that moved keeps of its attempts. */
interface Moves {
  /** The routes that it was placed on, its present one included. */
  readonly tried: Route[];
  /** The attempts that are over. */
  readonly records: AttemptRecord[];
  /** Time spent waiting for answers that never came; dials are not part of it. */
  waitedMs: number;
  /** Whether it holds one of its pool's retry budget. */
  retrying: boolean;
}

const NEVER_PLACED: readonly Route[] = [];

export class Exchange implements Linked<Exchange> {
  /** Its id, within this run. */
  readonly number: number;
  readonly kind: RequestKind;
  readonly method: string;
  readonly target: Target | null;
  readonly client: string;
  /** Monotonic ms; -1: not reached. */
  readonly startedAt: number;
  dialStartedAt = -1;
  sentAt = -1;
  firstByteAt = -1;
  endedAt = -1;
  stage: Stage = 'head';
  status = 0;
  key: ApiKeyState | null = null;
  /** The rule by which the key was found; empty without one. */
  identifiedBy = '';
  /** Why its selector was refused; null unless it was. */
  selectorFault: SelectorFault | null = null;
  /** Of its key and workspace, once it is admitted. */
  slots: RequestSlots | null = null;
  /** Whether it holds a tunnel's slot of its session. */
  tunnelled = false;
  /** Set by `place` and `move`, and kept whatever becomes of the session. */
  route: Route | null = null;
  /** How its session was chosen. */
  chosenBy: ResolveOutcome = 'none';
  /** From where it moved its sticky key or account; null: it did not. */
  moved: Move | null = null;
  /** Whether it asked to stay on one session. */
  hasStickyKey = false;
  /** Whose traffic it is; empty without an account. */
  accountName = '';
  pool: PoolCounters | null = null;
  /** Of its pool, once that is known. */
  policy: PoolPolicyState = OPEN_POLICY;
  /** Of its pool, once that is known. */
  budget: RetryBudget | null = null;
  /** What was asked for, before it is placed. */
  selector: Selector | null = null;
  /** Choosing sessions, for all attempts together. */
  resolveMs = 0;
  /** Time in dials, which is not overhead of ours. */
  dialMs = 0;
  /** Those that were dialled for. */
  attempts = 0;
  /**
   * Octets written for this request to the client and to the upstream, counted as they are written: heads, bodies and
   * tunnelled data, our own answers and our CONNECT; inside TLS, where there is TLS.
   */
  bytesIn = 0;
  bytesOut = 0;
  /** How many of them the ledger has booked. */
  bookedIn = 0;
  bookedOut = 0;
  cause: Cause | null = null;
  newer: Exchange | null = null;
  older: Exchange | null = null;
  /** The number of the trial of its session that this attempt is, or NO_TRIAL. */
  #trial = NO_TRIAL;
  #step: Step = 'begun';
  #moves: Moves | null = null;
  readonly #context: GatewayContext;

  constructor(context: GatewayContext, kind: RequestKind, method: string, target: Target | null, client: string) {
    this.#context = context;
    this.number = context.beginRequest();
    this.kind = kind;
    this.method = method;
    this.target = target;
    this.client = client;
    this.startedAt = context.clock.monotonicMs();
  }

  /** As everybody is told it. */
  get id(): string {
    return this.#context.requestIds.textOf(this.number);
  }

  get finished(): boolean {
    return this.#step === 'over';
  }

  get poolId(): PoolId | null {
    return this.budget?.pool.state.id ?? null;
  }

  /** It will be served by this route: from now on it is its session's. */
  place(route: Route, trial: number): void {
    this.route = route;
    this.#trial = trial;
    this.budget!.active++;
    this.#context.ledger.begin(this);
  }

  /** The first octet of a response came. */
  firstByte(): void {
    this.firstByteAt = this.#context.clock.monotonicMs();
    this.stage = 'relay';
    this.#context.counters.firstByte(this.route!.providerId, (this.firstByteAt - this.sentAt) / 1_000);
  }

  /** Counts the time in us: up to its last octet but for what was elsewhere, and from a response's first octet until now. */
  countOverhead(): void {
    const { clock, counters } = this.#context;
    const before = this.sentAt - this.startedAt - this.#elsewhereMs;
    counters.overheadSeconds.observe((before + clock.monotonicMs() - this.firstByteAt) / 1_000);
  }

  /** Counts the time in us of a tunnel that is open, whose client was told so in the same turn: up to its last dial. */
  countTunnelOverhead(): void {
    const ms = this.firstByteAt - this.startedAt - this.#elsewhereMs;
    this.#context.counters.overheadSeconds.observe(ms / 1_000);
  }

  /** How many routes it was placed on. */
  get placements(): number {
    return this.#moves?.tried.length ?? 1;
  }

  /** The routes that it was placed on. */
  get tried(): readonly Route[] {
    return this.#moves?.tried ?? (this.route === null ? NEVER_PLACED : [this.route]);
  }

  /** Time so far that was not ours: in dials, and waiting in vain. */
  get #elsewhereMs(): number {
    return this.dialMs + (this.#moves?.waitedMs ?? 0);
  }

  /**
   * Its attempt failed with `cause`, and it will be served by another route, for which it took one of the retry budget.
   * false: that session has no room for its tunnel, and nothing has changed.
   */
  move(route: Route, trial: number, cause: Cause): boolean {
    const { caps, counters, ledger } = this.#context;
    if (this.tunnelled && caps.openTunnel(route.live!, this.policy) !== null) return false;
    if (this.tunnelled) caps.closeTunnel(this.route!.live!);
    this.#leave(route, cause);
    this.#trial = trial;
    counters.failover(cause);
    ledger.move(this, route, cause);
    return true;
  }

  /** Its attempt came through: a tunnel is open, or the head of a response is there. */
  served(): void {
    this.#step = 'served';
    this.#context.health.succeeded(this.route!, this.target!.host, this.#trial);
    this.endRetry();
  }

  /** The further attempt that is under way, if one is, is none any more: its pool may begin another. */
  endRetry(): void {
    if (!this.#moves?.retrying) return;
    this.#moves.retrying = false;
    this.budget!.give();
  }

  /** A dial begins, and holds a slot until `endDial`; the cause when there is none. */
  beginDial(): Cause | null {
    const { caps, upstreams } = this.#context;
    this.stage = 'dial';
    // It may have been sent by a kept connection, which failed.
    this.sentAt = -1;
    const route = this.route!;
    // A kept connection that nobody uses gives way to one that somebody waits for.
    if (!caps.hasSockets(route) && !upstreams.dropOne()) return 'overloaded';
    const cause = caps.beginDial(route.live!, this.policy);
    if (cause !== null) return cause;
    this.attempts++;
    this.dialStartedAt = this.#context.clock.monotonicMs();
    this.#step = 'dialling';
    return null;
  }

  /** The connection is open: its time counts for the session and its provider. */
  dialled(): void {
    const ms = this.#context.clock.monotonicMs() - this.dialStartedAt;
    this.#context.counters.dialled(this.route!.providerId, ms / 1_000);
    this.route!.live!.dialled(ms);
  }

  /** What the upstream does from now on is no dial any more. */
  endDial(): void {
    this.#step = 'begun';
    this.#context.caps.endDial(this.route!.live!);
    this.dialMs += this.#context.clock.monotonicMs() - this.dialStartedAt;
  }

  /** Ends it; `cause` null: it went well. Later calls change nothing. */
  finish(cause: Cause | null): void {
    if (this.#step === 'over') return;
    const context = this.#context;
    this.cause = cause;
    this.endedAt = context.clock.monotonicMs();
    if (this.#step === 'dialling') this.endDial();
    const wasServed = this.#step === 'served';
    this.#step = 'over';
    context.inFlight--;
    if (this.route !== null) this.#displace(cause, wasServed);
    if (this.slots !== null) context.caps.release(this.slots);
    const pool = this.pool ?? context.counters.unplaced();
    pool.count(this.kind, outcomeOf(cause));
    pool.bytesIn += this.bytesIn;
    pool.bytesOut += this.bytesOut;
    if (cause !== null) context.counters.cause(cause);
    context.ledger.finish(this);
    if (context.accessLog && context.log.isEnabled('info') && this.#mayLog()) context.logRequest(this);
    context.onFinished?.();
  }

  /** Ends the attempt that failed; the next is still to begin. */
  #leave(route: Route, cause: Cause): void {
    const now = this.#context.clock.monotonicMs();
    const ms = this.#attemptMs(now);
    this.#moves ??= { tried: [this.route!], records: [], waitedMs: 0, retrying: false };
    const moves = this.#moves;
    if (this.#step === 'dialling') this.endDial();
    else if (this.sentAt !== -1) moves.waitedMs += now - this.sentAt;
    if (ms !== -1) moves.records.push({ sessionId: this.route!.sessionId, cause, ms });
    moves.tried.push(route);
    moves.retrying = true;
    this.#tell(cause, false);
    this.stage = 'resolve';
    this.dialStartedAt = -1;
    this.sentAt = -1;
    this.firstByteAt = -1;
  }

  /** Gives back what it holds of its session and of its pool's retries. */
  #displace(cause: Cause | null, wasServed: boolean): void {
    if (this.tunnelled) this.#context.caps.closeTunnel(this.route!.live!);
    this.#tell(cause, wasServed);
    this.endRetry();
    this.budget!.active--;
  }

  /** The health of sessions hears how the present attempt ended, if it is not known, or that its answer went wrong. */
  #tell(cause: Cause | null, wasServed: boolean): void {
    const { health } = this.#context;
    const route = this.route!;
    const { host } = this.target!;
    // A plain request through a tunnel was sent when that was open.
    const harms = cause === null ? null : harmOf(cause, route.tunnelled && this.sentAt !== -1);
    if (!wasServed) {
      if (harms === null) health.abandoned(route, host, this.#trial);
      else health.failed(route, host, cause!, this.#trial, harms);
    } else if (harms === 'token' || harms === 'session_target') {
      // Endpoint and credential did what they are for: how a tunnel through them ended later is not their doing.
      health.failed(route, host, cause!, NO_TRIAL, harms);
    }
  }

  /** Writes its record, once it has finished, at `nowMs` of wall time. Its key must be known. */
  record(slot: RecordSlot, nowMs: number): void {
    const { key, route, target } = this;
    slot.requestNumber = this.number;
    slot.workspaceId = key!.workspaceId;
    slot.startedAtMs = Math.round(nowMs - (this.endedAt - this.startedAt));
    slot.clientAddress = this.client;
    slot.keyId = key!.id;
    slot.identifiedBy = this.identifiedBy;
    slot.poolId = this.poolId;
    slot.sessionId = route === null ? null : route.sessionId;
    slot.accountName = this.accountName;
    slot.moved = this.moved;
    slot.targetHost = target === null ? '' : target.host;
    slot.targetPort = target === null ? 0 : target.port;
    slot.kind = this.kind;
    slot.status = this.status;
    slot.stage = this.stage;
    slot.cause = this.cause;
    slot.earlier = this.#moves === null ? null : this.#moves.records;
    slot.lastAttemptMs = this.#attemptMs(this.endedAt);
    slot.resolveMs = this.resolveMs;
    slot.dialMs = this.attempts === 0 ? -1 : this.dialMs;
    slot.firstByteMs = this.firstByteAt === -1 ? -1 : this.firstByteAt - this.startedAt;
    slot.durationMs = this.endedAt - this.startedAt;
    slot.bytesOut = this.bytesOut;
    slot.bytesIn = this.bytesIn;
  }

  /** Refusals of strangers, which cost nothing to ask for, leave a bounded number of lines. */
  #mayLog(): boolean {
    return this.key !== null || this.cause === null || this.#context.throttle.mayLog(networkOfPeer(this.client));
  }

  /**
   * How long the present attempt has lasted; −1 without a dial or a kept connection. A kept connection that died and the
   * dial in its place are one attempt.
   */
  #attemptMs(endedAt: number): number {
    const begun = this.dialStartedAt === -1 ? this.sentAt : this.dialStartedAt;
    return begun === -1 || this.route === null ? -1 : endedAt - begun;
  }
}
