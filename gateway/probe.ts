/**
 * One probe of one session, from its dial to its one verdict. Made by `prober.ts`, which has
 * taken a dial's slot for it, and the trial of the session if that waits for one.
 *
 *   start ─▶ dial ─▶ tcp: served
 *             └─▶ (tunnel to the target) ─▶ handshake: served
 *                   └─▶ (TLS with the target) ─▶ GET ─▶ head of the reply ─▶ url: served, or whose fault
 *   any time: its timeout, a failure, or `cut` (abandoned)
 *
 * Invariant: whatever happens, `#end` decides once: one word to health, one count, the slot
 * given back, and no socket left. It is no request: it leaves no record and no usage.
 */
import type { Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import { FIELD } from '../src/core/log.ts';
import type { PoolState, ProbePolicy, Route } from '../src/core/model.ts';
import { targetHostOf } from '../src/core/pool-index/probe-walk.ts';
import { refusalOfRoute } from './admission.ts';
import type { GatewayContext } from './context.ts';
import type { ProbeOutcome } from './counters.ts';
import { Deadline } from './deadlines.ts';
import { UpstreamConnection, type UpstreamOwner } from './dial.ts';
import { harmOf } from './health-feed.ts';
import { ProbeReply, probeRequest } from './probe-request.ts';
import { StreamWire } from './wire/stream-wire.ts';

export class Probe implements UpstreamOwner {
  readonly pool: PoolState;
  readonly route: Route;
  readonly #context: GatewayContext;
  readonly #policy: ProbePolicy;
  readonly #trial: number;
  readonly #onOver: (probe: Probe) => void;
  readonly #deadline: Deadline;
  /** Monotonic ms. */
  readonly #startedAt: number;
  #timeoutCause: Cause = 'upstream_connect_timeout';
  #connection: UpstreamConnection | null = null;
  /** TLS with the target, inside of the tunnel. */
  #inner: Socket | null = null;
  #reply: ProbeReply | null = null;
  #dialMs = 0;
  #dialling = true;
  #over = false;

  /** `trial`: what the choice of the session gave along. `onOver` is told once, in the turn in which it ends. */
  constructor(
    context: GatewayContext,
    pool: PoolState,
    policy: ProbePolicy,
    route: Route,
    trial: number,
    onOver: (probe: Probe) => void,
  ) {
    this.#context = context;
    this.pool = pool;
    this.#policy = policy;
    this.route = route;
    this.#trial = trial;
    this.#onOver = onOver;
    this.#deadline = new Deadline(context.deadlines, () => this.#end(this.#timeoutCause));
    this.#startedAt = context.clock.monotonicMs();
  }

  start(): void {
    const refusal = this.#refusal();
    if (refusal !== null) return this.#end(refusal);
    const { target, timeoutMs } = this.#policy;
    const through = this.#isTunnelled ? target : null;
    const openBy = this.#startedAt + timeoutMs;
    const secures = this.#policy.kind === 'url' && target!.secure;
    this.#connection = new UpstreamConnection(this.#context, this.route, through, this, openBy, secures);
  }

  /** Nothing comes of it: its session, its pool or the gateway ends, or changes. */
  cut(): void {
    this.#end('abandoned');
  }

  onConnected(): void {
    this.#dialMs = this.#context.clock.monotonicMs() - this.#startedAt;
  }

  onHandshake(): void {}

  onOpen(connection: UpstreamConnection, early: Buffer | null): void {
    this.#endDial();
    if (this.#policy.kind !== 'url') return this.#end('served');
    // A target that talks before it is asked does not speak HTTP.
    if (early !== null) return this.#end('upstream_protocol');
    if (connection.wire instanceof StreamWire && this.#policy.target!.secure) this.#secure(connection.wire);
    else connection.wire.write(this.#question());
  }

  onData(octets: Buffer): void {
    if (this.#over || this.#reply === null) return;
    const outcome = this.#reply.read(this.#connection!.wire.keep(octets));
    if (outcome !== null) this.#end(outcome);
  }

  onDrain(): void {}

  onEnd(): void {
    this.#end('upstream_reset');
  }

  onClosed(cause: Cause): void {
    this.#end(this.#inner === null ? cause : 'target_unreachable');
  }

  /** Whether the target is reached through a tunnel, as a client's request for it would be. */
  get #isTunnelled(): boolean {
    const { kind, target } = this.#policy;
    return kind === 'handshake' || (kind === 'url' && (target!.secure || this.route.tunnelled));
  }

  /** As for a client's request: neither its upstream nor its target may be ourselves. */
  #refusal(): Cause | null {
    const { ownAddresses } = this.#context;
    const { target } = this.#policy;
    if (target !== null && ownAddresses.isOwn(target.host, target.port)) return 'loop_detected';
    return refusalOfRoute(ownAddresses, this.route);
  }

  /** Speaks TLS with the target through the tunnel; whatever fails there is between the two of us. */
  #secure(wire: StreamWire): void {
    const fail = (): void => this.#end('target_unreachable');
    this.#arm('target_unreachable', this.#leftMs);
    const { host } = this.#policy.target!;
    const inner = this.#context.upstreamTls.secure(wire.release(), { host, tlsInsecure: false });
    this.#inner = inner;
    inner.on('error', fail).once('end', fail).once('close', fail);
    inner.on('data', (chunk: Buffer) => this.onData(chunk));
    inner.once('secureConnect', () => inner.write(this.#question(), 'latin1'));
  }

  /** What is asked; its answer is waited for from now on. */
  #question(): string {
    const inTunnel = this.#isTunnelled;
    this.#reply = new ProbeReply(this.#context.limits, inTunnel);
    this.#arm('first_byte_timeout', Math.min(this.#leftMs, this.#context.limits.firstByteTimeoutMs));
    return probeRequest(this.#policy.target!, inTunnel, this.route.authorization);
  }

  get #leftMs(): number {
    return Math.max(0, this.#startedAt + this.#policy.timeoutMs - this.#context.clock.monotonicMs());
  }

  #arm(cause: Cause, ms: number): void {
    this.#timeoutCause = cause;
    this.#deadline.arm(ms);
  }

  #endDial(): void {
    if (!this.#dialling) return;
    this.#dialling = false;
    this.#context.caps.endDial(this.route.live!);
  }

  #end(outcome: ProbeOutcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline.release();
    this.#inner?.destroy();
    this.#connection?.discard();
    this.#endDial();
    this.#tell(outcome);
    this.#context.counters.probe(outcome);
    this.#onOver(this);
  }

  #tell(outcome: ProbeOutcome): void {
    const { health } = this.#context;
    const { route } = this;
    const host = targetHostOf(this.#policy);
    if (outcome === 'served') {
      route.live!.dialled(this.#dialMs);
      // A connection alone has proved no credential: it acquits nobody.
      if (this.#policy.kind === 'tcp') health.abandoned(route, host, this.#trial);
      else health.succeeded(route, host, this.#trial);
    } else if (outcome === 'abandoned') {
      health.abandoned(route, host, this.#trial);
    } else {
      route.live!.lastCause = outcome;
      const harms = harmOf(outcome, this.#reply !== null && this.#isTunnelled);
      if (harms === null) health.abandoned(route, host, this.#trial);
      else health.failed(route, host, outcome, this.#trial, harms);
      this.#log(outcome);
    }
  }

  #log(cause: Cause): void {
    const { log } = this.#context;
    if (!log.isEnabled('debug')) return;
    const fields = { [FIELD.sessionId]: this.route.sessionId, [FIELD.pool]: this.pool.name, [FIELD.cause]: cause };
    log.debug(fields, 'probe failed');
  }
}
