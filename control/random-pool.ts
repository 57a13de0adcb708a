/**
 * Random bytes in small portions: drawn from the system's generator 4 KiB at a
 * time, as one call to it costs several microseconds whatever it fills. Bytes are
 * given out once and wiped from the pool. For ids and nonces; keys are drawn directly.
 */
import { randomFillSync } from 'node:crypto';

/** Fills the whole of `target` with random bytes. */
export type RandomFill = (target: Uint8Array) => void;

const POOL_BYTES = 4_096;

/** A source of random bytes; each has a pool of its own. */
export function createRandomPool(): RandomFill {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  return (target) => {
    if (target.length > POOL_BYTES) {
      randomFillSync(target);
      return;
    }
    if (used + target.length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const portion = pool.subarray(used, used + target.length);
    target.set(portion);
    portion.fill(0);
    used += target.length;
  };
}
