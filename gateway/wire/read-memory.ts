/**
 * The memory that wires read into and write from. One buffer is shared by all wires on
 * handles, as a read and what becomes of it are one turn of the event loop (docs/decisions/0024);
 * large ones are used again and again: a fresh one for each full read would have the collector
 * run for them alone.
 *
 *   free ─▶ take ─▶ in use ─▶ give ─▶ free
 *                      └────▶ lend ─▶ the kernel still takes octets from it ─▶ free, once its wire has none to write
 *
 * Invariant: nothing refers to the shared buffer, or to the scratch buffer, once the turn is over.
 * Bounds: MAX_FREE are kept free, MAX_LENT looked after; beyond, the collector has them. A view a length up to MAX_VIEW.
 */

/** Octets of a buffer. */
export const READ_BYTES = 65_536;

const MAX_FREE = 16;
const MAX_LENT = 64;
/** Views of so many octets and less are kept, and what was last asked for of each: heads and small bodies. */
const MAX_VIEW = 2_048;

/** Who still writes from a buffer. */
interface Borrower {
  readonly waits: boolean;
  readonly destroyed: boolean;
}

export class ReadMemory {
  /** What all wires read into that do not fill it. */
  readonly shared = Buffer.allocUnsafeSlow(READ_BYTES);
  /** What is put together to be written in this turn. */
  #scratch: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #views: (Buffer | undefined)[] = new Array(MAX_VIEW + 1).fill(undefined);
  /** A part of the view of that length, up to its end. */
  readonly #ends: (Buffer | undefined)[] = new Array(MAX_VIEW + 1).fill(undefined);
  readonly #free: Buffer[] = [];
  readonly #lent: { readonly buffer: Buffer; readonly to: Borrower }[] = [];

  /** The first octets of the shared buffer. Whoever has them for this turn has the same object as the last who did. */
  view(length: number): Buffer {
    if (length > MAX_VIEW) return this.shared.subarray(0, length);
    let view = this.#views[length];
    if (view === undefined) {
      view = this.shared.subarray(0, length);
      this.#views[length] = view;
    }
    return view;
  }

  /** `octets` without the first `from`: of a view the same object as the last time, where that was for the same. */
  behind(octets: Buffer, from: number): Buffer {
    const { length } = octets;
    if (octets !== this.#views[length]) return octets.subarray(from);
    let end = this.#ends[length];
    if (end === undefined || end.length !== length - from) {
      end = octets.subarray(from);
      this.#ends[length] = end;
    }
    return end;
  }

  /** To write from in this turn; who does not get rid of all of it then says `lendScratch`. */
  get scratch(): Buffer {
    return this.#scratch;
  }

  lendScratch(to: Borrower): void {
    this.lend(this.#scratch, to);
    this.#scratch = this.take();
  }

  /** A buffer of READ_BYTES, which is the caller's until it is given back. */
  take(): Buffer {
    if (this.#free.length === 0) this.#reclaim();
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
  }

  /** Nothing refers to the buffer any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }

  /** What is left to be written to a wire refers to the buffer. */
  lend(buffer: Buffer, to: Borrower): void {
    if (this.#lent.length < MAX_LENT) this.#lent.push({ buffer, to });
  }

  #reclaim(): void {
    const lent = this.#lent.splice(0);
    for (const loan of lent) {
      const { buffer, to } = loan;
      // One that was destroyed may have it in hand for a moment longer: that is left to the collector.
      if (to.destroyed) continue;
      if (to.waits) this.#lent.push(loan);
      else this.give(buffer);
    }
  }
}
