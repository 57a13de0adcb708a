import { performance } from 'node:perf_hooks';

/** Time, passed in: production reads the system's, tests advance a fake one. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. For records, never for durations. */
  nowMs(): number;
  /** Monotonic milliseconds with a sub-microsecond fraction. For durations and deadlines. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
