/**
 * A client that has come in by a door, from the tick its connection exists to the tick
 * it is gone: the wire (TLS inside, where the door has it), its one deadline,
 * and where it came from. Its first octet says what it speaks; then it is served.
 *
 *   accepted ──▶ (TLS) ──▶ first octet ──▶ served ──▶ gone
 *       └──────────┴─ silence, garbage, the end of a drain ─┘
 *
 * `server.ts` makes one for each connection that is accepted. The close is ours for good;
 * what comes in and its end are those of whoever serves it.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Cause } from '../src/core/cause.ts';
import type { BoundIdentity } from './bindings.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { Door } from './listeners.ts';
import type { Linked } from './under-way.ts';
import { StreamWire } from './wire/stream-wire.ts';
import type { Receiver, Wire, WireHolder } from './wire/wire.ts';

/** Who serves a client, in what it speaks. */
export interface Served extends Receiver {
  onDeadline(): void;
  /** The wire is gone. */
  onClosed(): void;
  /** A drain began: ends what is idle, lets what is under way finish. */
  close(): void;
}

/** What a new connection is given into. */
export interface Reception {
  serve(arrival: Arrival, firstOctet: number): Served;
  /** It is gone, and whoever served it knows. */
  onGone(arrival: Arrival): void;
}

/** In a drain, how long a connection may still send its first octets. */
const FIRST_WORDS_MS = 500;

export class Arrival implements Receiver, WireHolder, Linked<Arrival> {
  newer: Arrival | null = null;
  older: Arrival | null = null;
  readonly wire: Wire;
  /** `address:port` of the client. */
  readonly address: string;
  /** Whose it is where clients are counted by address. */
  readonly network: string;
  readonly door: Door;
  /** Who the client is if it does not say so itself; null: nobody. */
  readonly binding: BoundIdentity | null;
  readonly deadline: Deadline;
  readonly #context: GatewayContext;
  readonly #reception: Reception;
  /** Whether octets may be written that the client can read. */
  #ready: boolean;
  #served: Served | null = null;
  /** What carries its TLS, where it has that. */
  #carrier: Socket | null = null;

  /** `accepted` is in clear: TLS, where the door has it, begins here. */
  constructor(context: GatewayContext, accepted: Wire, door: Door, network: string, reception: Reception) {
    const { address, port } = accepted.peer;
    this.#context = context;
    this.#reception = reception;
    this.address = `${address}:${port}`;
    this.network = network;
    this.door = door;
    this.binding = door.bindingOf === null ? null : door.bindingOf(address);
    this.deadline = new Deadline(context.deadlines, () => this.#onDeadline());
    const { secureContext } = door;
    this.#ready = secureContext === null;
    this.wire = secureContext === null ? accepted : this.#secure(accepted, secureContext);
    this.wire.receiver = this;
    this.wire.start(this);
    this.deadline.arm(context.limits.headTimeoutMs);
  }

  /** A drain began. Whoever has said nothing yet is new, and may have a request on the way: it gets a moment. */
  close(): void {
    if (this.#served === null) this.deadline.armSooner(FIRST_WORDS_MS);
    else this.#served.close();
  }

  destroy(): void {
    this.wire.destroy();
  }

  /** Its first octets: whoever serves it is the receiver from here on. */
  onOctets(first: Buffer): void {
    this.#served = this.#reception.serve(this, first[0]!);
    this.#served.onOctets(first);
  }

  onEnd(): void {
    if (this.#ready) this.wire.end();
    else this.wire.destroy();
  }

  /** Nothing was written yet. */
  onDrain(): void {}

  /** It was accepted, and is open. */
  onWireOpen(): void {}

  onWireClosed(): void {
    this.deadline.release();
    this.#served?.onClosed();
    this.#reception.onGone(this);
  }

  #onDeadline(): void {
    if (this.#served !== null) return this.#served.onDeadline();
    if (this.#ready) return this.wire.endAndClose();
    // Silence is nobody's failure; a handshake that stops is a head that does not come.
    if (this.#carrier!.bytesRead > 0) this.#failed('head_timeout');
    this.wire.destroy();
  }

  #secure(accepted: Wire, secureContext: NonNullable<Door['secureContext']>): StreamWire {
    // Never served in clear instead.
    if (!(accepted instanceof StreamWire)) throw new Error('TLS takes a socket of Node');
    const { socket: carrier } = accepted;
    this.#carrier = carrier;
    const socket = new TLSSocket(carrier, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
    socket.disableRenegotiation();
    socket.once('secure', () => {
      this.#ready = true;
    });
    // The only event for garbage behind the handshake: Node ends a server-side socket over it only for its own server.
    socket.on('_tlsError' as 'error', (error: NodeJS.ErrnoException) => {
      if (this.#ready) return this.wire.reset();
      if (error.code !== 'ECONNRESET') this.#failed('bad_request');
    });
    return new StreamWire(socket, carrier);
  }

  /** The client did not get as far as to say anything: no answer would reach it. */
  #failed(cause: Cause): void {
    new Exchange(this.#context, 'forward', '', null, this.address).finish(cause);
  }
}
