/**
 * A sorted set of (point, slot) pairs that grows and shrinks without a long turn.
 * It serves as the ring of the consistent choice (`successor`) and as the table
 * of ids, tokens and sticky keys (`seek`, then `next` over equal points; the
 * caller compares what the slots stand for).
 *
 * Resizing goes along with later changes. Because slabs are sorted, one number
 * tells where a point is:
 *
 *   points   −2³¹ ───────── frontier ───────────── 2³¹−1
 *            in `current`  │  still in `old`
 *
 * What was copied stays in `old` unread. A migration must end before the new slab wants
 * another one: 16 cells a change do, when it shrinks; more would only make changes dearer.
 */
import { mix } from './hash.ts';
import { PointSlab } from './point-slab.ts';

const MIN_CAPACITY = 8;
/** Beyond 0.6 linear probing's runs grow quickly; below 1/8 a successor is too far away. */
const MAX_LOAD = 0.6;
const MIN_LOAD = 0.125;
const CELLS_PER_CHANGE = 24;
const LOWEST = -0x80000000;
const HIGHEST = 0x7fffffff;

export class PointTable {
  size = 0;
  #current = new PointSlab(MIN_CAPACITY);
  #old: PointSlab | null = null;
  #frontier = LOWEST;
  #cursor = 0;

  insert(point: number, slot: number): void {
    this.#migrate();
    this.#slabOf(point).insert(point, slot);
    this.size++;
    this.#resize();
  }

  /** Takes one pair out; false when it is not there. */
  remove(point: number, slot: number): boolean {
    this.#migrate();
    const slab = this.#slabOf(point);
    let cell = slab.seek(point);
    if (cell < 0) return false;
    while (slab.slotAt(cell) !== slot) {
      cell++;
      if (!slab.holds(cell, point)) return false;
    }
    slab.removeAt(cell);
    this.size--;
    this.#resize();
    return true;
  }

  /** Brings the home of a point into the cache, if it is not there yet, without waiting for it. */
  prefetch(point: number): void {
    this.#slabOf(point).prefetch(point);
  }

  /** A position for `slotAt` and `next`: the first pair with this point, or −1. Valid until the next change. */
  seek(point: number): number {
    return this.#slabOf(point).seek(point);
  }

  /** The position after `at` when it has the same point, else −1. */
  next(point: number, at: number): number {
    return this.#slabOf(point).holds(at + 1, point) ? at + 1 : -1;
  }

  /** The slot of the pair at a position. */
  slotAt(point: number, at: number): number {
    return this.#slabOf(point).slotAt(at);
  }

  /**
   * Which of `count` probes, the mixes of start, start + step, …, is nearest to its successor; of equal ones the first.
   * The table must not be empty.
   */
  nearestOf(start: number, step: number, count: number): number {
    if (this.#old === null) return this.#current.nearestOf(start, step, count);
    let nearest = 0;
    let distance = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < count; probe++) {
      const from = mix((start + Math.imul(probe, step)) | 0);
      const gap = (this.successor(from) - from) >>> 0;
      if (gap >= distance) continue;
      distance = gap;
      nearest = probe;
    }
    return nearest;
  }

  /** The next point clockwise, `point` itself included, around the ring of 2³². The table must not be empty. */
  successor(point: number): number {
    const old = this.#old;
    const current = this.#current;
    if (old === null || point < this.#frontier) {
      const cell = current.lowerBound(point);
      if (cell < current.end) return current.pointAt(cell);
    }
    if (old !== null) {
      const cell = old.lowerBound(Math.max(point, this.#frontier));
      if (cell < old.end) return old.pointAt(cell);
    }
    return this.#lowest();
  }

  #lowest(): number {
    const current = this.#current;
    const cell = current.lowerBound(LOWEST);
    if (cell < current.end) return current.pointAt(cell);
    const old = this.#old!;
    return old.pointAt(old.lowerBound(this.#frontier));
  }

  #slabOf(point: number): PointSlab {
    return this.#old !== null && point >= this.#frontier ? this.#old : this.#current;
  }

  #resize(): void {
    if (this.#old !== null) return;
    const { capacity } = this.#current;
    if (this.size > capacity * MAX_LOAD) this.#start(capacity * 2);
    else if (capacity > MIN_CAPACITY && this.size < capacity * MIN_LOAD) this.#start(capacity / 2);
  }

  #start(capacity: number): void {
    this.#old = this.#current;
    this.#current = new PointSlab(capacity);
    this.#frontier = LOWEST;
    this.#cursor = 0;
    this.#migrate();
  }

  /** Copies the next cells of `old`. Equal points go together, so that the frontier never parts them. */
  #migrate(): void {
    const old = this.#old;
    if (old === null) return;
    let cell = this.#cursor;
    const stop = cell + CELLS_PER_CHANGE;
    while (cell < old.end && cell < stop) {
      if (!old.occupied(cell)) {
        cell++;
        // No point with a home up to an empty cell stands beyond it: all of those are copied.
        if (cell < old.capacity) this.#frontier = Math.max(this.#frontier, old.firstPointOf(cell));
        continue;
      }
      const point = old.pointAt(cell);
      for (; old.holds(cell, point); cell++) this.#current.insert(point, old.slotAt(cell));
      if (point === HIGHEST) cell = old.end;
      else this.#frontier = point + 1;
    }
    this.#cursor = cell;
    if (cell >= old.end) this.#old = null;
  }
}
