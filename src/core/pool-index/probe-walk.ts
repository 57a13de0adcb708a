/**
 * Whose turn it is to be probed, of one pool: a cursor that goes round its slots, and a
 * credit that grows so that it has been everywhere once an interval. Made and asked by
 * `gateway/prober.ts` from one coarse tick; knows no socket.
 *
 *   slots:   [m] [m] [ ] [m] [m] …       credit += time × sessions / interval
 *                 ▲ cursor               each session that the cursor passes costs 1, probed or not
 *
 * Who cannot be probed when its turn comes waits for the next: nobody else is early for it.
 * Invariant: a call walks over no more slots than it is given, whatever the pool's size.
 */
import type { ProbePolicy, Route } from '../model.ts';
import { plainSelector } from '../selector.ts';
import { isRefused, routeFor } from './choice.ts';
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';

/** So much of what it is due a pool may catch up on, when the tick came late or there was no room: ms. */
const MAX_ARREARS_MS = 1_000;

/** How many slots may still be looked at in this tick. */
export interface SlotBudget {
  left: number;
}

export class ProbeWalk {
  readonly pool: Pool;
  readonly policy: ProbePolicy;
  readonly #random: () => number;
  /** The slot that comes next; −1 until there is one. */
  #cursor = -1;
  #credit: number;
  /** Until when time is in the credit, monotonic ms. */
  #paidUntilMs: number;

  /** `random`, at least 0 and below 1, has gateways that start together begin at different places. */
  constructor(pool: Pool, policy: ProbePolicy, random: () => number, nowMs: number) {
    this.pool = pool;
    this.policy = policy;
    this.#random = random;
    this.#credit = random();
    this.#paidUntilMs = nowMs;
  }

  /** Time has passed. */
  earn(nowMs: number): void {
    const elapsedMs = nowMs - this.#paidUntilMs;
    const sessionsPerMs = this.pool.members.used / this.policy.intervalMs;
    this.#paidUntilMs = nowMs;
    this.#credit = Math.min(this.#credit + elapsedMs * sessionsPerMs, 1 + MAX_ARREARS_MS * sessionsPerMs);
  }

  /** The next session that is to be probed now; null: none is, or the slots are used up. */
  next(budget: SlotBudget): Member | null {
    const { members } = this.pool;
    const { end } = members;
    if (this.#cursor === -1 && end > 0) this.#cursor = Math.floor(this.#random() * end);
    while (this.#credit >= 1 && members.used > 0 && budget.left > 0) {
      budget.left--;
      if (this.#cursor >= end) this.#cursor = 0;
      const member = members.get(this.#cursor++);
      if (member === undefined) continue;
      this.#credit--;
      if (this.#mayProbe(member)) return member;
    }
    return null;
  }

  /** There was no room for the one that `next` answered: its turn is still to come. */
  putOff(): void {
    this.#cursor--;
    this.#credit++;
  }

  /** What a request for this session would meet now, taken without a turn of the pool's selection. */
  #mayProbe(member: Member): boolean {
    const { pool, policy } = this;
    if (!pool.holds(member) || member.group.suspended || pool.judge.isOut(member)) return false;
    // The upstream of a LOCAL session is ourselves: to connect to it proves nothing.
    if (policy.kind === 'tcp' && member.group.provider.state.type === 'local') return false;
    return !pool.judge.blocks(member, targetHostOf(policy));
  }
}

/** The host that a probe's failures of harm `session_target` count for. */
export function targetHostOf({ target }: ProbePolicy): string {
  return target?.host ?? '';
}

/**
 * The route by which a session is probed: that of a client which names its token and asks for nothing else. Null
 * where such a client would get none. It takes no other route's place (`request-routes.ts`).
 */
export function probeRouteOf(pool: Pool, member: Member): Route | null {
  const route = routeFor(pool, member, 'token', plainSelector(pool.state.name, member.token), true);
  return isRefused(route) ? null : route;
}

/** Whether two policies ask for the same probes. */
export function sameProbe(a: ProbePolicy, b: ProbePolicy): boolean {
  return (
    a.kind === b.kind &&
    a.intervalMs === b.intervalMs &&
    a.timeoutMs === b.timeoutMs &&
    a.target?.host === b.target?.host &&
    a.target?.port === b.target?.port &&
    a.target?.secure === b.target?.secure &&
    a.target?.path === b.target?.path
  );
}
