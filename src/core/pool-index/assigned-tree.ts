/**
 * Where on a group's ring the least-assigned members are: a binary trie over the
 * ring's points that keeps, for each range, the smallest count of assignments.
 * Written and read by `PoolAssignments`; it holds no members, the ring does.
 *
 *   −2³¹ ──────────────── 0 ──────────────── 2³¹−1
 *   │ blank: nobody here  │ split: two halves    │
 *   │ is assigned         │ leaf       │ blank   │
 *
 * Ranges are opened only towards members that are assigned, so a pool pays for its
 * assignments and not for its sessions, and the first one in a pool of a million
 * needs no pass over them. A leaf knows how many of its members have its smallest
 * count, and is read again only when the last of them is gone.
 *
 * Invariant: a blank range holds no assigned member, and a split's count is the
 * smaller of its halves'. What is answered depends on the ring and the counts
 * alone, not on how they came to be.
 */
import type { PointTable } from './point-table.ts';

/** How many assignments the member with this slot, at this point of the ring, has. */
export type CountAt = (point: number, slot: number) => number;

/** The count of a range without members: more than any member has. */
export const NOBODY = 0x7fffffff;

/** Members of a leaf: few enough to read all of them in a turn of no note. */
const LEAF_MEMBERS = 16;
const LOWEST = -0x80000000;
/** The whole ring: points have 32 bits. */
const ALL_BITS = 32;
const ROOT = 0;

/** A node is four integers: what it is, its smallest count, and for a leaf how many members have that, of how many. */
const NODE = 4;
const LEAST = 1;
const MANY = 2;
const MEMBERS = 3;
/** What a node is; a number above zero is a split's left half, the right one stands beside it. */
const BLANK = 0;
const LEAF = -1;

export class AssignedTree {
  readonly #ring: PointTable;
  readonly #countAt: CountAt;
  #nodes = new Int32Array(NODE * 8);
  /** Nodes in use, and pairs that are free: each names the next one, 0 ends them. */
  #end = 1;
  #free = 0;
  /** The way down to the node at hand. */
  readonly #path = new Int32Array(ALL_BITS + 1);
  /** The point that the last successful `#nextIn` or `#seek` found. */
  #found = 0;

  /** All members of the ring count as unassigned until `changed` or `came` says otherwise. */
  constructor(ring: PointTable, countAt: CountAt) {
    this.#ring = ring;
    this.#countAt = countAt;
    this.#setBlank(ROOT, LOWEST, ALL_BITS);
  }

  /** The smallest count of all members, or `NOBODY`. */
  get least(): number {
    return this.#nodes[LEAST]!;
  }

  /** Nodes made so far, those that are free again included: 16 bytes each. */
  get extent(): number {
    return this.#end;
  }

  /** A member with this count was put on the ring. */
  came(point: number, count: number): void {
    this.#update(point, NOBODY, count);
  }

  /** A member that had this count was taken off the ring. */
  left(point: number, count: number): void {
    this.#update(point, count, NOBODY);
  }

  /** A member at this point had one count and has another one now. */
  changed(point: number, before: number, after: number): void {
    this.#update(point, before, after);
  }

  /** The first point from `from` on, going round, with a member of the smallest count. There must be one. */
  successor(from: number): number {
    const { least } = this;
    if (!this.#seek(ROOT, LOWEST, ALL_BITS, from, least)) this.#seek(ROOT, LOWEST, ALL_BITS, LOWEST, least);
    return this.#found;
  }

  /** `NOBODY` stands for the count of a member that is not on the ring. */
  #update(point: number, before: number, after: number): void {
    const path = this.#path;
    let node = ROOT;
    let low = LOWEST;
    let bits = ALL_BITS;
    let depth = 0;
    for (let left = this.#nodes[ROOT]!; left > 0; left = this.#nodes[NODE * node]!) {
      path[depth++] = node;
      const middle = middleOf(low, bits--);
      node = point < middle ? left : left + 1;
      if (point >= middle) low = middle;
    }
    if (this.#nodes[NODE * node] === LEAF) this.#updateLeaf(node, low, bits, before, after);
    else if (after > 0 && after !== NOBODY) this.#open(node, low, bits, point);
    else this.#setBlank(node, low, bits);
    while (depth > 0 && this.#gather(path[--depth]!));
  }

  #updateLeaf(node: number, low: number, bits: number, before: number, after: number): void {
    const nodes = this.#nodes;
    const at = NODE * node;
    if (before === NOBODY) nodes[at + MEMBERS]!++;
    if (after === NOBODY) nodes[at + MEMBERS]!--;
    if (before === nodes[at + LEAST]) nodes[at + MANY]!--;
    if (after < nodes[at + LEAST]!) {
      nodes[at + LEAST] = after;
      nodes[at + MANY] = 1;
    } else if (after === nodes[at + LEAST]) nodes[at + MANY]!++;
    if (nodes[at + MANY] === 0 || (nodes[at + MEMBERS]! > LEAF_MEMBERS && bits > 0)) this.#open(node, low, bits, null);
    else if (isUnassigned(nodes, at)) nodes[at] = BLANK;
  }

  /** Reads a range; one with too many members is split, and opened again towards `towards`, or wholly for null. */
  #open(node: number, low: number, bits: number, towards: number | null): void {
    const high = highOf(low, bits);
    let members = 0;
    let least = NOBODY;
    let many = 0;
    // A range of one point cannot be split, however many members have it.
    for (let more = this.#nextIn(low, high); more && (members <= LEAF_MEMBERS || bits === 0); ) {
      const point = this.#found;
      for (let cell = this.#ring.seek(point); cell >= 0; cell = this.#ring.next(point, cell)) {
        const count = this.#countAt(point, this.#ring.slotAt(point, cell));
        many = count < least ? 1 : count === least ? many + 1 : many;
        if (count < least) least = count;
        members++;
      }
      more = point < high && this.#nextIn(point + 1, high);
    }
    if (members <= LEAF_MEMBERS || bits === 0) {
      const at = NODE * node;
      this.#nodes.set([LEAF, least, many, members], at);
      if (members === 0 || isUnassigned(this.#nodes, at)) this.#nodes[at] = BLANK;
      return;
    }
    const left = this.#allocate();
    const middle = middleOf(low, bits);
    if (towards === null || towards < middle) this.#open(left, low, bits - 1, towards);
    else this.#setBlank(left, low, bits - 1);
    if (towards === null || towards >= middle) this.#open(left + 1, middle, bits - 1, towards);
    else this.#setBlank(left + 1, middle, bits - 1);
    this.#nodes[NODE * node] = left;
    this.#gather(node);
  }

  #setBlank(node: number, low: number, bits: number): void {
    this.#nodes[NODE * node] = BLANK;
    this.#nodes[NODE * node + LEAST] = this.#nextIn(low, highOf(low, bits)) ? 0 : NOBODY;
  }

  /** Brings a split in line with its halves, two blank ones being one; false when nothing changed. */
  #gather(node: number): boolean {
    const nodes = this.#nodes;
    const at = NODE * node;
    const left = nodes[at]!;
    const [one, other] = [NODE * left, NODE * (left + 1)];
    const least = Math.min(nodes[one + LEAST]!, nodes[other + LEAST]!);
    const blank = nodes[one] === BLANK && nodes[other] === BLANK;
    if (blank) {
      nodes[one] = this.#free;
      this.#free = left;
      nodes[at] = BLANK;
    } else if (nodes[at + LEAST] === least) return false;
    nodes[at + LEAST] = least;
    return true;
  }

  /** Finds the range's first point from `from` on that has a member with this count, below which none is. */
  #seek(node: number, low: number, bits: number, from: number, count: number): boolean {
    const high = highOf(low, bits);
    if (from > high || this.#nodes[NODE * node + LEAST] !== count) return false;
    const kind = this.#nodes[NODE * node]!;
    if (kind > 0) {
      if (this.#seek(kind, low, bits - 1, from, count)) return true;
      return this.#seek(kind + 1, middleOf(low, bits), bits - 1, from, count);
    }
    let found = this.#nextIn(from > low ? from : low, high);
    if (kind === BLANK) return found;
    while (found && !this.#hasCount(this.#found, count)) {
      found = this.#found < high && this.#nextIn(this.#found + 1, high);
    }
    return found;
  }

  /** Finds the ring's first point from `from` up to `high`. */
  #nextIn(from: number, high: number): boolean {
    if (this.#ring.size === 0) return false;
    const point = this.#ring.successor(from);
    this.#found = point;
    return point >= from && point <= high;
  }

  #hasCount(point: number, count: number): boolean {
    for (let cell = this.#ring.seek(point); cell >= 0; cell = this.#ring.next(point, cell)) {
      if (this.#countAt(point, this.#ring.slotAt(point, cell)) === count) return true;
    }
    return false;
  }

  /** Two nodes side by side. Doubling copies all: under a millisecond for a million members. */
  #allocate(): number {
    const reused = this.#free;
    if (reused !== 0) {
      this.#free = this.#nodes[NODE * reused]!;
      return reused;
    }
    const left = this.#end;
    this.#end += 2;
    if (NODE * this.#end > this.#nodes.length) {
      const longer = new Int32Array(2 * this.#nodes.length);
      longer.set(this.#nodes);
      this.#nodes = longer;
    }
    return left;
  }
}

/** Whether every member of a leaf counts zero. */
function isUnassigned(nodes: Int32Array, at: number): boolean {
  return nodes[at + LEAST] === 0 && nodes[at + MANY] === nodes[at + MEMBERS];
}

// Points are signed: the sums wrap where the whole ring is halved.

/** Where the upper half of a range of 2^bits points begins. */
function middleOf(low: number, bits: number): number {
  return (low + (1 << (bits - 1))) | 0;
}

/** The last point of a range of 2^bits points. */
function highOf(low: number, bits: number): number {
  return bits === 0 ? low : (middleOf(low, bits) + ((1 << (bits - 1)) - 1)) | 0;
}
