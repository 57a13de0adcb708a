/**
 * A binary heap whose items know their place in it, so that any of them is taken
 * out in O(log n) and none is ever looked for. For what health orders: due times,
 * and who of a pool's ejected sessions is the least bad.
 *
 * Invariant: no item comes before the one it hangs under, and each item's place is
 * its index here; −1 while it is in no heap.
 */
import { PagedList } from './paged-list.ts';

/** How a heap orders its items, and where they keep their place. */
export interface Placement<T> {
  /** Whether `a` comes before `b`. */
  before(a: T, b: T): boolean;
  placeOf(item: T): number;
  place(item: T, index: number): void;
}

export class PlacedHeap<T> {
  readonly #items = new PagedList<T>();
  readonly #placement: Placement<T>;

  constructor(placement: Placement<T>) {
    this.#placement = placement;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The item before which none comes, or undefined. */
  get first(): T | undefined {
    return this.#items.length === 0 ? undefined : this.#items.get(0);
  }

  /** Adds an item that is in no heap of this placement. */
  push(item: T): void {
    this.#rise(item, this.#items.push(item));
  }

  /** Takes an item out; one that is not in the heap changes nothing. */
  remove(item: T): void {
    const hole = this.#placement.placeOf(item);
    if (hole < 0) return;
    this.#placement.place(item, -1);
    const last = this.#items.pop()!;
    if (hole === this.#items.length) return;
    // The last one fills the hole, which may be in another branch than its own.
    if (hole > 0 && this.#placement.before(last, this.#items.get(parentOf(hole)))) this.#rise(last, hole);
    else this.#sink(last, hole);
  }

  #rise(item: T, from: number): void {
    let hole = from;
    while (hole > 0) {
      const above = this.#items.get(parentOf(hole));
      if (!this.#placement.before(item, above)) break;
      this.#put(above, hole);
      hole = parentOf(hole);
    }
    this.#put(item, hole);
  }

  #sink(item: T, from: number): void {
    const { length } = this.#items;
    let hole = from;
    for (let below = 2 * hole + 1; below < length; below = 2 * hole + 1) {
      const right = below + 1;
      if (right < length && this.#placement.before(this.#items.get(right), this.#items.get(below))) below = right;
      const next = this.#items.get(below);
      if (!this.#placement.before(next, item)) break;
      this.#put(next, hole);
      hole = below;
    }
    this.#put(item, hole);
  }

  #put(item: T, index: number): void {
    this.#items.set(index, item);
    this.#placement.place(item, index);
  }
}

function parentOf(index: number): number {
  return (index - 1) >>> 1;
}
