/**
 * Requests at a fixed rate for as long as something else goes on beside them: begun
 * by one job, ended by another. Open loop: a request that finds every connection
 * busy waits for one, and its time counts from when its turn came, so that a gateway
 * which stalls is charged for all that it kept waiting. The load's own lateness (its
 * timer is a millisecond coarse, its core is shared) is no fault of the gateway; it
 * is told apart.
 *
 *   begin: connect, warm up ── window opens ── … ── end: no more are sent ── all answered ── figures
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { openWindow, type Window } from '../lib/process-meter.ts';
import { quantile } from '../lib/statistics.ts';
import { WaitingLine } from '../lib/waiting-line.ts';
import type { Job, Measurement } from './job.ts';
import type { Lane } from './lane.ts';
import { openLanes } from './lanes.ts';

/** More than this many requests without a connection are failures: ten seconds of a gateway that stands still. */
const MAX_WAITING = 15_000;
/** What is not answered within this after the end is a failure. */
const LAST_ANSWERS_MS = 5_000;
const NOTHING = { work: 0, failures: 0 };

export class Steady {
  readonly #job: Extract<Job, { kind: 'begin-steady' }>;
  readonly #lanes: readonly Lane[];
  /** Since when each request without a connection waits; first come, first served. */
  readonly #waiting = new WaitingLine();
  readonly #idle: Lane[];
  /** When the turn of the request under way on a lane came. */
  readonly #since = new Map<Lane, number>();
  #underWay = 0;
  #latencies: number[] = [];
  #lateness: number[] = [];
  #failures = 0;
  #close: () => Window;
  #timer: NodeJS.Timeout | null = null;

  constructor(job: Extract<Job, { kind: 'begin-steady' }>) {
    this.#job = job;
    this.#lanes = openLanes(job.subject, job.connections, (lane, _seconds, fault) =>
      this.#onAnswer(lane, fault === null),
    );
    this.#idle = [...this.#lanes];
    this.#close = this.#open();
  }

  /** Answers once it is warm: from then on everything counts. */
  async begin(): Promise<Measurement> {
    this.#start();
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
    if (this.#timer !== null) clearInterval(this.#timer);
    const window = this.#close();
    for (const deadline = performance.now() + LAST_ANSWERS_MS; this.#underWay > 0 && performance.now() < deadline; ) {
      await sleep(5);
    }
    for (const lane of this.#lanes) lane.end();
    const sorted = Float64Array.from(this.#latencies).sort();
    return {
      ...window,
      work: sorted.length,
      failures: this.#failures + this.#underWay,
      latency: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
      lateness: quantile(Float64Array.from(this.#lateness).sort(), 0.99),
    };
  }

  #open(): () => Window {
    const { pid, upstreamPid } = this.#job.subject;
    return openWindow(pid, [upstreamPid, process.pid]);
  }

  #start(): void {
    const startMs = performance.now();
    const perMs = this.#job.perSecond / 1_000;
    let sent = 0;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      for (const due = Math.floor((nowMs - startMs) * perMs); sent < due; sent++) {
        this.#lateness.push((nowMs - startMs - (sent + 1) / perMs) / 1_000);
        this.#send(nowMs);
      }
    }, 1);
  }

  #send(since: number): void {
    if (this.#waiting.length === MAX_WAITING) {
      this.#failures++;
      return;
    }
    this.#underWay++;
    // The connection that rested longest: all of them take part.
    const lane = this.#idle.shift();
    if (lane === undefined) this.#waiting.push(since);
    else this.#sendBy(lane, since);
  }

  #sendBy(lane: Lane, since: number): void {
    this.#since.set(lane, since);
    lane.send();
  }

  #onAnswer(lane: Lane, ok: boolean): void {
    this.#underWay--;
    if (ok) this.#latencies.push((performance.now() - this.#since.get(lane)!) / 1_000);
    else this.#failures++;
    // A broken connection waits a turn: a gateway that is gone must not be dialled without end in one turn.
    if (ok) this.#next(lane);
    else setImmediate(() => this.#next(lane));
  }

  #next(lane: Lane): void {
    const since = this.#waiting.shift();
    if (since === undefined) this.#idle.push(lane);
    else this.#sendBy(lane, since);
  }
}
