/**
 * Moves octets from one wire to another, as `pipe` does: it stops reading while
 * the other side takes no more, and passes the end on. Two make a pair; each hears of
 * both directions at its own wire:
 *
 *   from ─▶ octets, end ─▶ to
 *   from ─▶ drain: what held up the other direction is gone ─▶ `to` is read again
 */
import { DISCARD, type Receiver, type Wire } from './wire/wire.ts';

/** Who is told of what is moved. */
export interface RelayOwner {
  /** So many octets were written to this wire. */
  onMoved(octets: number, to: Wire): void;
  /** A wire is not read, until the other side takes more. */
  onStall(): void;
  /** One side has finished. */
  onHalfClose(): void;
}

/** One direction of a pair, from when it is made. */
export class Relay implements Receiver {
  readonly #from: Wire;
  readonly #to: Wire;
  readonly #owner: RelayOwner;

  constructor(from: Wire, to: Wire, owner: RelayOwner) {
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
    from.receiver = this;
  }

  onOctets(octets: Buffer): void {
    const to = this.#to;
    if (!to.writable) return;
    this.#owner.onMoved(octets.length, to);
    if (this.#from.pass(octets, to)) return;
    this.#from.pause();
    this.#owner.onStall();
  }

  onEnd(): void {
    this.#to.end();
    this.#owner.onHalfClose();
  }

  onDrain(): void {
    this.#to.resume();
  }

  /** What still comes is discarded, and no end is passed on. */
  stop(): void {
    this.#from.receiver = DISCARD;
    this.#from.resume();
  }
}
