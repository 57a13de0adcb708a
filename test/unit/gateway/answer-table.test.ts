import { expect, test } from 'vitest';
import { AnswerTable } from '../../../gateway/answer-table.ts';

const TURN_MS = 300_000;

function setUp() {
  const clock = { now: 0, nowMs: () => clock.now, monotonicMs: () => clock.now };
  return { clock, table: new AnswerTable<{ readonly n: number }>(clock) };
}

test('what is asked for stays, whatever else comes and goes', () => {
  const { clock, table } = setUp();
  const kept = { n: 0 };
  table.set('kept', kept);
  for (let n = 1; n <= 10; n++) {
    clock.now += TURN_MS;
    table.set(`once ${n}`, { n });
    expect(table.get('kept')).toBe(kept);
  }
});

test('what nobody asks for any more is forgotten by the second turn', () => {
  const { clock, table } = setUp();
  for (let n = 0; n < 1_000; n++) table.set(`gone ${n}`, { n });
  clock.now += TURN_MS;
  table.set('first', { n: 1 });
  expect(table.size).toBe(1_001);
  clock.now += TURN_MS;
  table.set('second', { n: 2 });
  expect(table.size).toBe(2);
  expect(table.get('gone 0')).toBeUndefined();
  expect(table.get('first')).toEqual({ n: 1 });
});

test('it holds no more than twice its bound', () => {
  const { clock, table } = setUp();
  for (let n = 0; n < 100_000; n++) {
    if (n % 25_000 === 0) clock.now += TURN_MS;
    table.set(String(n), { n });
  }
  expect(table.size).toBe(2 * 16_384);
});

test('cleared, it knows nothing', () => {
  const { clock, table } = setUp();
  table.set('older', { n: 1 });
  clock.now += TURN_MS;
  table.set('recent', { n: 2 });
  table.clear();
  expect([table.get('older'), table.get('recent'), table.size]).toEqual([undefined, undefined, 0]);
});
