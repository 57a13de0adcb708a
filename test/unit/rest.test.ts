/** When memory is given back: at rest only, when it is worth a stop, and once for what a crowd left behind. */
import { beforeEach, expect, test } from 'vitest';
import { Heap, type HeapUse } from '../../src/core/heap.ts';
import { LOOK_MS, Rest, type Step } from '../../src/rest.ts';

const MIB = 1 << 20;
const RESTING = 2_000 / LOOK_MS;
const ASLEEP = 0.02;
const AFTER_A_CROWD = use(200, 90);

function use(reserved: number, used: number): HeapUse {
  return { reservedBytes: reserved * MIB, usedBytes: used * MIB };
}

let rest: Rest;
beforeEach(() => {
  rest = new Rest();
});

/** So many looks that find this. */
function look(times: number, awake: number, held: HeapUse): Step[] {
  return Array.from({ length: times }, () => rest.take(awake, held));
}

const nothing = (times: number): Step[] => Array<Step>(times).fill('nothing');

/** The look that sees a step, and the one after it. */
function afterStep(held: HeapUse): Step | undefined {
  expect(look(1, 0.4, held)).toEqual(['nothing']);
  return look(1, ASLEEP, held)[0];
}

test('after two seconds of rest a grown heap is collected, shrunk while that helps, then left alone', () => {
  expect(look(RESTING - 1, ASLEEP, AFTER_A_CROWD)).toEqual(nothing(RESTING - 1));
  expect(look(1, ASLEEP, AFTER_A_CROWD)).toEqual(['collect']);
  expect(afterStep(use(190, 30))).toBe('shrink');
  expect(afterStep(use(34, 29))).toBe('shrink');
  expect(afterStep(use(33, 28.5))).toBe('nothing');
  expect(look(1_000, ASLEEP, use(33, 28.5))).toEqual(nothing(1_000));
});

test('whoever works is not stopped, and rest has to last anew after it', () => {
  expect(look(100, 0.06, AFTER_A_CROWD)).toEqual(nothing(100));
  look(RESTING - 1, ASLEEP, AFTER_A_CROWD);
  look(1, 0.5, AFTER_A_CROWD);
  expect(look(RESTING - 1, ASLEEP, AFTER_A_CROWD)).toEqual(nothing(RESTING - 1));
  expect(look(1, ASLEEP, AFTER_A_CROWD)).toEqual(['collect']);
  // Work between two steps puts the next one off.
  look(2, 0.5, AFTER_A_CROWD);
  expect(look(RESTING, ASLEEP, AFTER_A_CROWD)).toEqual([...nothing(RESTING - 1), 'collect']);
});

test('a second crowd is given back like the first; a few requests are not worth a stop', () => {
  const settle = () => {
    expect(look(RESTING, ASLEEP, AFTER_A_CROWD).at(-1)).toBe('collect');
    expect(afterStep(use(190, 30))).toBe('shrink');
    expect(afterStep(use(34, 30))).toBe('nothing');
  };
  settle();
  expect(look(RESTING * 2, ASLEEP, use(41, 40))).toEqual(nothing(RESTING * 2));
  look(1, 0.9, AFTER_A_CROWD);
  settle();
});

test('a large heap is collected once, and not shrunk', () => {
  expect(look(RESTING, ASLEEP, use(400, 300)).at(-1)).toBe('collect');
  expect(afterStep(use(380, 280))).toBe('nothing');
  expect(look(1_000, ASLEEP, use(380, 280))).toEqual(nothing(1_000));
});

test('memory that a crowd took is given back by V8', { timeout: 20_000 }, async () => {
  const heap = new Heap();
  const before = heap.use().reservedBytes;
  let crowd: object[] | null = Array.from({ length: 1_000_000 }, (_, i) => ({ i, text: String(i) }));
  expect(crowd.length).toBe(1_000_000);
  const grown = heap.use().reservedBytes;
  expect(grown - before).toBeGreaterThan(32 * MIB);
  crowd = null;
  heap.collect();
  heap.shrink();
  await expect.poll(() => heap.use().reservedBytes, { timeout: 10_000 }).toBeLessThan(before + 16 * MIB);
});
