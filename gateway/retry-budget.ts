/**
 * How many further attempts a pool may have under way: a share of its active
 * requests, so that a pool whose upstreams are all down is not dialled many times as
 * often as it is asked. `exchange.ts` counts what is active, `attempt.ts` takes.
 *
 * Each further attempt takes one, and gives it back when it has failed or is served. As
 * requests that fail for good are no longer active, the next wave of attempts is a share of
 * a share: when all is down, few requests get a third.
 *
 * Bound: one budget for each pool that was asked, which goes with its pool.
 */
import type { Pool } from '../src/core/pool-index/pool.ts';

/** One in so many active requests may be retried at a time. */
const ACTIVE_PER_RETRY = 5;
/** And always this many. */
const LEAST_RETRIES = 3;

export class RetryBudget {
  readonly pool: Pool;
  /** Requests and tunnels of the pool that have a session. */
  active = 0;
  #taken = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** Further attempts under way. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes one; false: as many as may be are under way. */
  take(): boolean {
    if (this.#taken >= Math.max(LEAST_RETRIES, Math.floor(this.active / ACTIVE_PER_RETRY))) return false;
    this.#taken++;
    return true;
  }

  /** Gives back one that was taken. */
  give(): void {
    this.#taken--;
  }
}

export class RetryBudgets {
  readonly #budgets = new WeakMap<Pool, RetryBudget>();

  /** The budget of a pool; made at its first request. */
  of(pool: Pool): RetryBudget {
    let budget = this.#budgets.get(pool);
    if (budget === undefined) {
      budget = new RetryBudget(pool);
      this.#budgets.set(pool, budget);
    }
    return budget;
  }
}
