/** Times of one short synchronous call, over rounds of many. */
import { quantileOf } from './row.ts';

/** Short, so that the median batch is one that nothing interrupted. */
const BATCH = 100;

/** Nanoseconds, one figure a round. */
export interface CallTimes {
  /** Of the median batch: the clock is read once for all its calls. */
  readonly medians: readonly number[];
  /** 99th percentiles of single calls, the clock's own cost included. */
  readonly tails: readonly number[];
}

/**
 * Times `call(0)` to `call(calls - 1)`, warmed up by one round that does not count; `calls` is a multiple of 100.
 * `prepare` is called before each batch of calls `from` to `to - 1`, and is not timed.
 */
export function timeCalls(
  call: (i: number) => unknown,
  calls: number,
  rounds: number,
  prepare: (from: number, to: number) => void = () => undefined,
): CallTimes {
  prepare(0, calls);
  for (let i = 0; i < calls; i++) call(i);
  const medians = Array.from({ length: rounds }, () => {
    const batches = new Float64Array(calls / BATCH);
    for (let batch = 0; batch < batches.length; batch++) {
      prepare(batch * BATCH, (batch + 1) * BATCH);
      const start = performance.now();
      for (let i = batch * BATCH; i < (batch + 1) * BATCH; i++) call(i);
      batches[batch] = ((performance.now() - start) * 1e6) / BATCH;
    }
    return quantileOf(batches, 0.5);
  });
  const tails = Array.from({ length: rounds }, () => {
    const samples = new Float64Array(calls);
    prepare(0, calls);
    for (let i = 0; i < calls; i++) {
      const start = performance.now();
      call(i);
      samples[i] = (performance.now() - start) * 1e6;
    }
    return quantileOf(samples, 0.99);
  });
  return { medians, tails };
}
