/**
 * New ids: UUIDv7 (RFC 9562 §5.7), strictly increasing within a source, so that
 * rows are appended to their indexes and id order is creation order.
 *
 *   48 bits Unix milliseconds | 0111 | 12-bit counter | 10 | 62 random bits
 *
 * The counter (§6.2, method 1) starts each millisecond at a random value below
 * 2048. When it overflows, or the clock goes back, the timestamp stays where it
 * is or borrows the next millisecond: the order holds either way.
 */
import type { Clock } from '../src/core/clock.ts';
import type { RandomFill } from './random-pool.ts';

const COUNTER_LIMIT = 0x1000;
const COUNTER_SEED_MASK = 0x7ff;

/** A source of new ids as canonical UUID text; one per process, as the order holds within one source only. */
export function createUuidSource(clock: Clock, fillRandom: RandomFill): <Id extends string>() => Id {
  const bytes = Buffer.alloc(16);
  const random = bytes.subarray(6);
  let lastMs = -1;
  let counter = 0;

  return <Id extends string>() => {
    const nowMs = Math.floor(clock.nowMs());
    fillRandom(random);
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = bytes.readUInt16BE(6) & COUNTER_SEED_MASK;
    } else if (++counter === COUNTER_LIMIT) {
      lastMs++;
      counter = 0;
    }
    bytes.writeUIntBE(lastMs, 0, 6);
    bytes.writeUInt16BE(0x7000 | counter, 6);
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id;
  };
}
