/**
 * The record of one proxied request: made when its head was read, filled as the
 * phases pass, finished exactly once however it ends. Finishing is the only place
 * that counts, logs, and frees the request's slot.
 *
 * Invariant: holds no credential and no path.
 */
import type { Cause } from '../src/core/cause.ts';
import { FIELD } from '../src/core/log.ts';
import type { ApiKeyState, Route } from '../src/core/model.ts';
import type { GatewayContext } from './context.ts';
import { outcomeOf, type PoolCounters, type RequestKind } from './counters.ts';
import { authorityOf, type Target } from './http1/target.ts';

export type Stage = 'head' | 'authenticate' | 'select' | 'admit' | 'resolve' | 'dial' | 'wait' | 'relay';

export class Exchange {
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
  stage: Stage = 'head';
  status = 0;
  key: ApiKeyState | null = null;
  /** Whether it holds one of its key's slots. */
  admitted = false;
  route: Route | null = null;
  poolName: string | null = null;
  pool: PoolCounters | null = null;
  resolveMs = 0;
  /** Time in dials, which is not overhead of ours. */
  dialMs = 0;
  attempts = 0;
  /** Octets of messages towards the client and towards the upstream, heads included. */
  bytesIn = 0;
  bytesOut = 0;
  cause: Cause | null = null;
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

  /** Ends the record; `cause` null: it went well. Later calls change nothing. */
  finish(cause: Cause | null): void {
    if (this.#finished) return;
    this.#finished = true;
    const context = this.#context;
    this.cause = cause;
    context.inFlight--;
    if (this.admitted) context.release(this.key!);
    const pool = this.pool ?? context.counters.unplaced();
    pool.count(this.kind, outcomeOf(cause));
    pool.bytesIn += this.bytesIn;
    pool.bytesOut += this.bytesOut;
    if (cause !== null) context.counters.cause(cause);
    if (context.accessLog && context.log.isEnabled('info')) context.log.info(this.#fields(), 'request');
  }

  #fields(): Record<string, unknown> {
    const end = this.#context.clock.monotonicMs();
    return {
      [FIELD.requestId]: this.id,
      [FIELD.keyId]: this.key?.id,
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
      [FIELD.attempts]: this.attempts,
      [FIELD.totalMs]: round(end - this.startedAt),
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
