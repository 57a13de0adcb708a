/** The throttle of wrong credentials: its figures, its window, and that it stays small whoever comes. */
import { beforeEach, expect, test } from 'vitest';
import { AuthThrottle, MAX_FAILURES, WINDOW_MS } from '../../../gateway/auth-throttle.ts';
import { heapInUse } from '../../helpers/heap.ts';

let nowMs: number;
let throttle: AuthThrottle;
beforeEach(() => {
  nowMs = 1_000;
  throttle = new AuthThrottle({ nowMs: () => 0, monotonicMs: () => nowMs });
});

test('twenty failures are let be, and each further one within the minute is too many', () => {
  const verdicts = Array.from({ length: 25 }, () => throttle.failed('192.0.2.1'));
  expect(verdicts.indexOf(true)).toBe(MAX_FAILURES);
  expect(verdicts.slice(MAX_FAILURES)).not.toContain(false);
  expect(throttle.failed('192.0.2.2')).toBe(false);
  nowMs += WINDOW_MS - 1;
  expect(throttle.failed('192.0.2.1')).toBe(true);
  nowMs += 1;
  expect(throttle.failed('192.0.2.1')).toBe(false);
});

test('beyond its share of lines a network has one a second', () => {
  const lines = (n: number): number =>
    Array.from({ length: n }, () => throttle.mayLog('192.0.2.1')).filter(Boolean).length;
  expect(lines(1_000)).toBe(MAX_FAILURES);
  nowMs += 999;
  expect(lines(1_000)).toBe(0);
  nowMs += 1;
  expect(lines(1_000)).toBe(1);
  nowMs += WINDOW_MS;
  expect(lines(1_000)).toBe(MAX_FAILURES);
});

test('200,000 networks leave 65,536 entries, and each costs some hundred bytes', () => {
  const before = heapInUse();
  for (let i = 0; i < 200_000; i++) throttle.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  expect(throttle.size).toBe(65_536);
  expect(heapInUse() - before).toBeLessThan(65_536 * 400);
  // Forgotten is who failed longest ago.
  expect(throttle.failed('10.0.0.0')).toBe(false);
});
