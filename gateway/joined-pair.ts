/**
 * A client's socket and an upstream's, joined: by a CONNECT or SOCKS tunnel
 * (`tunnel.ts`), or by an upgrade (`upgrade.ts`). Accounts for both until both are gone.
 *
 *   join ─▶ relayed ⇄ (half-closed) ─▶ both gone: the exchange is finished
 *              └── cut, idle, at the end of its life: reset
 *
 * `relay.ts` moves and counts the octets both ways with backpressure; the pair's
 * timer looks at the sockets' own counters, so nothing else runs per chunk.
 */
import type { Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import type { UpstreamConnection, UpstreamOwner } from './dial.ts';
import type { Exchange } from './exchange.ts';
import type { Intake } from './intake.ts';
import { Relay, type RelayOwner } from './relay.ts';
import { STALL_LOOK_MS } from './stall.ts';

/** The client's side of a pair. */
export interface PairedClient {
  readonly socket: Socket;
  readonly intake: Intake;
  /** Ends the connection so that the client sees a failure, and no end that it might take for a good one. */
  cut(): void;
  /** Closes it if nothing is read from it and the client has reset it. */
  lookAtStalled(): void;
}

/** Who made a pair. */
export interface PairOwner {
  /** Both of its sockets are gone. */
  pairOver(): void;
}

/** What is written first, before anything is relayed. */
export interface FirstWords {
  /** Tells the client that it is through: latin1 text, one character an octet. */
  readonly answer: string;
  /** What the upstream's side said already. */
  readonly toClient: Buffer | null;
  /** What the client said already. */
  readonly toUpstream: Buffer | null;
}

/** Fractions of the idle time at which a silent pair is looked at: it is cut at most a quarter late. */
const LOOKS = 4;
/** At the end of a drain each side gets this long to end before it is reset. */
const LAST_WORDS_MS = 300;

export class JoinedPair implements UpstreamOwner, RelayOwner {
  readonly #context: GatewayContext;
  readonly #exchange: Exchange;
  readonly #client: PairedClient;
  readonly #upstream: UpstreamConnection;
  readonly #deadline: Deadline;
  readonly #owner: PairOwner;
  /** Each direction, once it is joined. */
  #up: Relay | null = null;
  #down: Relay | null = null;
  #openSockets = 2;
  #cause: Cause | null = null;
  #halfClosed = false;
  #endsAt = 0;
  #lastBytes = 0;
  #lastMoveAt = 0;

  /** Takes over the connection; `owner` is told just before the exchange is finished. */
  constructor(
    context: GatewayContext,
    exchange: Exchange,
    client: PairedClient,
    upstream: UpstreamConnection,
    owner: PairOwner,
  ) {
    this.#context = context;
    this.#exchange = exchange;
    this.#client = client;
    this.#upstream = upstream;
    this.#owner = owner;
    this.#deadline = new Deadline(context.deadlines, () => this.#look());
  }

  /** Writes the first words, and relays from now on. */
  join({ answer, toClient, toUpstream }: FirstWords): void {
    const { clock, limits } = this.#context;
    const exchange = this.#exchange;
    const client = this.#client.socket;
    const connection = this.#upstream;
    connection.owner = this;
    connection.disarm();
    const { intake } = this.#client;
    const upstream = connection.detach();
    exchange.stage = 'relay';
    exchange.pool!.tunnelsActive++;
    exchange.bytesIn += answer.length + (toClient?.length ?? 0);
    exchange.bytesOut += toUpstream?.length ?? 0;
    client.write(answer, 'latin1');
    if (toClient !== null) connection.intake.pass(toClient, client);
    if (toUpstream !== null) intake.pass(toUpstream, upstream);
    this.#up = new Relay(this.#client, upstream, this);
    this.#down = new Relay(connection, client, this);
    // What came early may have left the client paused.
    client.resume();
    client.once('end', () => this.#onHalfClose());
    upstream.once('end', () => this.#onHalfClose());
    this.#lastMoveAt = clock.monotonicMs();
    this.#endsAt = this.#lastMoveAt + limits.tunnelLifeMs;
    this.#deadline.arm(limits.tunnelIdleMs / LOOKS);
    if (!client.readableEnded) return;
    // It had ended its side before an upgrade was answered: nothing more will say so.
    upstream.end();
    this.#onHalfClose();
  }

  cut(cause: 'revoked' | 'draining'): void {
    if (cause === 'revoked') return this.#reset('revoked');
    // The end of a drain: what is written still goes out, then both sides end; whoever holds on is reset.
    this.#cause ??= cause;
    this.#up?.stop();
    this.#down?.stop();
    this.#client.socket.end();
    this.#upstream.socket.end();
    this.#halfClosed = true;
    this.#endsAt = this.#context.clock.monotonicMs() + LAST_WORDS_MS;
    this.#deadline.arm(LAST_WORDS_MS);
  }

  onMoved(octets: number, to: Socket): void {
    if (to === this.#client.socket) this.#exchange.bytesIn += octets;
    else this.#exchange.bytesOut += octets;
  }

  onStall(): void {
    this.#deadline.armSooner(STALL_LOOK_MS);
  }

  /** The client's socket is gone. */
  clientClosed(): void {
    if (!endedWell(this.#client.socket)) {
      this.#cause ??= 'client_gone';
      this.#upstream.reset();
    }
    this.#socketClosed();
  }

  onClosed(cause: Cause): void {
    if (!endedWell(this.#upstream.socket)) {
      this.#cause ??= cause;
      this.#client.cut();
    }
    this.#socketClosed();
  }

  // Before it was joined, or on its relay: not for us.
  onConnected(): void {}
  onHandshake(): void {}
  onOpen(): void {}
  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  #onHalfClose(): void {
    if (this.#halfClosed) return;
    this.#halfClosed = true;
    this.#deadline.arm(Math.min(this.#context.limits.halfClosedMs, this.#context.limits.tunnelIdleMs / LOOKS));
  }

  /** The deadline came up: idle, half-closed for too long, at the end of its life, or a side stands still. */
  #look(): void {
    const { limits, clock } = this.#context;
    const client = this.#client.socket;
    const upstream = this.#upstream.socket;
    const now = clock.monotonicMs();
    const bytes = client.bytesRead + client.bytesWritten;
    const idleLimit = this.#halfClosed ? limits.halfClosedMs : limits.tunnelIdleMs;
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#lastMoveAt = now;
    }
    if (now >= this.#endsAt || now - this.#lastMoveAt >= idleLimit) return this.#reset(this.#cause ?? 'idle_timeout');
    this.#deadline.arm(Math.min(idleLimit / LOOKS, this.#endsAt - now));
    if (!client.isPaused() && !upstream.isPaused()) return;
    this.#client.lookAtStalled();
    this.#upstream.lookAtStalled();
    this.#deadline.armSooner(STALL_LOOK_MS);
  }

  #reset(cause: Cause): void {
    this.#cause ??= cause;
    this.#upstream.reset();
    this.#client.cut();
  }

  #socketClosed(): void {
    if (--this.#openSockets > 0) return;
    this.#exchange.pool!.tunnelsActive--;
    this.#deadline.release();
    this.#owner.pairOver();
    this.#exchange.finish(this.#cause);
  }
}

/** Whether a closed socket had finished both its sides; else the other socket must not end as if it had. */
function endedWell(socket: Socket): boolean {
  return socket.errored === null && socket.readableEnded && socket.writableFinished;
}
