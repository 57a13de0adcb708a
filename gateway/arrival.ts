/**
 * A client that has come in by a door, from the tick its socket exists to the tick
 * it is gone: the socket (TLS inside, where the door has it), its one deadline,
 * and where it came from. Its first octet says what it speaks; then it is served.
 *
 *   accepted ──▶ (TLS) ──▶ first octet ──▶ served ──▶ gone
 *       └──────────┴─ silence, garbage, the end of a drain ─┘
 *
 * `server.ts` makes one for each accepted socket. Its error listener is ours for
 * good; data and the end are those of whoever serves it.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Cause } from '../src/core/cause.ts';
import type { BoundIdentity } from './bindings.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { Intake, Receiver } from './intake.ts';
import type { Door } from './listeners.ts';
import { reset, resetTls } from './reset.ts';
import { lookAtStalled } from './stall.ts';
import type { Linked } from './under-way.ts';

/** Who serves a client, in what it speaks. */
export interface Served extends Receiver {
  onDeadline(): void;
  /** The socket is gone. */
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

export class Arrival implements Receiver, Linked<Arrival> {
  newer: Arrival | null = null;
  older: Arrival | null = null;
  readonly socket: Socket;
  /** `address:port` of the client. */
  readonly address: string;
  /** Whose it is where clients are counted by address. */
  readonly network: string;
  readonly door: Door;
  /** Who the client is if it does not say so itself; null: nobody. */
  readonly binding: BoundIdentity | null;
  readonly deadline: Deadline;
  /** What comes in from it. */
  readonly intake: Intake;
  readonly #context: GatewayContext;
  /** The TCP socket: `socket` itself, or what carries its TLS. */
  readonly #carrier: Socket;
  readonly #reception: Reception;
  /** Whether octets may be written that the client can read. */
  #ready: boolean;
  #served: Served | null = null;
  // Bound, not written as a function here: V8 takes that for one that stays (docs/decisions/0025).
  readonly #onEnd = this.#ended.bind(this);

  constructor(context: GatewayContext, carrier: Socket, door: Door, network: string, reception: Reception) {
    const { remoteAddress = '', remotePort = 0 } = carrier;
    this.#context = context;
    this.#carrier = carrier;
    this.#reception = reception;
    this.address = `${remoteAddress}:${remotePort}`;
    this.network = network;
    this.door = door;
    this.binding = door.bindingOf === null ? null : door.bindingOf(remoteAddress);
    this.deadline = new Deadline(context.deadlines, () => this.#onDeadline());
    // What an error was shows in 'close'; the cause is client_gone either way.
    carrier.on('error', () => undefined);
    this.#ready = door.secureContext === null;
    this.socket = door.secureContext === null ? carrier : this.#secure(door.secureContext);
    const { intakes } = context;
    this.intake = this.socket === carrier ? intakes.accepted(carrier) : intakes.separate(this.socket);
    this.intake.receiver = this;
    this.socket.on('end', this.#onEnd);
    this.socket.once('close', () => {
      this.deadline.release();
      this.#served?.onClosed();
      reception.onGone(this);
    });
    this.deadline.arm(context.limits.headTimeoutMs);
  }

  /** Ends it with a reset: the client sees a failure, and no end that it might take for a good one. */
  reset(): void {
    if (this.socket === this.#carrier) reset(this.socket);
    else resetTls(this.socket, this.#carrier);
  }

  /** Closes it if nothing is read from it and its client has reset it (`stall.ts`). */
  lookAtStalled(): void {
    lookAtStalled(this.socket, this.#carrier);
  }

  /** A drain began. Whoever has said nothing yet is new, and may have a request on the way: it gets a moment. */
  close(): void {
    if (this.#served === null) this.deadline.armSooner(FIRST_WORDS_MS);
    else this.#served.close();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Its first octets: whoever serves it is the receiver from here on. */
  onOctets(first: Buffer): void {
    this.socket.off('end', this.#onEnd);
    this.#served = this.#reception.serve(this, first[0]!);
    this.#served.onOctets(first);
  }

  #ended(): void {
    if (this.#ready) this.socket.end();
    else this.socket.destroy();
  }

  #onDeadline(): void {
    if (this.#served !== null) return this.#served.onDeadline();
    if (this.#ready) return void this.socket.end(() => this.socket.destroy());
    // Silence is nobody's failure; a handshake that stops is a head that does not come.
    if (this.#carrier.bytesRead > 0) this.#failed('head_timeout');
    this.socket.destroy();
  }

  #secure(secureContext: NonNullable<Door['secureContext']>): Socket {
    const socket = new TLSSocket(this.#carrier, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
    socket.disableRenegotiation();
    socket.once('secure', () => {
      this.#ready = true;
    });
    socket.on('error', () => undefined); // as for the carrier
    // The only event for garbage behind the handshake: Node ends a server-side socket over it only for its own server.
    socket.on('_tlsError' as 'error', (error: NodeJS.ErrnoException) => {
      if (this.#ready) return this.reset();
      if (error.code !== 'ECONNRESET') this.#failed('bad_request');
    });
    return socket;
  }

  /** The client did not get as far as to say anything: no answer would reach it. */
  #failed(cause: Cause): void {
    new Exchange(this.#context, 'forward', '', null, this.address).finish(cause);
  }
}
