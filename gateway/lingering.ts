/**
 * The end of a client's connection behind our last words (E17): what still comes is
 * read and dropped for a moment, as a reset would take them from the client. Made
 * by whoever serves the connection, which passes on its events from then on.
 */
import type { Arrival } from './arrival.ts';

/** So much is discarded, for so long. */
const LINGER_BYTES = 65_536;
const LINGER_MS = 1_000;

export class Lingering {
  readonly #arrival: Arrival;
  /** How long a client that reads may stand still, in ms. */
  readonly #idleMs: number;
  #discarded = 0;
  /** Octets of ours that the kernel had taken when last looked at. */
  #flushed = -1;

  constructor(arrival: Arrival, idleMs: number) {
    this.#arrival = arrival;
    this.#idleMs = idleMs;
    arrival.wire.resume();
    arrival.wire.end();
    arrival.deadline.arm(LINGER_MS);
  }

  onData(chunk: Buffer): void {
    this.#discarded += chunk.length;
    if (this.#discarded > LINGER_BYTES) this.#arrival.wire.destroy();
  }

  /** A slow reader is still being written to and has the time of any response; one that stands still is reset. */
  onDeadline(): void {
    const { wire, deadline } = this.#arrival;
    if (wire.finished) return wire.destroy();
    const flushed = wire.bytesWritten - wire.bytesWaiting;
    if (flushed === this.#flushed) return wire.reset();
    this.#flushed = flushed;
    deadline.arm(this.#idleMs);
  }
}
