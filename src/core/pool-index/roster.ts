/**
 * A set of sessions that can serve now: all of a pool's provider, or those of it
 * with some labels. Dense, so that any index is somebody, and as a ring, for choices
 * by hash. `Group` and `Facet` keep them; every strategy chooses from a list of them.
 *
 *   list: [ served … s | waiting … w ]     ring: point ─▶ slot, sorted
 *
 * Invariant: a member stands in `list` and in `ring` exactly once; those before
 * `served` had their turn in this round.
 */
import type { Member } from './member.ts';
import { PagedList } from './paged-list.ts';
import { PointTable } from './point-table.ts';
import type { UsageOrder } from './usage-order.ts';

/** Where members' indices in rosters of one kind are kept: those of a member's own one; −1: it stands in none. */
export interface Positions {
  get(member: Member): number;
  set(member: Member, position: number): void;
}

export class Roster {
  readonly list = new PagedList<Member>();
  readonly ring = new PointTable();
  served = 0;
  /** Who was used when, and how much; null unless the pool's selection looks at that. */
  order: UsageOrder | null = null;
  readonly #positions: Positions;

  constructor(positions: Positions) {
    this.#positions = positions;
  }

  get size(): number {
    return this.list.length;
  }

  add(member: Member): void {
    this.#positions.set(member, this.list.push(member));
    this.ring.insert(member.point, member.slot);
    // One that comes back with requests under way is not as good as one that was never used.
    if (this.order?.countsRequests && member.live !== null && member.live.inflight > 0) {
      this.serve(member);
      this.order.used(member, 0);
    }
  }

  /**
   * Takes a member out, in O(1) but for the order: a served one leaves its place to the last served one, and that
   * one's to the last of all.
   */
  remove(member: Member): void {
    const { list } = this;
    this.ring.remove(member.point, member.slot);
    this.order?.remove(member);
    let hole = this.#positions.get(member);
    if (hole < this.served) {
      this.served--;
      this.#place(list.get(this.served), hole);
      hole = this.served;
    }
    const last = list.pop()!;
    if (hole < list.length) this.#place(last, hole);
    this.#positions.set(member, -1);
  }

  /** Moves a waiting member behind those that were served: it had its turn. A served one stays where it is. */
  serve(member: Member): void {
    const position = this.#positions.get(member);
    if (position < this.served) return;
    const first = this.list.get(this.served);
    this.#place(first, position);
    this.#place(member, this.served++);
  }

  has(member: Member): boolean {
    const position = this.#positions.get(member);
    return position >= 0 && position < this.list.length && this.list.get(position) === member;
  }

  #place(member: Member, position: number): void {
    this.list.set(position, member);
    this.#positions.set(member, position);
  }
}
