import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deadline, Deadlines } from '../../../gateway/deadlines.ts';

const TICK = 100;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('however it is re-armed, an entry fires never early and less than two ticks late', () => {
  const step = fc.record({
    arm: fc.option(fc.integer({ min: 1, max: 120_000 }), { freq: 4 }),
    wait: fc.integer({ min: 0, max: 70_000 }),
  });
  fc.assert(
    fc.property(fc.nat(99), fc.array(step, { minLength: 1, maxLength: 12 }), (phase, steps) => {
      const wheel = new Deadlines();
      // Another entry keeps the wheel turning, so that arming falls anywhere within a tick.
      new Deadline(wheel, () => undefined).arm(2_000_000);
      vi.advanceTimersByTime(phase);
      let due: number | null = null;
      const entry = new Deadline(wheel, () => {
        expect(due).not.toBe(null);
        expect(Date.now()).toBeGreaterThanOrEqual(due!);
        expect(Date.now()).toBeLessThanOrEqual(due! + 2 * TICK);
        due = null;
      });
      for (const { arm, wait } of steps) {
        if (arm === null) entry.disarm();
        else entry.arm(arm);
        due = arm === null ? null : Date.now() + arm;
        vi.advanceTimersByTime(wait);
        // What should have fired by now has.
        if (due !== null) expect(Date.now()).toBeLessThanOrEqual(due + 2 * TICK);
      }
      wheel.close();
    }),
    { numRuns: 150 },
  );
});

describe('a wheel', () => {
  test('fires an entry that was re-armed to sooner in time, and once', () => {
    const wheel = new Deadlines();
    const fired = vi.fn();
    const entry = new Deadline(wheel, fired);
    entry.arm(60_000);
    vi.advanceTimersByTime(1_000);
    entry.arm(500);
    vi.advanceTimersByTime(700);
    expect(fired).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(120_000);
    expect(fired).toHaveBeenCalledTimes(1);
    expect(wheel.size).toBe(0);
  });

  test('stops its tick when it is empty, and starts it again', () => {
    const wheel = new Deadlines();
    const entry = new Deadline(wheel, () => undefined);
    expect(vi.getTimerCount()).toBe(0);
    entry.arm(300);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(500);
    expect(vi.getTimerCount()).toBe(0);
    entry.arm(300);
    expect(vi.getTimerCount()).toBe(1);
    wheel.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('holds one entry for a connection that is re-armed on and on, and none once it is released', () => {
    const wheel = new Deadlines();
    const entry = new Deadline(wheel, () => undefined);
    for (let i = 0; i < 10_000; i++) {
      entry.arm(60_000);
      entry.arm(10_000);
      vi.advanceTimersByTime(20);
      expect(wheel.size).toBe(1);
    }
    entry.release();
    expect(wheel.size).toBe(0);
    vi.advanceTimersByTime(TICK);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('fires all others, each once, whatever is released or armed anew beside them', () => {
    const slots = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 40 });
    const changes = fc.array(fc.tuple(fc.nat(39), fc.option(fc.integer({ min: 1, max: 20 }), { freq: 2 })));
    fc.assert(
      fc.property(slots, changes, (ticks, steps) => {
        const wheel = new Deadlines();
        const fired = ticks.map(() => 0);
        const expected = ticks.map(() => 1);
        const entries = ticks.map((ahead, i) => {
          const entry = new Deadline(wheel, () => fired[i]!++);
          entry.arm(ahead * TICK);
          return entry;
        });
        for (const [index, ahead] of steps) {
          const entry = entries[index];
          if (entry === undefined) continue;
          expected[index] = ahead === null ? 0 : 1;
          if (ahead === null) entry.release();
          else entry.arm(ahead * TICK);
        }
        vi.advanceTimersByTime(30 * TICK);
        expect(fired).toEqual(expected);
        expect(wheel.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

test('what is to come sooner comes sooner, and puts nothing off', () => {
  const wheel = new Deadlines();
  const fired: number[] = [];
  const start = Date.now();
  const entry = new Deadline(wheel, () => fired.push(Date.now() - start));
  entry.arm(60_000);
  entry.armSooner(1_000);
  for (let i = 0; i < 12; i++) {
    vi.advanceTimersByTime(TICK);
    // Again and again: the first one stands.
    if (fired.length === 0) entry.armSooner(1_000);
  }
  expect(fired).toHaveLength(1);
  expect(fired[0]).toBeGreaterThanOrEqual(1_000);
  expect(fired[0]).toBeLessThanOrEqual(1_000 + 2 * TICK);
  entry.armSooner(500);
  vi.advanceTimersByTime(700);
  expect(fired).toHaveLength(2);
  wheel.close();
});

describe('of many that are due at once', () => {
  const MANY = 1_000;

  /** Arms them for one tick, and lets it come: what fired, and the entries. */
  function due(wheel: Deadlines, onFire: (index: number, entries: readonly Deadline[]) => void) {
    const fired: number[] = [];
    const entries = Array.from({ length: MANY }, (_, i) => {
      const entry = new Deadline(wheel, () => {
        fired.push(i);
        onFire(i, entries);
      });
      entry.arm(500);
      return entry;
    });
    return { fired, entries };
  }

  test('a few fire in each turn of the event loop, and each once', () => {
    const wheel = new Deadlines();
    const start = Date.now();
    const { fired } = due(wheel, () => undefined);
    for (let before = 0; fired.length < MANY; before = fired.length) {
      vi.advanceTimersToNextTimer();
      expect(fired.length - before).toBeLessThan(50);
      expect(Date.now() - start).toBeLessThanOrEqual(500 + 2 * TICK);
    }
    expect(fired).toEqual(Array.from({ length: MANY }, (_, i) => i));
    expect(wheel.size).toBe(0);
  });

  test('one that is disarmed, or armed for later, by the time of its turn does not fire in it', () => {
    const wheel = new Deadlines();
    const { fired } = due(wheel, (index, entries) => {
      if (index !== 0) return;
      entries[MANY - 1]!.disarm();
      entries[MANY - 2]!.arm(1_000);
    });
    vi.advanceTimersByTime(800);
    expect(fired).toHaveLength(MANY - 2);
    vi.advanceTimersByTime(1_000);
    expect(fired).toHaveLength(MANY - 1);
    expect(fired.at(-1)).toBe(MANY - 2);
  });

  test('none fires any more once the wheel is closed', () => {
    const wheel = new Deadlines();
    const { fired } = due(wheel, (index) => {
      if (index === 20) wheel.close();
    });
    vi.advanceTimersByTime(10_000);
    expect(fired).toHaveLength(21);
    expect(wheel.size).toBe(0);
  });
});
