import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mix } from '../../../../src/core/pool-index/hash.ts';
import { PointTable } from '../../../../src/core/pool-index/point-table.ts';

const STEP = 0x9e3779b9;

/** Points that crowd: few values, the very ends, one home, and any. */
const points = fc.oneof(
  fc.integer({ min: -4, max: 4 }),
  fc.constantFrom(0x7fffffff, 0x7ffffffe, -0x80000000, -0x7fffffff),
  fc.integer({ min: 0x7fffff00, max: 0x7fffffff }),
  fc.integer(),
);

/** The naive model: an array of pairs. */
class Model {
  readonly pairs: { point: number; slot: number }[] = [];

  slots(point: number): number[] {
    return this.pairs.filter((pair) => pair.point === point).map((pair) => pair.slot);
  }

  successor(point: number): number {
    const sorted = this.pairs.map((pair) => pair.point).sort((a, b) => a - b);
    return sorted.find((other) => other >= point) ?? sorted[0]!;
  }
}

/** Which of eight probes is nearest to its successor; the first of equal ones. */
function nearest(start: number, successor: (point: number) => number): number {
  const gaps = Array.from({ length: 8 }, (_, probe) => {
    const from = mix((start + Math.imul(probe, STEP)) | 0);
    return (successor(from) - from) >>> 0;
  });
  return gaps.indexOf(Math.min(...gaps));
}

function slotsIn(table: PointTable, point: number): number[] {
  const slots: number[] = [];
  for (let at = table.seek(point); at >= 0; at = table.next(point, at)) slots.push(table.slotAt(point, at));
  return slots;
}

function compare(table: PointTable, model: Model, probes: readonly number[]): void {
  expect(table.size).toBe(model.pairs.length);
  const sorted = (list: number[]): number[] => list.sort((a, b) => a - b);
  for (const point of [...probes, ...model.pairs.map((pair) => pair.point)]) {
    expect(sorted(slotsIn(table, point))).toEqual(sorted(model.slots(point)));
    if (model.pairs.length === 0) continue;
    expect(table.successor(point)).toBe(model.successor(point));
    expect(table.nearestOf(point, STEP, 8)).toBe(nearest(point, (from) => model.successor(from)));
  }
}

describe('the point table', () => {
  it('agrees with a sorted array through inserts and removals, equal points and both ends included', () => {
    const step = fc.record({ point: points, remove: fc.boolean(), pick: fc.nat() });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.array(points, { maxLength: 10 }),
        (steps, probes) => {
          const table = new PointTable();
          const model = new Model();
          steps.forEach(({ point, remove, pick }, slot) => {
            if (remove && model.pairs.length > 0) {
              const [pair] = model.pairs.splice(pick % model.pairs.length, 1);
              expect(table.remove(pair!.point, pair!.slot)).toBe(true);
            } else {
              table.insert(point, slot);
              model.pairs.push({ point, slot });
            }
          });
          compare(table, model, probes);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('stays right at every size while it grows to thousands and shrinks again', () => {
    const table = new PointTable();
    const model = new Model();
    let seed = 7;
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
      return seed;
    };
    for (let slot = 0; slot < 3_000; slot++) {
      const point = random();
      table.insert(point, slot);
      model.pairs.push({ point, slot });
      expect(table.size).toBe(slot + 1);
    }
    const sorted = model.pairs.map((pair) => pair.point).sort((a, b) => a - b);
    // Walking by successors visits every point in order, and wraps.
    let at = sorted[0]!;
    for (const point of sorted) {
      expect(table.successor(at)).toBe(point);
      at = (point + 1) | 0;
    }
    expect(table.successor(0x7fffffff)).toBe(sorted.at(-1) === 0x7fffffff ? 0x7fffffff : sorted[0]);
    for (let left = model.pairs.length; left > 0; left--) {
      const pair = model.pairs.pop()!;
      expect(table.remove(pair.point, pair.slot)).toBe(true);
      if (left % 97 === 0) {
        const probe = random();
        expect(table.successor(probe)).toBe(model.successor(probe));
        for (const other of model.pairs.slice(-5)) expect(slotsIn(table, other.point)).toContain(other.slot);
      }
    }
    expect(table.size).toBe(0);
  });

  it('answers between the halves of a migration as it does outside one', () => {
    const table = new PointTable();
    const live: number[] = [];
    // 1,229 pairs make 2,048 cells grow: the migration then lasts some ninety changes.
    for (let n = 0; n < 1_400; n++) {
      const point = Math.imul(n, 0x9e3779b9);
      table.insert(point, n);
      live.push(point);
      if (n < 1_225) continue;
      const sorted = [...live].sort((a, b) => a - b);
      for (let i = 0; i < sorted.length; i += 13) {
        expect(table.successor(sorted[i]!)).toBe(sorted[i]);
        expect(table.successor((sorted[i]! + 1) | 0)).toBe(sorted[(i + 1) % sorted.length]);
        expect(table.nearestOf(i, STEP, 8)).toBe(
          nearest(i, (from) => sorted.find((point) => point >= from) ?? sorted[0]!),
        );
      }
      for (let slot = 0; slot <= n; slot += 11) expect(slotsIn(table, live[slot]!)).toEqual([slot]);
    }
  });

  it('forgets a point for good wherever the migration stands when it is removed', () => {
    const points = Array.from({ length: 1_229 }, (_, n) => Math.imul(n, 0x9e3779b9));
    const ascending = points.map((point, slot) => ({ point, slot })).sort((a, b) => a.point - b.point);
    for (const { point, slot } of ascending.slice(0, 120)) {
      const table = new PointTable();
      points.forEach((other, n) => {
        table.insert(other, n);
      });
      expect(table.remove(point, slot)).toBe(true);
      for (let n = 0; n < 100; n++) table.insert(n, 5_000 + n);
      expect(slotsIn(table, point)).toEqual([]);
      expect(table.successor(point)).not.toBe(point);
    }
  });

  it('holds thousands of equal points at the very end', () => {
    const table = new PointTable();
    for (let slot = 0; slot < 5_000; slot++) table.insert(0x7fffffff, slot);
    expect(slotsIn(table, 0x7fffffff)).toHaveLength(5_000);
    expect(table.successor(0)).toBe(0x7fffffff);
    expect(slotsIn(table, 0x7ffffffe)).toEqual([]);
    for (let slot = 0; slot < 5_000; slot++) expect(table.remove(0x7fffffff, slot)).toBe(true);
    expect(table.remove(0x7fffffff, 0)).toBe(false);
  });
});
