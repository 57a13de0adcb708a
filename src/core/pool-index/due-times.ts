/**
 * What comes back when, for all that is out: a heap ordered by time, in place of a
 * timer each. `Health.advance` asks it with the time that every choice reads anyway.
 * Invariant: `nextMs` is the earliest time at which there is something to do.
 */
import { PlacedHeap } from './placed-heap.ts';

/** Something that is out until a time. */
export interface Due {
  /** Monotonic ms; fixed while it is in the heap. */
  untilMs: number;
  /** Its place in the heap, or −1. */
  duePlace: number;
}

export class DueTimes<T extends Due> {
  /** The earliest due time; −∞ while there is a backlog, ∞ when there is nothing. */
  nextMs = Number.POSITIVE_INFINITY;
  readonly #heap = new PlacedHeap<T>({
    before: (a, b) => a.untilMs < b.untilMs,
    placeOf: ({ duePlace }) => duePlace,
    place: (item, index) => {
      item.duePlace = index;
    },
  });
  #backlog = false;

  /** How many are out. */
  get size(): number {
    return this.#heap.size;
  }

  push(item: T): void {
    this.#heap.push(item);
    this.#note();
  }

  /** Takes one out before its time; does nothing when it is not here. */
  remove(item: T): void {
    this.#heap.remove(item);
    this.#note();
  }

  /** Takes out one that is due at `nowMs`; undefined when none is. */
  take(nowMs: number): T | undefined {
    const { first } = this.#heap;
    if (first === undefined || first.untilMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  /** Whether there is work that waits for no time. */
  set backlog(waits: boolean) {
    this.#backlog = waits;
    this.#note();
  }

  #note(): void {
    const earliest = this.#heap.first?.untilMs ?? Number.POSITIVE_INFINITY;
    this.nextMs = this.#backlog ? Number.NEGATIVE_INFINITY : earliest;
  }
}
