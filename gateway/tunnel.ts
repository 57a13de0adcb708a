/**
 * One tunnel: dial the upstream up to the target, answer the client, join the two
 * sockets, and account for the tunnel until both are gone.
 *
 *   start ─▶ dial ─▶ joined ─▶ (half-closed) ─▶ finished
 *                └── refused: answered with a cause
 *
 * No client octet goes upstream before its 2xx (E11). Once joined, `relay.ts`
 * moves and counts the octets both ways with backpressure; a tunnel's timers look
 * at the sockets' own counters, so nothing else runs per chunk.
 */
import type { Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { Route } from '../src/core/model.ts';
import type { Cuttable, GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { UpstreamConnection, type UpstreamOwner } from './dial.ts';
import type { Exchange } from './exchange.ts';
import type { Target } from './http1/target.ts';
import { relay } from './relay.ts';
import { reset } from './reset.ts';

/** What a tunnel needs of the client's connection. */
export interface TunnelClient {
  readonly socket: Socket;
  /** Answers with a cause and ends the connection. */
  refuse(exchange: Exchange, cause: Cause, reusable: boolean): void;
  /** What tells the client that its tunnel is open: latin1 text, one character an octet. */
  established(exchange: Exchange): string;
  /** Stops reading the socket; answers the octets that came behind the head (early data), or null. */
  handOver(): Buffer | null;
}

/** Fractions of the idle time at which a silent tunnel is looked at: it is cut at most a quarter late. */
const LOOKS = 4;
/** At the end of a drain each side gets this long to end before it is reset. */
const LAST_WORDS_MS = 300;

export class Tunnel implements UpstreamOwner, Cuttable {
  readonly #context: GatewayContext;
  readonly #client: TunnelClient;
  readonly #exchange: Exchange;
  readonly #route: Route;
  readonly #target: Target;
  readonly #deadline: Deadline;
  #upstream: UpstreamConnection | null = null;
  #joined = false;
  #over = false;
  #openSockets = 2;
  #cause: Cause | null = null;
  #endsAt = 0;
  #halfClosed = false;
  #lastBytes = 0;
  #lastMoveAt = 0;
  /** Once joined: stops the relay of each direction. */
  #stops: readonly (() => void)[] = [];

  constructor(context: GatewayContext, client: TunnelClient, target: Target, exchange: Exchange, route: Route) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
    this.#route = route;
    this.#target = target;
    this.#deadline = new Deadline(context.deadlines, () => this.#look());
  }

  get keyHash(): string {
    return this.#exchange.key!.hash;
  }

  start(): void {
    this.#exchange.beginDial();
    this.#context.addTunnel(this.#route, this);
    this.#upstream = new UpstreamConnection(this.#context, this.#route, this.#target, this);
  }

  cut(cause: 'revoked' | 'draining'): void {
    if (!this.#joined) return this.#refuse(cause === 'revoked' ? 'session_unavailable' : 'draining');
    if (cause === 'revoked') return this.#reset('revoked');
    // The end of a drain: what is written still goes out, then both sides end; whoever holds on is reset.
    this.#cause ??= cause;
    const client = this.#client.socket;
    const upstream = this.#upstream!.socket;
    for (const stop of this.#stops) stop();
    client.end();
    upstream.end();
    this.#halfClosed = true;
    this.#endsAt = this.#context.clock.monotonicMs() + LAST_WORDS_MS;
    this.#deadline.arm(LAST_WORDS_MS);
  }

  /** The client's socket is gone; before the tunnel is open that cancels the attempt (K22). */
  clientClosed(): void {
    if (!this.#joined) {
      if (this.#over) return;
      this.#over = true;
      this.#upstream?.discard();
      this.#finish('client_gone');
      return;
    }
    if (!endedWell(this.#client.socket)) {
      this.#cause ??= 'client_gone';
      this.#upstream!.reset();
    }
    this.#socketClosed();
  }

  onConnected(): void {
    const exchange = this.#exchange;
    exchange.dialled();
    exchange.stage = 'wait';
    exchange.sentAt = this.#context.clock.monotonicMs();
  }

  onHandshake(octets: number): void {
    this.#exchange.bytesOut += octets;
  }

  onOpen(connection: UpstreamConnection, early: Buffer | null): void {
    this.#join(connection, early);
  }

  onData(): void {}

  onDrain(): void {}

  onEnd(connection: UpstreamConnection): void {
    connection.fail('upstream_reset');
  }

  onClosed(cause: Cause, connection: UpstreamConnection): void {
    if (!this.#joined) return this.#refuse(cause);
    if (!endedWell(connection.socket)) {
      this.#cause ??= cause;
      reset(this.#client.socket);
    }
    this.#socketClosed();
  }

  /** `first`: what the target said already. */
  #join(upstream: UpstreamConnection, first: Buffer | null): void {
    const { clock, limits } = this.#context;
    const exchange = this.#exchange;
    const client = this.#client.socket;
    exchange.endDial();
    exchange.firstByteAt = clock.monotonicMs();
    exchange.stage = 'relay';
    exchange.status = 200;
    exchange.pool!.tunnelsActive++;
    this.#joined = true;
    const early = this.#client.handOver();
    const socket = upstream.detach();
    const answer = this.#client.established(exchange);
    exchange.bytesIn += answer.length + (first?.length ?? 0);
    exchange.bytesOut += early?.length ?? 0;
    client.write(answer, 'latin1');
    if (first !== null) client.write(first);
    if (early !== null) socket.write(early);
    this.#stops = [
      relay(client, socket, (octets) => {
        exchange.bytesOut += octets;
      }),
      relay(socket, client, (octets) => {
        exchange.bytesIn += octets;
      }),
    ];
    // Early data may have left the client paused.
    client.resume();
    client.once('end', () => this.#onHalfClose());
    socket.once('end', () => this.#onHalfClose());
    this.#lastMoveAt = clock.monotonicMs();
    this.#endsAt = this.#lastMoveAt + limits.tunnelLifeMs;
    this.#deadline.arm(limits.tunnelIdleMs / LOOKS);
    // All the rest of the time until here was the upstream's.
    this.#context.counters.overheadSeconds.observe((exchange.dialStartedAt - exchange.startedAt) / 1_000);
  }

  #onHalfClose(): void {
    if (this.#halfClosed) return;
    this.#halfClosed = true;
    this.#deadline.arm(Math.min(this.#context.limits.halfClosedMs, this.#context.limits.tunnelIdleMs / LOOKS));
  }

  /** A deadline of the tunnel came up: idle, half-closed for too long, or at the end of its life. */
  #look(): void {
    const { limits, clock } = this.#context;
    const client = this.#client.socket;
    const now = clock.monotonicMs();
    const bytes = client.bytesRead + client.bytesWritten;
    const idleLimit = this.#halfClosed ? limits.halfClosedMs : limits.tunnelIdleMs;
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#lastMoveAt = now;
    }
    if (now >= this.#endsAt || now - this.#lastMoveAt >= idleLimit) return this.#reset(this.#cause ?? 'idle_timeout');
    this.#deadline.arm(Math.min(idleLimit / LOOKS, this.#endsAt - now));
  }

  #reset(cause: Cause): void {
    this.#cause ??= cause;
    this.#upstream?.reset();
    reset(this.#client.socket);
  }

  #socketClosed(): void {
    if (--this.#openSockets === 0) this.#finish(this.#cause);
  }

  #refuse(cause: Cause): void {
    if (this.#over) return;
    this.#over = true;
    this.#upstream?.discard();
    this.#release();
    this.#client.refuse(this.#exchange, cause, false);
  }

  #finish(cause: Cause | null): void {
    const exchange = this.#exchange;
    if (this.#joined) exchange.pool!.tunnelsActive--;
    this.#release();
    exchange.finish(cause);
  }

  #release(): void {
    this.#deadline.release();
    this.#context.removeTunnel(this.#route, this);
  }
}

/** Whether a closed socket had finished both its sides; else the other socket must not end as if it had. */
function endedWell(socket: Socket): boolean {
  return socket.errored === null && socket.readableEnded && socket.writableFinished;
}
