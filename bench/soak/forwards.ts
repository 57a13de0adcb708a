/**
 * Forward requests at a fixed rate (`../load/open-loop.ts`), over connections that ask in turn for what their plan
 * says. A request without an answer is a fault, too.
 */

import { forwardRequest } from '../lib/client.ts';
import { Lane } from '../load/lane.ts';
import { OpenLoop, type OpenLoopPlan, type OpenLoopSink } from '../load/open-loop.ts';
import type { LoadPlan } from './job.ts';
import type { Tally } from './tally.ts';

const SILENCE_MS = 10_000;
const WATCH_MS = 1_000;
/** Requests may wait for so long; those due beyond are faults. */
const LONGEST_WAIT_SECONDS = 10;
/** What waits or is under way at the end is answered within this, or has become a fault. */
const LAST_ANSWERS_MS = 2 * 1_000 * LONGEST_WAIT_SECONDS + SILENCE_MS;

export class Forwards implements OpenLoopSink {
  readonly #loop: OpenLoop;
  readonly #tally: Tally;
  readonly #watch: NodeJS.Timeout;

  constructor({ port, lanes, forwardsPerSecond: perSecond }: LoadPlan, tally: Tally) {
    this.#tally = tally;
    const openLanes: OpenLoopPlan['openLanes'] = (onAnswer) =>
      lanes.map((authorizations) => {
        const requests = authorizations.map((each) => Buffer.from(forwardRequest('/small', each)));
        return new Lane(port, requests, onAnswer);
      });
    this.#loop = new OpenLoop({ perSecond, maxWaiting: LONGEST_WAIT_SECONDS * perSecond, openLanes }, this);
    this.#loop.start();
    this.#watch = setInterval(() => this.#abandonSilent(), WATCH_MS);
  }

  /** Starts nothing more; resolves when nothing is under way. */
  async end(): Promise<void> {
    await this.#loop.stop(LAST_ANSWERS_MS);
    clearInterval(this.#watch);
    this.#loop.end();
  }

  /** How late the load itself is stands in its latencies. */
  turn(): void {}

  answered(seconds: number, fault: string | null): void {
    if (fault !== null) return this.#tally.fault(`forward: ${fault}`, true);
    this.#tally.count('forwards');
    this.#tally.latency(seconds);
  }

  dropped(): void {
    this.#tally.fault('forward: waited for too long for a connection');
  }

  #abandonSilent(): void {
    const oldest = performance.now() - SILENCE_MS;
    for (const lane of this.#loop.lanes) {
      if (lane.busy && lane.sentAt < oldest) lane.abandon(`no answer within ${SILENCE_MS / 1_000} s`);
    }
  }
}
