/**
 * One proxied request from its head to its end: made when the head was read, filled
 * as the phases pass, finished exactly once however it ends. Finishing is the only
 * place that counts, logs, books, and frees the request's slot.
 *
 * Invariant: holds no credential and no path.
 */
import type { Cause } from '../src/core/cause.ts';
import { FIELD } from '../src/core/log.ts';
import { type ApiKeyState, OPEN_POLICY, type PoolId, type PoolPolicyState, type Route } from '../src/core/model.ts';
import type { AttemptRecord, FinishedRequest } from '../src/core/observed.ts';
import type { ResolveOutcome } from '../src/core/pool-index/pool.ts';
import type { SelectorFault } from '../src/core/selector.ts';
import { nameOfFault } from '../src/core/selector-fault.ts';
import { networkOfPeer } from './client-network.ts';
import type { GatewayContext } from './context.ts';
import { outcomeOf, type PoolCounters, type RequestKind } from './counters.ts';
import { authorityOf, type Target } from './http1/target.ts';
import type { Linked } from './under-way.ts';

export type Stage = 'head' | 'authenticate' | 'select' | 'admit' | 'resolve' | 'dial' | 'wait' | 'relay';

export class Exchange implements Linked<Exchange> {
  readonly id: string;
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
  /** Whether it holds a slot of its key and workspace. */
  admitted = false;
  /** Whether it holds a tunnel's slot of its session. */
  tunnelled = false;
  /** Set by `place`, and kept whatever becomes of the session. */
  route: Route | null = null;
  /** How its session was chosen. */
  chosenBy: ResolveOutcome = 'none';
  /** Whether it asked to stay on one session. */
  hasStickyKey = false;
  /** Until when the next request like it gets this session, ms since the epoch; null: no promise. */
  keptUntilMs: number | null = null;
  /** Whose traffic it is; empty without an account. */
  accountName = '';
  poolId: PoolId | null = null;
  poolName: string | null = null;
  pool: PoolCounters | null = null;
  /** Of its pool, once that is known. */
  policy: PoolPolicyState = OPEN_POLICY;
  resolveMs = 0;
  /** Time in dials, which is not overhead of ours. */
  dialMs = 0;
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
  #dialling = false;
  #finished = false;
  readonly #context: GatewayContext;

  constructor(context: GatewayContext, kind: RequestKind, method: string, target: Target | null, client: string) {
    this.#context = context;
    this.id = context.nextRequestId();
    this.kind = kind;
    this.method = method;
    this.target = target;
    this.client = client;
    this.startedAt = context.clock.monotonicMs();
    context.inFlight++;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** It will be served by this route: from now on it is its session's. */
  place(route: Route): void {
    this.route = route;
    this.#context.ledger.begin(this);
  }

  /** A dial begins, and holds a slot until `endDial`; the cause when there is none. */
  beginDial(): Cause | null {
    const { caps, upstreams } = this.#context;
    this.stage = 'dial';
    const route = this.route!;
    // A kept connection that nobody uses gives way to one that somebody waits for.
    if (!caps.hasSockets(route) && !upstreams.dropOne()) return 'overloaded';
    const cause = caps.beginDial(route.live!, this.policy);
    if (cause !== null) return cause;
    this.attempts++;
    this.dialStartedAt = this.#context.clock.monotonicMs();
    this.#dialling = true;
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
    this.#dialling = false;
    this.#context.caps.endDial(this.route!.live!);
    this.dialMs += this.#context.clock.monotonicMs() - this.dialStartedAt;
  }

  /** Ends it; `cause` null: it went well. Later calls change nothing. */
  finish(cause: Cause | null): void {
    if (this.#finished) return;
    this.#finished = true;
    const context = this.#context;
    this.cause = cause;
    this.endedAt = context.clock.monotonicMs();
    if (this.#dialling) this.endDial();
    context.inFlight--;
    if (this.tunnelled) context.caps.closeTunnel(this.route!.live!);
    if (this.admitted) context.caps.release(this.key!);
    const pool = this.pool ?? context.counters.unplaced();
    pool.count(this.kind, outcomeOf(cause));
    pool.bytesIn += this.bytesIn;
    pool.bytesOut += this.bytesOut;
    if (cause !== null) context.counters.cause(cause);
    context.ledger.finish(this);
    if (context.accessLog && context.log.isEnabled('info') && this.#mayLog())
      context.log.info(this.#fields(), 'request');
  }

  /** The record of it, once it has finished, at `nowMs` of wall time; `sequence` as the ring counts. Its key must be known. */
  record(sequence: number, nowMs: number): FinishedRequest {
    const { key, route, target } = this;
    const durationMs = this.endedAt - this.startedAt;
    return {
      sequence,
      requestId: this.id,
      workspaceId: key!.workspaceId,
      startedAtMs: Math.round(nowMs - durationMs),
      clientAddress: this.client,
      keyId: key!.id,
      identifiedBy: this.identifiedBy,
      poolId: this.poolId,
      sessionId: route === null ? null : route.sessionId,
      accountName: this.accountName === '' ? null : this.accountName,
      targetHost: target === null ? '' : target.host,
      targetPort: target === null ? 0 : target.port,
      kind: this.kind,
      status: this.status,
      stage: this.stage,
      cause: this.cause,
      attempts: this.#attempts(),
      resolveMs: this.resolveMs,
      dialMs: this.dialStartedAt === -1 ? null : this.dialMs,
      firstByteMs: this.firstByteAt === -1 ? null : this.firstByteAt - this.startedAt,
      durationMs,
      bytesOut: this.bytesOut,
      bytesIn: this.bytesIn,
    };
  }

  /** Refusals of strangers, which cost nothing to ask for, leave a bounded number of lines. */
  #mayLog(): boolean {
    return this.key !== null || this.cause === null || this.#context.throttle.mayLog(networkOfPeer(this.client));
  }

  /** None without a dial or a kept connection. A kept connection that died and the dial in its place are one attempt. */
  #attempts(): AttemptRecord[] {
    const begun = this.dialStartedAt === -1 ? this.sentAt : this.dialStartedAt;
    if (begun === -1 || this.route === null) return [];
    return [{ sessionId: this.route.sessionId, cause: this.cause, ms: this.endedAt - begun }];
  }

  #fields(): Record<string, unknown> {
    return {
      [FIELD.requestId]: this.id,
      [FIELD.keyId]: this.key?.id,
      [FIELD.identifiedBy]: this.key === null ? undefined : this.identifiedBy,
      [FIELD.workspaceId]: this.key?.workspaceId,
      [FIELD.pool]: this.poolName ?? undefined,
      [FIELD.sessionId]: this.route?.sessionId,
      [FIELD.client]: this.client,
      [FIELD.kind]: this.kind,
      [FIELD.method]: this.method,
      [FIELD.target]: this.target === null ? undefined : authorityOf(this.target.host, this.target.port),
      [FIELD.stage]: this.stage,
      [FIELD.status]: this.status,
      [FIELD.cause]: this.cause ?? 'ok',
      [FIELD.selectorKey]: this.selectorFault === null ? undefined : (nameOfFault(this.selectorFault) ?? undefined),
      [FIELD.attempts]: this.attempts,
      [FIELD.totalMs]: round(this.endedAt - this.startedAt),
      [FIELD.resolveMs]: round(this.resolveMs),
      [FIELD.dialMs]: round(this.dialMs),
      [FIELD.firstByteMs]: this.firstByteAt === -1 ? undefined : round(this.firstByteAt - this.startedAt),
      [FIELD.bytesIn]: this.bytesIn,
      [FIELD.bytesOut]: this.bytesOut,
    };
  }
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
