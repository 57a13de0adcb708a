/**
 * A client's wire and an upstream's, joined: by a CONNECT or SOCKS tunnel
 * (`tunnel.ts`), or by an upgrade (`upgrade.ts`). Accounts for both until both are gone.
 *
 *   join ─▶ relayed ⇄ (half-closed) ─▶ both gone: the exchange is finished
 *              └── cut, idle, at the end of its life: reset
 *
 * `relay.ts` moves and counts the octets both ways with backpressure; the pair's
 * timer looks at the wires' own counters, so nothing else runs per chunk.
 */
import type { Cause } from '../src/core/cause.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import type { UpstreamConnection, UpstreamOwner } from './dial.ts';
import type { Exchange } from './exchange.ts';
import { Relay, type RelayOwner } from './relay.ts';
import { endedWell, STALL_LOOK_MS, type Wire } from './wire/wire.ts';

/** The client's side of a pair. */
export interface PairedClient {
  readonly wire: Wire;
  /** Ends the connection so that the client sees a failure, and no end that it might take for a good one. */
  cut(): void;
}

/** Who made a pair. */
export interface PairOwner {
  /** Both of its wires are gone. */
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
  #openWires = 2;
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
    const client = this.#client.wire;
    const connection = this.#upstream;
    const upstream = connection.wire;
    connection.owner = this;
    connection.disarm();
    exchange.stage = 'relay';
    exchange.pool!.tunnelsActive++;
    exchange.bytesIn += answer.length + (toClient?.length ?? 0);
    exchange.bytesOut += toUpstream?.length ?? 0;
    client.write(answer);
    if (toClient !== null) upstream.pass(toClient, client);
    if (toUpstream !== null) client.pass(toUpstream, upstream);
    this.#up = new Relay(client, upstream, this);
    this.#down = new Relay(upstream, client, this);
    // What came early may have left the client paused.
    client.resume();
    this.#lastMoveAt = clock.monotonicMs();
    this.#endsAt = this.#lastMoveAt + limits.tunnelLifeMs;
    this.#deadline.arm(limits.tunnelIdleMs / LOOKS);
    if (!client.ended) return;
    // It had ended its side before an upgrade was answered: nothing more will say so.
    this.#up.onEnd();
  }

  cut(cause: 'revoked' | 'draining'): void {
    if (cause === 'revoked') return this.#reset('revoked');
    // The end of a drain: what is written still goes out, then both sides end; whoever holds on is reset.
    this.#cause ??= cause;
    this.#up?.stop();
    this.#down?.stop();
    this.#client.wire.end();
    this.#upstream.wire.end();
    this.#halfClosed = true;
    this.#endsAt = this.#context.clock.monotonicMs() + LAST_WORDS_MS;
    this.#deadline.arm(LAST_WORDS_MS);
  }

  onMoved(octets: number, to: Wire): void {
    if (to === this.#client.wire) this.#exchange.bytesIn += octets;
    else this.#exchange.bytesOut += octets;
  }

  onStall(): void {
    this.#deadline.armSooner(STALL_LOOK_MS);
  }

  onHalfClose(): void {
    if (this.#halfClosed) return;
    this.#halfClosed = true;
    this.#deadline.arm(Math.min(this.#context.limits.halfClosedMs, this.#context.limits.tunnelIdleMs / LOOKS));
  }

  /** The client's wire is gone. */
  clientClosed(): void {
    if (!endedWell(this.#client.wire)) {
      this.#cause ??= 'client_gone';
      this.#upstream.wire.reset();
    }
    this.#wireClosed();
  }

  onClosed(cause: Cause): void {
    if (!endedWell(this.#upstream.wire)) {
      this.#cause ??= cause;
      this.#client.cut();
    }
    this.#wireClosed();
  }

  // Before it was joined, or on its relay: not for us.
  onConnected(): void {}
  onHandshake(): void {}
  onOpen(): void {}
  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  /** The deadline came up: idle, half-closed for too long, at the end of its life, or a side stands still. */
  #look(): void {
    const { limits, clock } = this.#context;
    const client = this.#client.wire;
    const upstream = this.#upstream.wire;
    const now = clock.monotonicMs();
    const bytes = client.bytesRead + client.bytesWritten;
    const idleLimit = this.#halfClosed ? limits.halfClosedMs : limits.tunnelIdleMs;
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#lastMoveAt = now;
    }
    if (now >= this.#endsAt || now - this.#lastMoveAt >= idleLimit) return this.#reset(this.#cause ?? 'idle_timeout');
    this.#deadline.arm(Math.min(idleLimit / LOOKS, this.#endsAt - now));
    if (!client.isPaused && !upstream.isPaused) return;
    client.lookAtStalled();
    upstream.lookAtStalled();
    this.#deadline.armSooner(STALL_LOOK_MS);
  }

  #reset(cause: Cause): void {
    this.#cause ??= cause;
    this.#upstream.wire.reset();
    this.#client.cut();
  }

  #wireClosed(): void {
    if (--this.#openWires > 0) return;
    this.#exchange.pool!.tunnelsActive--;
    this.#deadline.release();
    this.#owner.pairOver();
    this.#exchange.finish(this.#cause);
  }
}
