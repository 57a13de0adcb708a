/**
 * A fixed-size, order-preserving hash table of (point, slot) pairs: linear
 * probing in which a point's home cell is its high bits and equal or smaller
 * points stand before it. So the occupied cells, read left to right, are sorted,
 * and "the next point from here on" is a short scan:
 *
 *   home     0    1    2    3    4    5    6    7  | tail
 *   cells    ·   1.2  1.7  1.9  4.0   ·   6.6   ·  |  ·  ·
 *                     └ displaced from home 1
 *
 * Invariant: from a point's home to its cell no cell is empty. Point and slot
 * lie side by side, one cache line a look-up. `PointTable` makes it grow.
 */

import { mix } from './hash.ts';

const MAX_TAIL = 1024;
/** A slab of so many cells lies in the cache anyway. */
const CACHED = 16_384;
const LOWEST = -0x80000000;

export class PointSlab {
  readonly capacity: number;
  /** One past the last cell that was ever occupied. */
  end = 0;
  /** [point, slot + 1] pairs; a zero second half is an empty cell. */
  #cells: Int32Array;
  readonly #shift: number;
  /** What was read in advance. Means nothing; kept, so that the compiler does not drop the reads. */
  seen = 0;

  /** `capacity` is a power of two from 8 on; the tail takes what is displaced beyond the last home. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#shift = Math.clz32(capacity) + 1;
    this.#cells = new Int32Array(2 * (capacity + Math.min(capacity, MAX_TAIL)));
  }

  occupied(cell: number): boolean {
    return this.#cells[2 * cell + 1] !== 0;
  }

  pointAt(cell: number): number {
    return this.#cells[2 * cell]!;
  }

  slotAt(cell: number): number {
    return this.#cells[2 * cell + 1]! - 1;
  }

  /** The smallest point whose home is `cell`, which must be below `capacity`. */
  firstPointOf(cell: number): number {
    return (cell << this.#shift) ^ 0x80000000;
  }

  /** The cell of the first point that is not smaller than `point`, or `end`. */
  lowerBound(point: number): number {
    const cells = this.#cells;
    const end = 2 * this.end;
    let at = 2 * ((point ^ 0x80000000) >>> this.#shift);
    while (at < end && (cells[at]! < point || cells[at + 1] === 0)) at += 2;
    return at < end ? at >> 1 : this.end;
  }

  /** As `PointTable.nearestOf`, which says what it is; the slab must not be empty. */
  nearestOf(start: number, step: number, count: number): number {
    const cells = this.#cells;
    if (this.capacity > CACHED) this.#touch(start, step, count);
    const end = 2 * this.end;
    let nearest = 0;
    let distance = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < count; probe++) {
      const from = mix((start + Math.imul(probe, step)) | 0);
      let at = 2 * this.#home(from);
      while (at < end && (cells[at]! < from || cells[at + 1] === 0)) at += 2;
      // Beyond the last point the ring goes on with the first.
      const next = at < end ? cells[at]! : cells[2 * this.lowerBound(LOWEST)]!;
      const gap = (next - from) >>> 0;
      if (gap >= distance) continue;
      distance = gap;
      nearest = probe;
    }
    return nearest;
  }

  /** As `PointTable.prefetch`. */
  prefetch(point: number): void {
    this.seen = this.#cells[2 * this.#home(point)]!;
  }

  /** Reads all homes before any is looked at: the branches of a search wait for its cell, and the waits would add up. */
  #touch(start: number, step: number, count: number): void {
    const cells = this.#cells;
    let seen = 0;
    for (let probe = 0; probe < count; probe++)
      seen ^= cells[2 * this.#home(mix((start + Math.imul(probe, step)) | 0))]!;
    this.seen = seen;
  }

  /** The first cell with exactly this point, or −1. Equal points stand side by side. */
  seek(point: number): number {
    const cells = this.#cells;
    let cell = this.#home(point);
    while (cells[2 * cell + 1] !== 0 && cells[2 * cell]! < point) cell++;
    return this.holds(cell, point) ? cell : -1;
  }

  /** Whether `cell` is occupied by `point`; false beyond the last cell. */
  holds(cell: number, point: number): boolean {
    return cell < this.end && this.#cells[2 * cell + 1] !== 0 && this.#cells[2 * cell] === point;
  }

  insert(point: number, slot: number): void {
    let cell = this.#home(point);
    let cells = this.#cells;
    while (cell < this.end && cells[2 * cell + 1] !== 0 && cells[2 * cell]! <= point) cell++;
    let gap = cell;
    while (gap < this.end && cells[2 * gap + 1] !== 0) gap++;
    if (2 * (gap + 1) >= cells.length) cells = this.#extendTail();
    for (let to = gap; to > cell; to--) {
      cells[2 * to] = cells[2 * to - 2]!;
      cells[2 * to + 1] = cells[2 * to - 1]!;
    }
    cells[2 * cell] = point;
    cells[2 * cell + 1] = slot + 1;
    if (gap >= this.end) this.end = gap + 1;
  }

  /** Empties a cell; what was displaced by it moves back. */
  removeAt(cell: number): void {
    const cells = this.#cells;
    let to = cell;
    let from = cell + 1;
    while (from < this.end && cells[2 * from + 1] !== 0 && this.#home(cells[2 * from]!) < from) {
      cells[2 * to] = cells[2 * from]!;
      cells[2 * to + 1] = cells[2 * from + 1]!;
      to = from++;
    }
    cells[2 * to + 1] = 0;
  }

  /** Signed order: the sign bit is flipped so that the smallest integer's home is cell 0. */
  #home(point: number): number {
    return (point ^ 0x80000000) >>> this.#shift;
  }

  /** The last cell is always empty (it ends `seek`). Only thousands of equal highest points get here. */
  #extendTail(): Int32Array {
    const longer = new Int32Array(this.#cells.length + 2 * MAX_TAIL);
    longer.set(this.#cells);
    this.#cells = longer;
    return longer;
  }
}
