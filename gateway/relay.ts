/**
 * Moves octets from one socket to another, as `pipe` does: it stops reading
 * while the other side's buffer is full, and passes the end on. What comes in is
 * lent (`intake.ts`), so that neither a fast stream nor one that stalls costs a
 * fresh buffer for each read.
 */
import type { Socket } from 'node:net';
import { DISCARD, type Intake, type Receiver } from './intake.ts';

/** Whose octets are moved. */
export interface Source {
  readonly socket: Socket;
  readonly intake: Intake;
}

/** Who is told of what is moved. */
export interface RelayOwner {
  /** So many octets were written to this socket. */
  onMoved(octets: number, to: Socket): void;
  /** It has stopped reading, until the other side takes more. */
  onStall(): void;
}

/** One direction of a pair, from when it is made. */
export class Relay implements Receiver {
  readonly #from: Source;
  readonly #to: Socket;
  readonly #owner: RelayOwner;
  readonly #onDrain = this.#drained.bind(this);
  readonly #onEnd = this.#ended.bind(this);

  constructor(from: Source, to: Socket, owner: RelayOwner) {
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
    from.intake.receiver = this;
    from.socket.on('end', this.#onEnd);
    to.on('drain', this.#onDrain);
  }

  onOctets(octets: Buffer): void {
    const to = this.#to;
    if (!to.writable) return;
    this.#owner.onMoved(octets.length, to);
    if (this.#from.intake.pass(octets, to)) return;
    this.#from.socket.pause();
    this.#owner.onStall();
  }

  /** What still comes is discarded, and no end is passed on. */
  stop(): void {
    const { socket, intake } = this.#from;
    intake.receiver = DISCARD;
    socket.off('end', this.#onEnd).resume();
    this.#to.off('drain', this.#onDrain);
  }

  #drained(): void {
    this.#from.socket.resume();
  }

  #ended(): void {
    this.#to.end();
  }
}
