/**
 * A token bucket a key: `rate` calls a second on average, `burst` at once. Asked by
 * the gate before a body is read. Bounded: the least recently used buckets are
 * forgotten, and a forgotten bucket is a full one.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/core/clock.ts';

const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  filledMs: number;
}

export interface RateLimit {
  /** Takes one call of the key; answers 0, or the whole seconds to wait before the next one can pass. */
  take(keyId: string): number;
}

/** `rate` in calls a second and `burst` in calls, both 1 or more. */
export function createRateLimit(clock: Clock, rate: number, burst: number): RateLimit {
  const buckets = new LRUCache<string, Bucket>({ maxSize: MAX_BUCKETS, sizeCalculation: () => 1 });
  return {
    take(keyId) {
      const nowMs = clock.monotonicMs();
      let bucket = buckets.get(keyId);
      if (bucket === undefined) {
        bucket = { tokens: burst, filledMs: nowMs };
        buckets.set(keyId, bucket);
      }
      bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledMs) / 1_000) * rate);
      bucket.filledMs = nowMs;
      if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / rate));
      bucket.tokens -= 1;
      return 0;
    },
  };
}
