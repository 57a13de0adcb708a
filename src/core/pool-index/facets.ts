/**
 * The facets of a pool: one for each set of label keys that requests asked for, and
 * the building of those that are new. `Pool` tells it of every member that comes and goes.
 */
import type { LabelMask } from '../label-filter.ts';
import { Facet } from './facet.ts';
import type { Group } from './group.ts';
import type { Member } from './member.ts';
import type { Roster } from './roster.ts';
import type { Slots } from './slots.ts';

/** Members that a request for a facet which is not built yet goes through itself: some milliseconds. */
const BUILT_BY_A_REQUEST = 8_192;
/** And each step beside the traffic: about a millisecond. */
const BUILT_BY_A_STEP = 2_048;

export class Facets {
  readonly #byMask = new Map<LabelMask, Facet>();
  readonly #building: Facet[] = [];
  readonly #onWork: () => void;

  /** `onWork`: `step` has something to do from now on. */
  constructor(onWork: () => void) {
    this.#onWork = onWork;
  }

  /** The facet of a set of keys, made when it is first asked for. */
  get(mask: LabelMask, members: Slots<Member>): Facet {
    let facet = this.#byMask.get(mask);
    if (facet === undefined) {
      facet = new Facet(mask);
      this.#byMask.set(mask, facet);
      if (facet.build(members, BUILT_BY_A_REQUEST)) {
        this.#building.push(facet);
        this.#onWork();
      }
    } else if (this.#building.includes(facet)) facet.build(members, BUILT_BY_A_REQUEST);
    return facet;
  }

  /** Goes on with what is being built; true while more is left. */
  step(members: Slots<Member>): boolean {
    const facet = this.#building.at(-1);
    if (facet !== undefined && !facet.build(members, BUILT_BY_A_STEP)) this.#building.pop();
    return this.#building.length > 0;
  }

  came(member: Member): void {
    for (const facet of this.#byMask.values()) facet.came(member);
  }

  left(member: Member): void {
    for (const facet of this.#byMask.values()) facet.left(member);
  }

  /** The member's slot is about to be another's. */
  forget(member: Member): void {
    for (const facet of this.#byMask.values()) facet.forget(member);
  }

  drop(group: Group): void {
    for (const facet of this.#byMask.values()) facet.drop(group);
  }

  /** The rosters that a member stands in, beside its group's. */
  *rostersOf(member: Member): Generator<Roster> {
    for (const facet of this.#byMask.values()) {
      const roster = facet.rosterOf(member);
      if (roster !== null) yield roster;
    }
  }
}
