/**
 * One connection of a client: reads heads, runs one request at a time, keeps
 * what came too early, and ends so that the client can read our last answer.
 *
 *   head ──▶ forwarding ──▶ head …          (keep-alive, pipelining: strictly in order)
 *     │  └─▶ opening (CONNECT) ─▶ tunnel
 *     └────▶ lingering ──▶ closed           (after a refusal: what still comes is discarded)
 *
 * Owns the client's socket: its error listener, its deadline, its end.
 */
import type { Socket } from 'node:net';
import { CAUSES, type Cause } from '../src/core/cause.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import { Forward, type ForwardClient } from './forward.ts';
import { isRefusal, parseRequestHead, type RequestHead } from './http1/request-head.ts';
import { OURSELVES } from './http1/target.ts';
import { reset } from './reset.ts';
import { allowed, answerOf, identityLines } from './respond.ts';
import { Tunnel, type TunnelClient } from './tunnel.ts';

/** The phases between a head and its relay; `server.ts` passes them in. A route's exchange, or the cause it ended with. */
export type Admission = (head: RequestHead, exchange: Exchange) => Cause | null;

type State = 'head' | 'forwarding' | 'opening' | 'tunnel' | 'lingering' | 'closed';

/** Lingering close (E17): so much is discarded, for so long, so that the client gets our answer before a reset. */
const LINGER_BYTES = 65_536;
const LINGER_MS = 1_000;
/** In a drain, how long after its last answer a connection may still send a request: more than clients take between two. */
const LAST_REQUEST_MS = 500;
/** Empty lines forgiven before a request line (RFC 9112 section 2.2). */
const MAX_LEADING_CRLF = 2;

export class ClientConnection implements ForwardClient, TunnelClient {
  readonly socket: Socket;
  readonly #context: GatewayContext;
  readonly #admit: Admission;
  readonly #deadline: Deadline;
  readonly #address: string;
  #state: State = 'head';
  #pending: Buffer | null = null;
  #searched = 0;
  #leadingCrlf = 0;
  #forward: Forward | null = null;
  #tunnel: Tunnel | null = null;
  #ended = false;
  #discarded = 0;
  /** Tick at which it became idle. */
  #idleFrom: number;
  /** While lingering: octets of ours that the kernel had taken when last looked at. */
  #flushed = -1;

  constructor(
    context: GatewayContext,
    socket: Socket,
    admit: Admission,
    onClosed: (connection: ClientConnection) => void,
  ) {
    this.#context = context;
    this.socket = socket;
    this.#admit = admit;
    this.#address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    this.#deadline = new Deadline(context.deadlines, () => this.#onDeadline());
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // what it was shows in 'close'; the cause is client_gone either way
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.once('close', () => {
      this.#onClose();
      onClosed(this);
    });
    this.#idleFrom = context.deadlines.tick;
    this.#deadline.arm(context.limits.headTimeoutMs);
  }

  /** Between two requests: nothing is lost by closing now. */
  get idle(): boolean {
    return this.#state === 'head' && this.#pending === null;
  }

  takeBody(): void {
    this.socket.resume();
    this.#deadline.arm(this.#context.limits.bodyIdleMs);
    this.#pumpBody();
  }

  refuse(exchange: Exchange, cause: Cause, reusable: boolean): void {
    const { fault } = CAUSES[cause];
    this.#answer(exchange, cause, reusable && fault !== 'client' && !this.#context.draining);
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
    reset(this.socket);
  }

  established(exchange: Exchange): string {
    return `HTTP/1.1 200 Connection established\r\n${identityLines(exchange, null)}\r\n`;
  }

  handOver(): Buffer | null {
    const early = this.#pending;
    this.#pending = null;
    this.#state = 'tunnel';
    this.#deadline.disarm();
    this.socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd);
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

  destroy(): void {
    this.socket.destroy();
  }

  readonly #onDrain = (): void => this.#forward?.onClientDrain();

  readonly #onData = (chunk: Buffer): void => {
    switch (this.#state) {
      case 'head':
        if (this.#pending === null) this.#deadline.arm(this.#context.limits.headTimeoutMs);
        this.#hold(chunk);
        return this.#readHeads();
      case 'forwarding':
        this.#hold(chunk);
        return this.#pumpBody();
      case 'opening':
        this.#hold(chunk);
        if (this.#pending!.length >= this.#context.limits.maxEarlyBytes) this.socket.pause();
        return;
      case 'lingering':
        this.#discarded += chunk.length;
        if (this.#discarded > LINGER_BYTES) this.socket.destroy();
        return;
      default:
        return;
    }
  };

  #hold(chunk: Buffer): void {
    this.#pending = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
  }

  /** Hands body octets on; what is left over (the next request, or too early) waits with the socket paused. */
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
    if (this.#pending !== null) this.socket.pause();
    else if (this.#ended && !forward.bodyDone) this.socket.destroy();
  }

  /** Runs requests as long as whole heads are there and each ends at once. */
  #readHeads(): void {
    while (this.#state === 'head' && this.#pending !== null) {
      if (!this.#skipEmptyLines()) return;
      const buffer = this.#pending;
      const head = parseRequestHead(buffer, this.#searched, this.#context.limits);
      if (head === null) {
        this.#searched = buffer.length;
        if (this.#ended) this.#linger();
        return;
      }
      this.#searched = 0;
      this.#leadingCrlf = 0;
      if (isRefusal(head)) {
        const exchange = new Exchange(this.#context, 'forward', '', null, this.#address);
        return this.#answer(exchange, head.cause, false, head.status);
      }
      this.#pending = buffer.length === head.size ? null : buffer.subarray(head.size);
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
      this.#address,
    );
    const cause = this.#admit(head, exchange);
    if (cause !== null) {
      // 407 leaves the connection open for the retry, when there is nothing to get past.
      const { status, fault } = CAUSES[cause];
      const retry = status === 407 || (!connect && fault !== 'client');
      const clean = head.body === 0 && this.#pending === null;
      return this.#answer(exchange, cause, retry && clean && head.keepAlive && !this.#context.draining);
    }
    if (exchange.route === null) return this.#answerOptions(exchange, head);
    if (connect) {
      this.#state = 'opening';
      this.#tunnel = new Tunnel(this.#context, this, head.target, exchange, exchange.route);
      return this.#tunnel.start();
    }
    this.#state = 'forwarding';
    this.#forward = new Forward(this.#context, this, head, exchange, exchange.route);
    this.#forward.start();
    if (this.#pending !== null) this.socket.pause();
  }

  #answer(exchange: Exchange, cause: Cause, keepAlive: boolean, status?: number): void {
    this.#forward = null;
    this.#tunnel = null;
    exchange.status = status ?? CAUSES[cause].status;
    const text = answerOf(cause, exchange, { close: !keepAlive, status });
    exchange.bytesIn += text.length;
    this.socket.write(text, 'latin1');
    exchange.finish(cause);
    this.#nextHead(keepAlive);
  }

  #answerOptions(exchange: Exchange, head: RequestHead): void {
    const keepAlive = head.body === 0 && head.keepAlive && !this.#context.draining;
    const text = allowed(exchange, !keepAlive);
    exchange.status = 200;
    exchange.bytesIn += text.length;
    this.socket.write(text, 'latin1');
    exchange.finish(null);
    this.#nextHead(keepAlive);
  }

  /** Waits for the next request, which an answer promised to take even if a drain began meanwhile; or ends. */
  #nextHead(keepAlive: boolean): void {
    if (!keepAlive || (this.#ended && this.#pending === null)) return this.#linger();
    this.#state = 'head';
    this.#searched = 0;
    this.#idleFrom = this.#context.deadlines.tick;
    this.socket.resume();
    const { headTimeoutMs, keepAliveMs } = this.#context.limits;
    if (this.#pending !== null) this.#deadline.arm(headTimeoutMs);
    else this.#deadline.arm(this.#context.draining ? LAST_REQUEST_MS : keepAliveMs);
  }

  #linger(): void {
    this.#state = 'lingering';
    this.#pending = null;
    this.#discarded = 0;
    this.#flushed = -1;
    this.socket.resume().end();
    this.#deadline.arm(LINGER_MS);
  }

  /** A slow reader is still being written to and has the time of any response; one that stands still is reset. */
  #lingered(): void {
    const { socket } = this;
    if (socket.writableFinished) return void socket.destroy();
    const flushed = socket.bytesWritten - socket.writableLength;
    if (flushed === this.#flushed) return reset(socket);
    this.#flushed = flushed;
    this.#deadline.arm(this.#context.limits.responseIdleMs);
  }

  readonly #onEnd = (): void => {
    this.#ended = true;
    switch (this.#state) {
      case 'forwarding':
        // Half-closed after a whole request is fine; a body that ends early is never completed upstream.
        if (!this.#forward!.bodyDone && this.#pending === null) this.socket.destroy();
        return;
      case 'opening':
        // Nobody is left to use the tunnel: the attempt is cancelled (K22).
        this.socket.destroy();
        return;
      case 'tunnel':
        return;
      default:
        this.socket.end();
    }
  };

  #onClose(): void {
    this.#deadline.release();
    const forward = this.#forward;
    this.#forward = null;
    this.#state = 'closed';
    this.#pending = null;
    forward?.abort('client_gone');
    this.#tunnel?.clientClosed();
  }

  #onDeadline(): void {
    switch (this.#state) {
      case 'head':
        if (this.#pending === null) return void this.socket.end(() => this.socket.destroy());
        return this.#answer(new Exchange(this.#context, 'forward', '', null, this.#address), 'head_timeout', false);
      case 'forwarding':
        // Paused by an upstream that takes no more: that is the upstream's deadline to keep, not the client's.
        if (this.socket.isPaused()) return this.#deadline.arm(this.#context.limits.bodyIdleMs);
        return this.#forward!.abort('body_timeout');
      case 'lingering':
        return this.#lingered();
      default:
        this.socket.destroy();
    }
  }
}
