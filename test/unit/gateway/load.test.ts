/** The levels of load: what they are entered at, what they are left at, and what does not count as load. */
import { beforeEach, describe, expect, test } from 'vitest';
import { EASING, Load, type LoadSample, NORMAL, SAMPLE_MS, SHEDDING } from '../../../gateway/load.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { defaultLimits } from '../../../src/core/limits.ts';
import { type RecordedLog, recordedLog } from '../../helpers/wire-log.ts';

const QUIET: LoadSample = { heapPercent: 40, descriptorPercent: 10, delayMs: 1 };
/** Normal again, or loaded: a second at the least, and five at the most. */
const AGREEING = 1_000 / SAMPLE_MS;

let log: RecordedLog;
let load: Load;
beforeEach(() => {
  log = recordedLog();
  load = new Load(defaultLimits, 20_000, log, systemClock);
});

function take(samples: number, sample: Partial<LoadSample>): void {
  for (let i = 0; i < samples; i++) load.take({ ...QUIET, ...sample });
}

describe.each([
  ['the heap', EASING, { heapPercent: 92 }, { heapPercent: 92.1 }],
  ['the heap', SHEDDING, { heapPercent: 95 }, { heapPercent: 95.1 }],
  ['the descriptors', EASING, { descriptorPercent: 90 }, { descriptorPercent: 90.1 }],
  ['a late event loop', SHEDDING, { delayMs: 500 }, { delayMs: 500.1 }],
] as const)('%s', (_, level, at, above) => {
  test(`level ${level} is entered above ${JSON.stringify(at)}, after a second of it`, () => {
    take(AGREEING * 3, at);
    expect(load.level).toBeLessThan(level);
    load.take({ ...QUIET, ...above });
    take(AGREEING - 2, above);
    expect(load.level).toBeLessThan(level);
    take(1, above);
    expect(load.level).toBe(level);
    expect(log.lines.at(-1)).toMatchObject({
      message: 'load',
      fields: { load: level === EASING ? 'easing' : 'shedding' },
    });
  });

  test(`level ${level} is left within five seconds`, () => {
    take(AGREEING, above);
    take(AGREEING - 1, {});
    expect(load.level).toBe(level);
    take(1, {});
    expect(load.level).toBe(NORMAL);
    expect(AGREEING * SAMPLE_MS).toBeLessThanOrEqual(5_000);
    expect(log.lines.map(({ fields }) => fields.load)).toEqual([level === EASING ? 'easing' : 'shedding', 'normal']);
  });
});

test('one slow turn, or a heap that a collection empties, is no load', () => {
  for (let i = 0; i < 20; i++) {
    take(AGREEING - 1, { delayMs: 5_000, heapPercent: 99 });
    take(1, {});
  }
  expect(load.level).toBe(NORMAL);
  expect(log.lines).toEqual([]);
});

test('what swings around a bound does not make the level swing', () => {
  take(AGREEING, { heapPercent: 96 });
  for (let i = 0; i < 20; i++) take(AGREEING, { heapPercent: i % 2 === 0 ? 94 : 96 });
  expect(load.level).toBe(SHEDDING);
  expect(log.lines).toHaveLength(1);
});

test('shedding gives way to easing where that is what is asked for', () => {
  take(AGREEING, { heapPercent: 99 });
  take(AGREEING, { heapPercent: 91 });
  expect(load.level).toBe(EASING);
  take(AGREEING, {});
  expect(load.level).toBe(NORMAL);
});

test('of samples that ask for different levels the mildest is entered', () => {
  take(AGREEING - 1, { heapPercent: 99 });
  take(1, { heapPercent: 93 });
  expect(load.level).toBe(EASING);
  take(AGREEING, { delayMs: 900 });
  expect(load.level).toBe(SHEDDING);
});

describe('a heap that holds a level is collected when nobody else does', () => {
  /** Which of the samples ask for a collection. */
  const asking = (heaps: readonly number[]): number[] =>
    heaps.flatMap((heapPercent, i) => (load.take({ ...QUIET, heapPercent }) ? [i] : []));

  test('once it has not fallen for a second and a half', () => {
    expect(asking(Array<number>(AGREEING).fill(96))).toEqual([]);
    expect(asking(Array<number>(12).fill(96))).toEqual([4, 10]);
  });

  test('not while it rises and falls, nor without a level, nor for another reason', () => {
    expect(asking(Array<number>(20).fill(91))).toEqual([]);
    expect(asking(Array.from({ length: 40 }, (_, i) => 96 + (i % 4) / 2))).toEqual([]);
    take(AGREEING, {});
    take(AGREEING, { delayMs: 900 });
    expect(load.level).toBe(SHEDDING);
    expect(Array.from({ length: 20 }, () => load.take({ ...QUIET, delayMs: 900 }))).not.toContain(true);
  });
});

test('a line says what was measured', () => {
  take(AGREEING, { heapPercent: 96.4, descriptorPercent: 12.3, delayMs: 250.7 });
  expect(log.lines[0]!.fields).toEqual({
    load: 'shedding',
    heap_percent: 96,
    descriptor_percent: 12,
    delay_ms: 251,
  });
});
