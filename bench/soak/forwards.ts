/**
 * Forward requests at a fixed rate, whatever the answers do: a request that finds
 * every connection busy waits, and its latency counts from when it was due (as seen
 * by a timer of a millisecond).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { forwardRequest } from '../lib/client.ts';
import { WaitingLine } from '../lib/waiting-line.ts';
import { Lane } from '../load/lane.ts';
import type { LoadPlan } from './job.ts';
import type { Tally } from './tally.ts';

const TICK_MS = 1;
const SILENCE_MS = 10_000;
const WATCH_MS = 1_000;
/** Requests may wait for so long; those due beyond are faults. */
const LONGEST_WAIT_SECONDS = 10;

export class Forwards {
  readonly #lanes: readonly Lane[];
  readonly #perSecond: number;
  readonly #tally: Tally;
  /** When the requests that wait were due, oldest first; `performance.now()`. */
  readonly #waiting = new WaitingLine();
  /** When the request under way on a lane was due. */
  readonly #dueAt = new Map<Lane, number>();
  readonly #timers: readonly NodeJS.Timeout[];
  #turn = 0;
  #started = 0;
  readonly #startedAt = performance.now();

  constructor({ port, lanes, forwardsPerSecond }: LoadPlan, tally: Tally) {
    this.#perSecond = forwardsPerSecond;
    this.#tally = tally;
    this.#lanes = lanes.map((authorizations) => {
      const requests = authorizations.map((each) => Buffer.from(forwardRequest('/small', each)));
      return new Lane(port, requests, (lane, _seconds, fault) => this.#settled(lane, fault));
    });
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#watch(), WATCH_MS)];
  }

  /** Starts nothing more; resolves when nothing is under way. */
  async end(): Promise<void> {
    clearInterval(this.#timers[0]);
    while (this.#waiting.length > 0 || this.#lanes.some(({ busy }) => busy)) await sleep(WATCH_MS / 100);
    clearInterval(this.#timers[1]);
    for (const lane of this.#lanes) lane.end();
  }

  #tick(): void {
    const now = performance.now();
    const due = Math.floor(((now - this.#startedAt) / 1_000) * this.#perSecond);
    for (; this.#started < due; this.#started++) {
      const lane = this.#freeLane();
      if (lane !== null) this.#send(lane, now);
      else if (this.#waiting.length < LONGEST_WAIT_SECONDS * this.#perSecond) this.#waiting.push(now);
      else this.#tally.fault('forward: waited for too long for a connection');
    }
  }

  #freeLane(): Lane | null {
    for (let tries = 0; tries < this.#lanes.length; tries++) {
      const lane = this.#lanes[this.#turn]!;
      this.#turn = (this.#turn + 1) % this.#lanes.length;
      if (!lane.busy) return lane;
    }
    return null;
  }

  #send(lane: Lane, dueAt: number): void {
    this.#dueAt.set(lane, dueAt);
    lane.send();
  }

  #settled(lane: Lane, fault: string | null): void {
    if (fault === null) {
      this.#tally.count('forwards');
      this.#tally.latency((performance.now() - this.#dueAt.get(lane)!) / 1_000);
    } else this.#tally.fault(`forward: ${fault}`, true);
    const dueAt = this.#waiting.shift();
    if (dueAt !== undefined) this.#send(lane, dueAt);
  }

  /** A request without an answer is a fault, too. */
  #watch(): void {
    const oldest = performance.now() - SILENCE_MS;
    for (const lane of this.#lanes) {
      if (lane.busy && lane.sentAt < oldest) lane.abandon(`no answer within ${SILENCE_MS / 1_000} s`);
    }
  }
}
