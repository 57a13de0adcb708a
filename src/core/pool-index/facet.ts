/**
 * A pool's sessions by their values of one set of label keys, say country and city:
 * a roster for each combination, by provider. Made when the first request asks for
 * just these keys, and kept by every change from then on.
 *
 *   group ─▶ "us␀berlin" ─▶ roster
 *
 * A large pool is gone through in slices (`build`), beside the traffic; until that is
 * done the rosters hold those seen so far, and those that came since. Invariant: once
 * it is built, exactly those that can serve and have all the labels stand in a roster.
 */
import type { CompiledFilter, LabelMask } from '../label-filter.ts';
import type { Group } from './group.ts';
import type { Member } from './member.ts';
import { PagedList } from './paged-list.ts';
import { type Positions, Roster } from './roster.ts';
import type { Slots } from './slots.ts';

/** Positions by the members' slots. */
class SlotPositions implements Positions {
  readonly #positions = new PagedList<number>();

  get({ slot }: Member): number {
    return slot < this.#positions.length ? this.#positions.get(slot) : -1;
  }

  set({ slot }: Member, position: number): void {
    while (this.#positions.length <= slot) this.#positions.push(-1);
    this.#positions.set(slot, position);
  }
}

export class Facet {
  readonly mask: LabelMask;
  readonly #cells = new Map<Group, Map<string, Roster>>();
  readonly #positions = new SlotPositions();
  /** The first slot that was not looked at yet. */
  #next = 0;

  constructor(mask: LabelMask) {
    this.mask = mask;
  }

  /** Goes through up to `limit` more members; false once all are seen. */
  build(members: Slots<Member>, limit: number): boolean {
    const stop = Math.min(this.#next + limit, members.end);
    while (this.#next < stop) {
      const member = members.get(this.#next++);
      if (member?.serving) this.came(member);
    }
    return this.#next < members.end;
  }

  /** The member can serve now. */
  came(member: Member): void {
    const name = member.labels?.nameFor(this.mask) ?? null;
    if (name === null || this.#positions.get(member) >= 0) return;
    let cells = this.#cells.get(member.group);
    if (cells === undefined) {
      cells = new Map();
      this.#cells.set(member.group, cells);
    }
    let roster = cells.get(name);
    if (roster === undefined) {
      roster = new Roster(this.#positions);
      cells.set(name, roster);
    }
    roster.add(member);
  }

  /** The member can serve no more; its labels and its slot are still its own. */
  left(member: Member): void {
    const roster = this.rosterOf(member);
    if (roster === null) return;
    roster.remove(member);
    if (roster.size > 0) return;
    const cells = this.#cells.get(member.group)!;
    cells.delete(member.labels!.nameFor(this.mask)!);
    if (cells.size === 0) this.#cells.delete(member.group);
  }

  /** The roster that a member stands in; null for none. */
  rosterOf(member: Member): Roster | null {
    const name = member.labels?.nameFor(this.mask) ?? null;
    if (name === null || this.#positions.get(member) < 0) return null;
    return this.#cells.get(member.group)?.get(name) ?? null;
  }

  /** Adds the group's rosters that a filter lets through, as far as the facet's keys go, to `found`. */
  collect(group: Group, filter: CompiledFilter, found: Roster[]): void {
    const cells = this.#cells.get(group);
    if (cells === undefined) return;
    const names = filter.cellsFor(this.mask);
    if (names === null) {
      for (const roster of cells.values()) {
        if (filter.fits(roster.list.get(0).labels?.labels, this.mask)) found.push(roster);
      }
      return;
    }
    for (const name of names) {
      const roster = cells.get(name);
      if (roster !== undefined) found.push(roster);
    }
  }

  /** The member's slot is about to be another's. */
  forget(member: Member): void {
    if (this.#positions.get(member) >= 0) this.#positions.set(member, -1);
  }

  /** The group is gone as a whole, its members with it. */
  drop(group: Group): void {
    this.#cells.delete(group);
  }
}
