/** Counts of the load process, from sample to sample. */

import { createHistogram } from 'node:perf_hooks';
import type { Interval } from './job.ts';

const NANOSECONDS = 1e9;

type Counted = 'forwards' | 'tunnels' | 'pings' | 'cuts';

export class Tally {
  /** Whether an upstream is down, by the schedule. */
  outage = false;
  readonly #latency = createHistogram();
  #counts = noCounts();
  #faults = new Map<string, number>();
  #scheduled = 0;
  #unscheduled = 0;
  #since = performance.now();

  count(what: Counted): void {
    this.#counts[what]++;
  }

  /** Of a forward request that went right. */
  latency(seconds: number): void {
    this.#latency.record(Math.max(1, Math.round(seconds * NANOSECONDS)));
  }

  /** A fault; those that `outages` may explain are the schedule's while there is one. */
  fault(what: string, outages = false): void {
    const scheduled = outages && this.outage;
    if (scheduled) this.#scheduled++;
    else this.#unscheduled++;
    const text = scheduled ? `${what} (scheduled)` : what;
    this.#faults.set(text, (this.#faults.get(text) ?? 0) + 1);
  }

  /** What was counted since the last call, and begins anew. */
  take(held: number): Interval {
    const now = performance.now();
    const seconds = (share: number) => this.#latency.percentile(share) / NANOSECONDS;
    const interval = {
      seconds: (now - this.#since) / 1_000,
      ...this.#counts,
      held,
      scheduled: this.#scheduled,
      unscheduled: this.#unscheduled,
      faults: Object.fromEntries(this.#faults),
      p50: seconds(50),
      p99: seconds(99),
      max: this.#latency.max / NANOSECONDS,
    };
    this.#since = now;
    this.#latency.reset();
    this.#counts = noCounts();
    this.#faults = new Map();
    this.#scheduled = 0;
    this.#unscheduled = 0;
    return interval;
  }
}

function noCounts(): Record<Counted, number> {
  return { forwards: 0, tunnels: 0, pings: 0, cuts: 0 };
}
