/**
 * Who waits in an open loop, first come, first served. To leave an array at its front moves all that is behind: behind
 * a stall of seconds the load itself would then be too slow to catch up.
 */

/** So many places of those that left are kept before the rest moves up. */
const MAX_LEFT = 1_024;

export class WaitingLine {
  readonly #items: number[] = [];
  #left = 0;

  get length(): number {
    return this.#items.length - this.#left;
  }

  push(item: number): void {
    this.#items.push(item);
  }

  /** Whoever came first; undefined when nobody waits. */
  shift(): number | undefined {
    if (this.length === 0) return undefined;
    const first = this.#items[this.#left++]!;
    if (this.#left > MAX_LEFT && this.#left > this.length) {
      this.#items.splice(0, this.#left);
      this.#left = 0;
    }
    return first;
  }
}
