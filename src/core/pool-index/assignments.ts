/**
 * The assignments of one pool: which session each account is bound to, and which
 * session a new account should be bound to. Made by `Directory` with a pool's
 * first assignment; `Group` tells it of members that come and go.
 *
 *   account ─▶ assignment ─▶ session id ─▶ tally (how many; whether or not the session is here)
 *   group's ring + tallies ─▶ AssignedTree ─▶ the least-assigned of the group
 *
 * An assignment stays whatever becomes of its session, so tallies are kept by id and
 * not in members: a session that comes back finds its own. Only sessions with
 * assignments have one; the others cost nothing.
 */
import type { AssignmentState, SessionId } from '../model.ts';
import { AssignedTree, type CountAt, NOBODY } from './assigned-tree.ts';
import type { Group } from './group.ts';
import { hashText, mix, PUBLIC_KEY } from './hash.ts';
import type { Member } from './member.ts';
import { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';
import { Slots } from './slots.ts';

/** Put on the tally of a session that must not be chosen: more than all assignments of a pool. */
const EXCLUDED = 2 ** 30;

/** An assignment as it is kept; `slot` is where its session's member was then, −1 for nowhere. */
export interface Binding extends AssignmentState {
  readonly slot: number;
}

interface Tally {
  readonly sessionId: SessionId;
  /** The session's number in the pool's tables while it is on a ring, else −1. */
  slot: number;
  count: number;
}

export class PoolAssignments {
  readonly #pool: Pool;
  readonly #accounts = new PointTable();
  readonly #assignments = new Slots<Binding>();
  /** By the point that the session has, or would have, on its ring. */
  readonly #points = new PointTable();
  readonly #tallies = new Slots<Tally>();
  readonly #countAt: CountAt = (point, slot) => {
    const points = this.#points;
    for (let at = points.seek(point); at >= 0; at = points.next(point, at)) {
      const tally = this.#tallies.get(points.slotAt(point, at))!;
      if (tally.slot === slot) return tally.count;
    }
    return 0;
  };

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Live assignments of the pool. */
  get size(): number {
    return this.#accounts.size;
  }

  /** How many assignments name this session. */
  countOf(sessionId: SessionId): number {
    return this.#tallyOf(hashText(sessionId, PUBLIC_KEY), sessionId)?.count ?? 0;
  }

  /** The assignment of an account. */
  find(accountName: string): Binding | undefined {
    const slot = this.#seek(this.#pool.keyHash(accountName), accountName);
    return slot < 0 ? undefined : this.#assignments.get(slot);
  }

  /** The session that an account is bound to, if the pool has it; where it was is looked at first. */
  memberOf({ slot, sessionId }: Binding): Member | undefined {
    const member = slot < 0 ? undefined : this.#pool.members.get(slot);
    if (member?.id === sessionId && !member.group.gone) return member;
    return this.#pool.findById(sessionId);
  }

  /** Binds an account, or moves or pins it. */
  put(assignment: AssignmentState): void {
    const { id, accountName, pinned, boundAtMs } = assignment;
    const hash = this.#pool.keyHash(accountName);
    const slot = this.#seek(hash, accountName);
    const before = slot < 0 ? undefined : this.#assignments.get(slot);
    const sessionId = this.#bind(assignment.sessionId, 1);
    if (before !== undefined) this.#bind(before.sessionId, -1);
    // One copy of each id: a change that crossed a thread brings its own.
    const poolId = this.#pool.state.id;
    const memberSlot = this.#pool.findById(sessionId)?.slot ?? -1;
    const kept = { id, poolId, accountName, sessionId, pinned, boundAtMs, slot: memberSlot };
    if (slot < 0) this.#accounts.insert(hash, this.#assignments.add(kept));
    else this.#assignments.replace(slot, kept);
  }

  /** Frees an account; one that is not bound changes nothing. */
  remove(accountName: string): void {
    const hash = this.#pool.keyHash(accountName);
    const slot = this.#seek(hash, accountName);
    if (slot < 0) return;
    this.#bind(this.#assignments.get(slot)!.sessionId, -1);
    this.#accounts.remove(hash, slot);
    this.#assignments.free(slot);
  }

  /** A member was put on its group's ring. */
  came(member: Member): void {
    const { group, point } = member;
    const tally = this.#tallyOf(point, member.id);
    if (tally !== undefined) tally.slot = member.slot;
    this.#treeOf(group, tally)?.came(point, tally?.count ?? 0);
  }

  /** A member was taken off its group's ring. */
  left(member: Member): void {
    this.forget(member);
    member.group.assigned?.left(member.point, this.#tallyOf(member.point, member.id)?.count ?? 0);
  }

  /** A member's slot is about to be another's; its group may be gone as a whole, with its ring. */
  forget(member: Member): void {
    const tally = this.#tallyOf(member.point, member.id);
    if (tally?.slot === member.slot) tally.slot = -1;
  }

  /**
   * For each account in turn the session that can serve with the fewest assignments, as if those before it in
   * the list were assigned already; never `exclude`. null where there is none.
   */
  leastAssigned(accountNames: readonly string[], exclude: SessionId | null): (SessionId | null)[] {
    const chosen: (SessionId | null)[] = [];
    if (exclude !== null) this.#bind(exclude, EXCLUDED);
    for (const accountName of accountNames) {
      // The last choice makes no difference to another one.
      const before = chosen.at(-1) ?? null;
      if (before !== null) this.#bind(before, 1);
      chosen.push(this.#choose(accountName)?.id ?? null);
    }
    for (const id of chosen.slice(0, -1)) if (id !== null) this.#bind(id, -1);
    if (exclude !== null) this.#bind(exclude, -EXCLUDED);
    return chosen;
  }

  /** Among the least-assigned the next one clockwise from the account's own point: the consistent choice of one probe. */
  #choose(accountName: string): Member | null {
    const { state, serving, ringSalt } = this.#pool;
    if (!state.enabled) return null;
    let least = NOBODY;
    for (const group of serving) least = Math.min(least, leastOf(group));
    if (least >= EXCLUDED) return null;
    const from = mix(hashText(accountName, PUBLIC_KEY) ^ ringSalt);
    let best: Member | null = null;
    let bestDistance = Number.POSITIVE_INFINITY;
    for (const group of serving) {
      if (leastOf(group) !== least) continue;
      const point = group.assigned === null ? group.ring.successor(from) : group.assigned.successor(from);
      const distance = (point - from) >>> 0;
      if (distance > bestDistance) continue;
      const member = this.#firstAt(group, point, least);
      // The same point in two groups: ids decide, as they do within a group.
      if (distance === bestDistance && best !== null && best.id < member.id) continue;
      best = member;
      bestDistance = distance;
    }
    return best;
  }

  /** Of the members at a point those with this count; of several the one with the smallest id. */
  #firstAt({ ring }: Group, point: number, count: number): Member {
    let first: Member | null = null;
    for (let at = ring.seek(point); at >= 0; at = ring.next(point, at)) {
      const slot = ring.slotAt(point, at);
      const member = this.#pool.members.get(slot)!;
      if (this.#countAt(point, slot) === count && (first === null || member.id < first.id)) first = member;
    }
    if (first === null) throw new Error('the tree of assignments differs from its ring');
    return first;
  }

  /** Changes a session's tally; answers the copy of the id that is kept. */
  #bind(sessionId: SessionId, by: number): SessionId {
    const point = hashText(sessionId, PUBLIC_KEY);
    const known = this.#seekTally(point, sessionId);
    const tally = known < 0 ? this.#newTally(sessionId) : this.#tallies.get(known)!;
    tally.count += by;
    if (known < 0) this.#points.insert(point, this.#tallies.add(tally));
    if (tally.slot >= 0) {
      const { group } = this.#pool.members.get(tally.slot)!;
      this.#treeOf(group, tally)?.changed(point, tally.count - by, tally.count);
    }
    if (tally.count === 0) {
      this.#points.remove(point, known);
      this.#tallies.free(known);
    }
    return tally.sessionId;
  }

  #newTally(sessionId: SessionId): Tally {
    const member = this.#pool.findById(sessionId);
    return { sessionId: member?.id ?? sessionId, slot: member?.serving ? member.slot : -1, count: 0 };
  }

  /** The group's tree, made when the first of its members is assigned. */
  #treeOf(group: Group, tally: Tally | undefined): AssignedTree | null {
    if (tally !== undefined) group.assigned ??= new AssignedTree(group.ring, this.#countAt);
    return group.assigned;
  }

  #tallyOf(point: number, id: SessionId): Tally | undefined {
    const slot = this.#seekTally(point, id);
    return slot < 0 ? undefined : this.#tallies.get(slot);
  }

  #seekTally(point: number, id: SessionId): number {
    for (let at = this.#points.seek(point); at >= 0; at = this.#points.next(point, at)) {
      const slot = this.#points.slotAt(point, at);
      if (this.#tallies.get(slot)!.sessionId === id) return slot;
    }
    return -1;
  }

  #seek(hash: number, accountName: string): number {
    for (let at = this.#accounts.seek(hash); at >= 0; at = this.#accounts.next(hash, at)) {
      const slot = this.#accounts.slotAt(hash, at);
      if (this.#assignments.get(slot)!.accountName === accountName) return slot;
    }
    return -1;
  }
}

/** The fewest assignments that an eligible member of the group has. */
function leastOf(group: Group): number {
  return group.assigned === null ? 0 : group.assigned.least;
}

/** The pool's assignments, made when first needed: most pools have none. */
export function assignmentsOf(pool: Pool): PoolAssignments {
  pool.assignments ??= new PoolAssignments(pool);
  return pool.assignments;
}
