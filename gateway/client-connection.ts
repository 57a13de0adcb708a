/**
 * One connection of a client: reads heads, runs one request at a time, keeps
 * what came too early, and ends so that the client can read our last answer.
 *
 *   head ──▶ forwarding ──▶ head …          (keep-alive, pipelining: strictly in order; or tunnel, by an upgrade)
 *     │  └─▶ opening (CONNECT) ─▶ tunnel
 *     └────▶ lingering ──▶ closed           (after a refusal: what still comes is discarded)
 *
 * Serves an `Arrival`: its data, its deadline and its end are ours from the first octet on.
 */
import { CAUSES, type Cause } from '../src/core/cause.ts';
import { admitUpgrade, type Entrant, enterPhases } from './admission.ts';
import type { Arrival, Served } from './arrival.ts';
import type { GatewayContext } from './context.ts';
import type { Identity, Rejection } from './credentials.ts';
import type { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import { Forward, type ForwardClient } from './forward.ts';
import { HeadMemo } from './http1/head-memo.ts';
import { isRefusal, parseRequestHead, type RequestHead } from './http1/request-head.ts';
import { OURSELVES, type Target } from './http1/target.ts';
import { Lingering } from './lingering.ts';
import { SHEDDING } from './load.ts';
import { allowed, answerOf, identityLines, mayGoOn, pageAnswer, statusOf } from './respond.ts';
import { Tunnel, type TunnelClient } from './tunnel.ts';
import { isForWhoami, whoamiPage } from './whoami.ts';
import { STALL_LOOK_MS, type Wire } from './wire/wire.ts';

/** The phases between a head and its relay; `server.ts` passes them in. null: the exchange has a route; else the cause it ended with. */
export type Admission = (identity: Identity | Rejection, target: Target, exchange: Exchange) => Cause | null;

type State = 'head' | 'forwarding' | 'opening' | 'tunnel' | 'lingering' | 'closed';

/** In a drain, how long after its last answer a connection may still send a request: more than clients take between two. */
const LAST_REQUEST_MS = 500;
/** Octets held for an upgrade that the upstream has not agreed to (P9): no client has a reason to send any. */
const MAX_BEFORE_UPGRADE = 16_384;
/** Empty lines forgiven before a request line (RFC 9112 section 2.2). */
const MAX_LEADING_CRLF = 2;

export class ClientConnection implements ForwardClient, TunnelClient, Served, Entrant<RequestHead> {
  readonly wire: Wire;
  readonly #arrival: Arrival;
  readonly #context: GatewayContext;
  readonly #admit: Admission;
  readonly #deadline: Deadline;
  #state: State = 'head';
  #pending: Buffer | null = null;
  #searched = 0;
  #memo: HeadMemo | null = new HeadMemo();
  #leadingCrlf = 0;
  #forward: Forward | null = null;
  /** Once a tunnel was asked for, or the wire is somebody else's to relay: who must know of its close. */
  #tunnel: Tunnel | Forward | null = null;
  #ended = false;
  /** The last answer was a 407. */
  #challenged = false;
  /** Tick at which it became idle. */
  #idleFrom: number;
  #lingering: Lingering | null = null;

  constructor(context: GatewayContext, arrival: Arrival, admit: Admission) {
    this.#context = context;
    this.#arrival = arrival;
    this.wire = arrival.wire;
    this.wire.receiver = this;
    this.#admit = admit;
    this.#deadline = arrival.deadline;
    this.#idleFrom = context.deadlines.tick;
  }

  /** Between two requests: nothing is lost by closing now. */
  get idle(): boolean {
    return this.#state === 'head' && this.#pending === null;
  }

  takeBody(): void {
    this.wire.resume();
    this.#deadline.arm(this.#context.limits.bodyIdleMs);
    this.#pumpBody();
  }

  refuse(exchange: Exchange, cause: Cause, reusable: boolean): void {
    this.#answer(exchange, cause, reusable && mayGoOn(cause) && this.#context.keepsClients);
    this.#readHeads();
  }

  finished(keepAlive: boolean): void {
    this.#forward = null;
    this.#nextHead(keepAlive);
    this.#readHeads();
  }

  cut(): void {
    this.#forward = null;
    this.#state = 'closed';
    this.wire.reset();
  }

  established(exchange: Exchange): string {
    return `HTTP/1.1 200 Connection established\r\n${identityLines(exchange, null)}\r\n`;
  }

  handOver(): Buffer | null {
    const early = this.#pending;
    this.#pending = null;
    this.#tunnel ??= this.#forward;
    this.#forward = null;
    this.#memo = null;
    this.#state = 'tunnel';
    this.#deadline.disarm();
    return early;
  }

  /**
   * Ends an idle connection; lets one that is busy finish its response. One that was busy a moment ago, or is new, may
   * have its next request on the way: it gets that moment, and then an answer that says close (R1).
   */
  close(): void {
    if (!this.idle) return;
    const idleMs = this.#context.deadlines.since(this.#idleFrom);
    if (idleMs >= LAST_REQUEST_MS) this.#linger();
    else this.#deadline.arm(LAST_REQUEST_MS - idleMs);
  }

  onDrain(): void {
    this.#forward?.onClientDrain();
  }

  onOctets(octets: Buffer): void {
    this.#take(octets);
    // What is left of it waits beyond this turn.
    if (this.#pending !== null) this.#pending = this.wire.keep(this.#pending);
  }

  #take(octets: Buffer): void {
    switch (this.#state) {
      case 'head':
        if (this.#pending === null) this.#deadline.arm(this.#context.limits.headTimeoutMs);
        this.#hold(octets);
        return this.#readHeads();
      case 'forwarding':
        this.#hold(octets);
        return this.#pumpBody();
      case 'opening':
        this.#hold(octets);
        if (this.#pending!.length >= this.#context.limits.maxEarlyBytes) this.#pause();
        return;
      case 'lingering':
        return this.#lingering!.onData(octets);
      default:
        return;
    }
  }

  #hold(octets: Buffer): void {
    this.#pending = this.#pending === null ? octets : Buffer.concat([this.#pending, octets]);
  }

  /** Hands body octets on; what is left over (the next request, or too early) waits with the wire paused. */
  #pumpBody(): void {
    const forward = this.#forward;
    const octets = this.#pending;
    if (octets === null || forward === null) return;
    const { length } = octets;
    const taken = forward.onBody(octets);
    if (this.#forward !== forward) return;
    this.#pending = taken === length ? null : octets.subarray(taken);
    if (forward.bodyDone) this.#deadline.disarm();
    else if (taken > 0) this.#deadline.arm(this.#context.limits.bodyIdleMs);
    if (this.#pending !== null) this.#wait(forward);
    else if (this.#ended && !forward.bodyDone) this.wire.destroy();
    else if (this.wire.isPaused) this.#deadline.armSooner(STALL_LOOK_MS);
  }

  /** What came too early waits, and what is behind it in the kernel; before an upgrade, little of it and here (P9). */
  #wait(forward: Forward): void {
    if (!forward.mayUpgrade) this.#pause();
    else if (this.#pending!.length > MAX_BEFORE_UPGRADE) forward.abort('bad_request');
  }

  #pause(): void {
    this.wire.pause();
    this.#deadline.armSooner(STALL_LOOK_MS);
  }

  /** Runs requests as long as whole heads are there and each ends at once. */
  #readHeads(): void {
    while (this.#state === 'head' && this.#pending !== null) {
      if (!this.#skipEmptyLines()) return;
      const buffer = this.#pending;
      const head = parseRequestHead(buffer, this.#searched, this.#context.limits, this.#memo);
      if (head === null) {
        this.#searched = buffer.length;
        if (this.#ended) this.#linger();
        return;
      }
      this.#searched = 0;
      this.#leadingCrlf = 0;
      if (isRefusal(head)) {
        const exchange = new Exchange(this.#context, 'forward', '', null, this.#arrival.address);
        return this.#answer(exchange, head.cause, false, head.status);
      }
      this.#pending = buffer.length === head.size ? null : this.wire.behind(buffer, head.size);
      this.#begin(head);
    }
  }

  /** false: nothing but empty lines is there, or too many of them were. */
  #skipEmptyLines(): boolean {
    let buffer = this.#pending!;
    while (buffer[0] === 13 && (buffer.length === 1 || buffer[1] === 10)) {
      if (buffer.length === 1) return false;
      if (++this.#leadingCrlf > MAX_LEADING_CRLF) break;
      buffer = buffer.subarray(2);
      this.#searched = 0;
      this.#pending = buffer.length === 0 ? null : buffer;
      if (this.#pending === null) return false;
    }
    return true;
  }

  #begin(head: RequestHead): void {
    this.#deadline.disarm();
    const connect = head.method === 'CONNECT';
    const exchange = new Exchange(
      this.#context,
      connect ? 'connect' : 'forward',
      head.method,
      head.target === OURSELVES ? null : head.target,
      this.#arrival.address,
    );
    const cause = enterPhases(this.#context, this, head, exchange);
    if (cause === null) {
      this.#challenged = false;
      return;
    }
    const begun = this.#tunnel ?? this.#forward;
    if (begun !== null) return begun.abort(cause);
    const clean = head.body === 0 && this.#pending === null;
    const retry = this.#mayRetry(exchange, cause, connect) && clean && head.keepAlive;
    this.#answer(exchange, cause, retry && this.#context.keepsClients);
  }

  enter(head: RequestHead, exchange: Exchange): Cause | null {
    const shed = this.#context.load.level === SHEDDING;
    const cause = shed ? 'overloaded' : (this.#ask(head, exchange) ?? this.#objection(head, exchange));
    if (cause !== null) return cause;
    if (exchange.route === null || isForWhoami(exchange)) this.#answerOurselves(exchange, head);
    else this.#relay(head, exchange);
    return null;
  }

  #relay(head: RequestHead, exchange: Exchange): void {
    if (exchange.kind === 'connect') {
      this.#state = 'opening';
      this.#tunnel = new Tunnel(this.#context, this, head.target, exchange);
      return this.#tunnel.start();
    }
    this.#state = 'forwarding';
    this.#forward = new Forward(this.#context, this, head, exchange);
    this.#forward.start();
    if (this.#pending !== null) this.#wait(this.#forward);
  }

  /** Takes the request through the phases, for whoever asks. */
  #ask({ proxyAuthorization, proxySelector, target }: RequestHead, exchange: Exchange): Cause | null {
    const { credentials } = this.#context;
    const identity = credentials.identify(proxyAuthorization, proxySelector, this.#arrival.binding);
    return this.#admit(identity, target, exchange);
  }

  /**
   * Whether a refusal leaves the connection open, when there is nothing to get past. A 407 does for the retry: once,
   * as a client that asks again without an answer to it will go on doing so (A12). Else a stranger's ends.
   */
  #mayRetry(exchange: Exchange, cause: Cause, connect: boolean): boolean {
    if (CAUSES[cause].status !== 407) return !connect && mayGoOn(cause) && exchange.key !== null;
    // What comes behind a CONNECT may be meant for its tunnel: with a wrong key it is never read as a request (K15).
    if (connect && cause === 'auth_failed') return false;
    const first = !this.#challenged;
    this.#challenged = true;
    return first;
  }

  /** What the head of a request that was admitted says against it. */
  #objection(head: RequestHead, exchange: Exchange): Cause | null {
    const { via, limits } = this.#context;
    if (typeof head.body === 'number' && head.body > limits.maxBodyBytes) return 'body_too_large';
    if (via.isLoop(head.endToEnd)) return 'loop_detected';
    return head.upgrade === null ? null : admitUpgrade(this.#context, exchange);
  }

  #answer(exchange: Exchange, cause: Cause, keepAlive: boolean, status?: number): void {
    this.#forward = null;
    this.#tunnel = null;
    exchange.status = status ?? statusOf(cause, this.#arrival.door.errorStatus);
    const text = answerOf(cause, exchange, { close: !keepAlive, status: exchange.status });
    exchange.bytesIn += text.length;
    this.wire.write(text);
    exchange.finish(cause);
    this.#nextHead(keepAlive);
  }

  /** What is about ourselves is answered here: an OPTIONS, or who its client is. */
  #answerOurselves(exchange: Exchange, head: RequestHead): void {
    // As behind an upgrade that was not granted (`forward.ts`), nobody reads on.
    const keepAlive = head.body === 0 && head.upgrade === null && head.keepAlive && this.#context.keepsClients;
    const page = exchange.route === null ? null : whoamiPage(head, exchange);
    const text = page === null ? allowed(exchange, !keepAlive) : pageAnswer(page, exchange, !keepAlive);
    exchange.status = page === null ? 200 : page.status;
    exchange.bytesIn += text.length;
    this.wire.write(text);
    exchange.finish(null);
    this.#nextHead(keepAlive);
  }

  /** Waits for the next request, which an answer promised to take even if a drain began meanwhile; or ends. */
  #nextHead(keepAlive: boolean): void {
    if (!keepAlive || (this.#ended && this.#pending === null)) return this.#linger();
    this.#state = 'head';
    this.#searched = 0;
    this.#idleFrom = this.#context.deadlines.tick;
    this.wire.resume();
    const { headTimeoutMs, keepAliveMs } = this.#context.limits;
    if (this.#pending !== null) this.#deadline.arm(headTimeoutMs);
    else this.#deadline.arm(this.#context.draining ? LAST_REQUEST_MS : keepAliveMs);
  }

  #linger(): void {
    this.#state = 'lingering';
    this.#pending = null;
    this.#lingering = new Lingering(this.#arrival, this.#context.limits.responseIdleMs);
  }

  onEnd(): void {
    this.#ended = true;
    switch (this.#state) {
      case 'forwarding':
        // Half-closed after a whole request is fine; a body that ends early is never completed upstream.
        if (!this.#forward!.bodyDone && this.#pending === null) this.wire.destroy();
        return;
      case 'opening':
        // Nobody is left to use the tunnel: the attempt is cancelled (K22).
        this.wire.destroy();
        return;
      case 'tunnel':
        return;
      default:
        this.wire.end();
    }
  }

  onClosed(): void {
    const forward = this.#forward;
    this.#forward = null;
    this.#state = 'closed';
    this.#pending = null;
    forward?.abort('client_gone');
    this.#tunnel?.clientClosed();
  }

  onDeadline(): void {
    switch (this.#state) {
      case 'head':
        if (this.#pending === null) return this.wire.endAndClose();
        return this.#answer(
          new Exchange(this.#context, 'forward', '', null, this.#arrival.address),
          'head_timeout',
          false,
        );
      case 'forwarding':
      case 'opening':
        // Paused by an upstream that takes no more: that is the upstream's deadline to keep, not the client's.
        if (!this.wire.isPaused) return this.#forward?.abort('body_timeout');
        this.wire.lookAtStalled();
        return this.#deadline.arm(STALL_LOOK_MS);
      case 'lingering':
        return this.#lingering!.onDeadline();
      default:
        this.wire.destroy();
    }
  }
}
