/** How late the event loop of this thread comes: sampled all the time, told from report to report. Made by `server.ts`. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Sampled at this interval; the interval itself is no delay. */
const SAMPLE_MS = 10;

/** In seconds. */
export interface LoopDelays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });

  constructor() {
    this.#histogram.enable();
  }

  /** The delays since the last call, which are forgotten then. */
  take(): LoopDelays {
    const histogram = this.#histogram;
    const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - SAMPLE_MS / 1e3);
    const delays = {
      p50: seconds(histogram.percentile(50)),
      p99: seconds(histogram.percentile(99)),
      max: seconds(histogram.max),
    };
    histogram.reset();
    return delays;
  }

  close(): void {
    this.#histogram.disable();
  }
}
