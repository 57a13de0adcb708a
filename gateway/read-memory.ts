/**
 * The large buffers that sockets read into and are written from, used again and again: a
 * fresh one for each full read would have the collector run for them alone.
 *
 *   free ─▶ take ─▶ in use ─▶ give ─▶ free
 *                      └────▶ lend ─▶ the kernel still takes octets from it ─▶ free, once its socket has none to write
 *
 * Bounds: MAX_FREE are kept free, MAX_LENT looked after; beyond, the collector has them.
 */
import type { Socket } from 'node:net';

/** Octets of a buffer. */
export const READ_BYTES = 65_536;

const MAX_FREE = 16;
const MAX_LENT = 64;

export class ReadMemory {
  readonly #free: Buffer[] = [];
  readonly #lent: { readonly buffer: Buffer; readonly to: Socket }[] = [];

  /** A buffer of READ_BYTES, which is the caller's until it is given back. */
  take(): Buffer {
    if (this.#free.length === 0) this.#reclaim();
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
  }

  /** Nothing refers to the buffer any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }

  /** What is left to be written to a socket refers to the buffer. */
  lend(buffer: Buffer, to: Socket): void {
    if (this.#lent.length < MAX_LENT) this.#lent.push({ buffer, to });
  }

  #reclaim(): void {
    const lent = this.#lent.splice(0);
    for (const loan of lent) {
      const { buffer, to } = loan;
      // One that was destroyed may have it in hand for a moment longer: that is left to the collector.
      if (to.destroyed) continue;
      if (to.writableLength > 0) this.#lent.push(loan);
      else this.give(buffer);
    }
  }
}
