/**
 * Requests at a fixed rate for as long as something else goes on beside them (`open-loop.ts`):
 * begun by one job, ended by another. The load's own lateness (its timer is a millisecond
 * coarse, its core is shared) is no fault of the gateway; it is told apart.
 *
 *   begin: connect, warm up ── window opens ── … ── end: no more are sent ── all answered ── figures
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { openWindow, type Window } from '../lib/process-meter.ts';
import { quantile } from '../lib/statistics.ts';
import type { Job, Measurement } from './job.ts';
import { openLanes } from './lanes.ts';
import { OpenLoop, type OpenLoopSink } from './open-loop.ts';

/** More than this many requests without a connection are failures: ten seconds of a gateway that stands still. */
const MAX_WAITING = 15_000;
/** What is not answered within this after the end is a failure. */
const LAST_ANSWERS_MS = 5_000;
const NOTHING = { work: 0, failures: 0 };

export class Steady implements OpenLoopSink {
  readonly #job: Extract<Job, { kind: 'begin-steady' }>;
  readonly #loop: OpenLoop;
  #latencies: number[] = [];
  #lateness: number[] = [];
  #failures = 0;
  #close: () => Window;

  constructor(job: Extract<Job, { kind: 'begin-steady' }>) {
    const { subject, connections, perSecond } = job;
    this.#job = job;
    this.#loop = new OpenLoop(
      { perSecond, maxWaiting: MAX_WAITING, openLanes: (onAnswer) => openLanes(subject, connections, onAnswer) },
      this,
    );
    this.#close = this.#open();
  }

  /** Answers once it is warm: from then on everything counts. */
  async begin(): Promise<Measurement> {
    this.#loop.start();
    await sleep(this.#job.warmSeconds * 1_000);
    this.#latencies = [];
    this.#lateness = [];
    this.#failures = 0;
    const warm = this.#close();
    this.#close = this.#open();
    return { ...warm, ...NOTHING };
  }

  /** Answers when everything that was sent is answered. */
  async end(): Promise<Measurement> {
    const stopped = this.#loop.stop(LAST_ANSWERS_MS);
    const window = this.#close();
    await stopped;
    this.#loop.end();
    const sorted = Float64Array.from(this.#latencies).sort();
    return {
      ...window,
      work: sorted.length,
      failures: this.#failures + this.#loop.underWay,
      latency: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
      lateness: quantile(Float64Array.from(this.#lateness).sort(), 0.99),
    };
  }

  turn(late: number): void {
    this.#lateness.push(late);
  }

  answered(seconds: number, fault: string | null): void {
    if (fault === null) this.#latencies.push(seconds);
    else this.#failures++;
  }

  dropped(): void {
    this.#failures++;
  }

  #open(): () => Window {
    const { pid, upstreamPid } = this.#job.subject;
    return openWindow(pid, [upstreamPid, process.pid]);
  }
}
