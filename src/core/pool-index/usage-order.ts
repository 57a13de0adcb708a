/**
 * Who of a roster's served members was used least: a binary heap over the fewest
 * requests under way, or over the time of the last use. For the selections
 * LEAST_CONNECTIONS and LEAST_RECENTLY_USED.
 *
 * Members that were never chosen from the roster are in no heap: they wait behind
 * `served` in its list, and come before everybody here. So an order begins empty, whatever
 * the number of sessions, and each choice and each end of a request costs O(log n).
 * Rank: (requests under way, last use), or (last use) alone; a smaller one is better.
 */
import { mix } from './hash.ts';
import type { Member } from './member.ts';
import { PagedList } from './paged-list.ts';
import { PointTable } from './point-table.ts';
import { Slots } from './slots.ts';

interface Entry {
  readonly member: Member;
  rank: number;
  at: number;
}

/** Requests under way count so many uses: more than fit between two of one session, within what a double holds exactly. */
const A_REQUEST = 2 ** 32;

/** A member and how little it was used. */
export interface Ranked {
  readonly member: Member;
  readonly rank: number;
}

export class UsageOrder {
  readonly #heap = new PagedList<Entry>();
  /** By the members' slots, mixed: a `Map` of a million would stop the thread as it grows (0003). */
  readonly #points = new PointTable();
  readonly #entries = new Slots<Entry>();
  readonly #counts: boolean;

  /** The pool's `era` in which it was made: in another one it lacks what happened meanwhile. */
  readonly era: number;

  /** `counts`: requests under way come first. */
  constructor(counts: boolean, era: number) {
    this.#counts = counts;
    this.era = era;
  }

  /** Whether requests under way come first. */
  get countsRequests(): boolean {
    return this.#counts;
  }

  /** The best member; undefined when it has none. */
  get first(): Member | undefined {
    return this.#heap.length === 0 ? undefined : this.#heap.get(0).member;
  }

  /** The rank of the best member; Infinity without one. */
  get firstRank(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap.get(0).rank;
  }

  /** The members among which the best `count` are: in a heap the k-th best stands in its first k levels. */
  front(count: number): Ranked[] {
    const length = Math.min(this.#heap.length, 2 ** count - 1);
    return Array.from({ length }, (_, at) => this.#heap.get(at));
  }

  /** The member was chosen at this time, as its pool counts; one that was not here is from now on. */
  used(member: Member, time: number): void {
    const entry = this.#find(member) ?? this.#enter(member);
    this.#rank(entry, time);
  }

  /** Requests of the member began or ended. */
  changed(member: Member): void {
    const entry = this.#find(member);
    if (entry !== undefined && this.#counts) this.#rank(entry, entry.rank);
  }

  remove(member: Member): void {
    const point = mix(member.slot);
    const at = this.#points.seek(point);
    if (at < 0) return;
    const slot = this.#points.slotAt(point, at);
    const entry = this.#entries.get(slot)!;
    this.#points.remove(point, slot);
    this.#entries.free(slot);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#set(entry.at, last);
    this.#sink(this.#rise(last));
  }

  #find(member: Member): Entry | undefined {
    const point = mix(member.slot);
    const at = this.#points.seek(point);
    return at < 0 ? undefined : this.#entries.get(this.#points.slotAt(point, at));
  }

  #enter(member: Member): Entry {
    const entry = { member, rank: Number.POSITIVE_INFINITY, at: 0 };
    this.#points.insert(mix(member.slot), this.#entries.add(entry));
    entry.at = this.#heap.push(entry);
    return entry;
  }

  #rank(entry: Entry, use: number): void {
    entry.rank = rankOf(entry.member, use, this.#counts);
    this.#sink(this.#rise(entry));
  }

  #rise(entry: Entry): Entry {
    while (entry.at > 0) {
      const above = this.#heap.get((entry.at - 1) >> 1);
      if (above.rank <= entry.rank) break;
      this.#swap(entry, above);
    }
    return entry;
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = 2 * entry.at + 1;
      if (left >= this.#heap.length) return;
      let below = this.#heap.get(left);
      const other = left + 1 < this.#heap.length ? this.#heap.get(left + 1) : below;
      if (other.rank < below.rank) below = other;
      if (entry.rank <= below.rank) return;
      this.#swap(entry, below);
    }
  }

  #swap(a: Entry, b: Entry): void {
    const { at } = a;
    this.#set(b.at, a);
    this.#set(at, b);
  }

  #set(at: number, entry: Entry): void {
    this.#heap.set(at, entry);
    entry.at = at;
  }
}

/** The rank of a member that is used at this time; `counts`: requests under way come first. */
export function rankOf({ live }: Member, time: number, counts: boolean): number {
  return (counts ? (live?.inflight ?? 0) * A_REQUEST : 0) + (time % A_REQUEST);
}
