/**
 * Takes sessions and groups out of their pools and puts them back, within the part
 * of a pool that may be out: the only writer of a session's standing and of the
 * counts. Called by `Health` and `Suspensions`, which judge.
 *
 * Invariant: no more are out than `capOf` allows, but for what a shrinking pool left
 * behind, which comes back at once and beyond a slice with the next `advance`.
 */
import type { Condition, HealthReason, Standing } from './condition.ts';
import { isHalfOpen, isLessBad, isOut } from './condition.ts';
import type { Due, DueTimes } from './due-times.ts';
import type { HealthHost, PatientGroup, PatientPool } from './patient.ts';
import { capOf, healthOf, leastBadOf, outOf } from './pool-health.ts';

/** Sessions put back, or let go of, in one turn for one pool: some tenths of a millisecond. */
const SETTLE_SLICE = 64;

export class Ejections {
  readonly #host: HealthHost;
  readonly #due: DueTimes<Due>;
  readonly #unsettled: PatientPool[] = [];
  #order = 0;

  constructor(host: HealthHost, due: DueTimes<Due>) {
    this.#host = host;
    this.#due = due;
  }

  /** Ejections since the start. */
  get count(): number {
    return this.#order;
  }

  /** Whether one more of its pool may go out, or a less bad one would make room. */
  mayGo(condition: Condition): boolean {
    const { group } = condition.patient;
    if (group.health?.suspended || outOf(group.pool) < capOf(group.pool)) return true;
    const least = group.pool.health === null ? null : leastBadOf(group.pool.health);
    return least !== null && isLessBad(least, condition);
  }

  /** Makes the room that `mayGo` saw: at the cap, the least bad one comes back. */
  makeRoom({ patient: { group } }: Condition): void {
    if (group.health?.suspended || outOf(group.pool) < capOf(group.pool)) return;
    this.enter(leastBadOf(group.pool.health!)!, 'half_open');
  }

  /** Leaves a session out until then, monotonic ms; `makeRoom` was called. */
  eject(condition: Condition, reason: HealthReason, untilMs: number): void {
    condition.reason = reason;
    condition.untilMs = untilMs;
    condition.order = ++this.#order;
    this.enter(condition, 'ejected');
  }

  /** Changes a session's standing; its rosters follow. */
  enter(condition: Condition, standing: Standing): void {
    const wasOut = isOut(condition.standing);
    this.#count(condition, standing);
    if (standing !== 'trial') condition.trial = 0;
    if (isOut(standing) === wasOut) return;
    if (wasOut) this.#host.putBack(condition.patient);
    else this.#host.takeOut(condition.patient);
  }

  /** Lets go of a session's standing; the index has its rosters in hand. */
  drop(condition: Condition): void {
    this.#count(condition, 'in');
  }

  /** Takes the group out of its pool as a whole; false when the cap does not allow it. */
  suspend(group: PatientGroup): boolean {
    const health = healthOf(group);
    if (health.suspended) return true;
    const { pool } = group;
    if (outOf(pool) + group.total - health.ejected.size > capOf(pool)) return false;
    health.suspended = true;
    pool.health!.suspended.add(group);
    this.#host.suspend(group);
    return true;
  }

  /** Puts a suspended group back. */
  resume(group: PatientGroup): void {
    if (!group.health?.suspended) return;
    group.health.suspended = false;
    group.pool.health!.suspended.delete(group);
    this.#host.resume(group);
  }

  /** Forgets a group that has no session left. */
  dropGroup(group: PatientGroup): void {
    group.pool.health?.groups.delete(group);
    group.pool.health?.suspended.delete(group);
    group.health = null;
  }

  /** Brings the pool within its cap, or lets go of all of it when it is closed; what is beyond a slice comes later. */
  settle(pool: PatientPool): void {
    const { health } = pool;
    if (health === null || health.unsettled || !this.#settleSlice(pool)) return;
    health.unsettled = true;
    this.#unsettled.push(pool);
    this.#due.backlog = true;
  }

  /** Goes on with the pools that `settle` could not finish, by one slice. */
  step(): void {
    const pool = this.#unsettled.at(-1);
    if (pool === undefined || this.#settleSlice(pool)) return;
    pool.health!.unsettled = false;
    this.#unsettled.pop();
    this.#due.backlog = this.#unsettled.length > 0;
  }

  /** One slice; whether more remains. */
  #settleSlice(pool: PatientPool): boolean {
    const health = pool.health!;
    if (health.closed) return this.#closeSlice(pool);
    for (let left = SETTLE_SLICE; outOf(pool) > capOf(pool); left--) {
      if (left === 0) return true;
      const least = leastBadOf(health);
      if (least !== null) this.enter(least, 'half_open');
      // Nobody is out by himself: a suspended group serves in spite of it.
      else this.resume([...health.suspended].at(-1)!);
    }
    return false;
  }

  #closeSlice({ health }: PatientPool): boolean {
    let left = SETTLE_SLICE;
    for (const { health: own } of health!.groups) {
      for (let first = own!.ejected.first; first !== undefined; first = own!.ejected.first) {
        if (left-- === 0) return true;
        this.drop(first);
        first.patient.condition = null;
      }
    }
    health!.groups.clear();
    health!.suspended.clear();
    return false;
  }

  /** Keeps counts and heaps in line with the standing. */
  #count(condition: Condition, standing: Standing): void {
    const { standing: before, patient } = condition;
    if (before === standing) return;
    const own = healthOf(patient.group);
    const all = patient.group.pool.health!;
    if (before === 'ejected') {
      own.ejected.remove(condition);
      all.ejected--;
      this.#due.remove(condition);
    }
    own.halfOpen += Number(isHalfOpen(standing)) - Number(isHalfOpen(before));
    condition.standing = standing;
    if (standing !== 'ejected') return;
    own.ejected.push(condition);
    all.ejected++;
    this.#due.push(condition);
  }
}
