/**
 * Numbers for objects: `add` gives a small integer that stays the object's own
 * until `free`, so that integer tables can refer to it. Freed numbers are used again.
 */
import { PagedList } from './paged-list.ts';

export class Slots<T> {
  readonly #values = new PagedList<T | undefined>();
  readonly #freed = new PagedList<number>();

  /** One more than the highest number given out so far. */
  get end(): number {
    return this.#values.length;
  }

  /** How many numbers are in use. */
  get used(): number {
    return this.#values.length - this.#freed.length;
  }

  add(value: T): number {
    const slot = this.#freed.pop();
    if (slot === undefined) return this.#values.push(value);
    this.#values.set(slot, value);
    return slot;
  }

  /** The object with this number (below `end`), or undefined when it was freed. */
  get(slot: number): T | undefined {
    return this.#values.get(slot);
  }

  /** Another object under a number that is in use. */
  replace(slot: number, value: T): void {
    this.#values.set(slot, value);
  }

  free(slot: number): void {
    this.#values.set(slot, undefined);
    this.#freed.push(slot);
  }
}
