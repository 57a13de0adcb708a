import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AssignedTree, NOBODY } from '../../../../src/core/pool-index/assigned-tree.ts';
import { PointTable } from '../../../../src/core/pool-index/point-table.ts';

const LOWEST = -0x80000000;
const HIGHEST = 0x7fffffff;

/** A ring whose members are their slots, and how many assignments each has. */
class Rig {
  readonly ring = new PointTable();
  readonly counts = new Map<number, number>();
  readonly points = new Map<number, number>();
  reads = 0;
  readonly tree = new AssignedTree(this.ring, (_, slot) => {
    this.reads++;
    return this.counts.get(slot)!;
  });

  put(slot: number, point: number, count: number): void {
    this.remove(slot);
    this.points.set(slot, point);
    this.counts.set(slot, count);
    this.ring.insert(point, slot);
    this.tree.came(point, count);
  }

  remove(slot: number): void {
    const point = this.points.get(slot);
    if (point === undefined) return;
    this.points.delete(slot);
    this.ring.remove(point, slot);
    this.tree.left(point, this.counts.get(slot)!);
  }

  assign(slot: number, count: number): void {
    const point = this.points.get(slot);
    if (point === undefined) return;
    const before = this.counts.get(slot)!;
    this.counts.set(slot, count);
    this.tree.changed(point, before, count);
  }

  /** The smallest count and the first point from `from` on that has it, by a plain look at all. */
  byHand(from: number): [least: number, point: number] {
    const slots = [...this.points.keys()];
    const least = Math.min(NOBODY, ...slots.map((slot) => this.counts.get(slot)!));
    const points = slots.filter((slot) => this.counts.get(slot) === least).map((slot) => this.points.get(slot)!);
    return [least, points.sort((a, b) => ((a - from) >>> 0) - ((b - from) >>> 0))[0]!];
  }
}

// Ends of the ring, borders of its halves and quarters, and neighbours that share all but their last bits.
const borders = [LOWEST, LOWEST + 1, -0x40000000, -1, 0, 1, 2, 3, 0x40000000, HIGHEST - 1, HIGHEST];
const point = fc.oneof(
  fc.constantFrom(...borders),
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: LOWEST, max: HIGHEST }),
);
const slot = fc.nat({ max: 79 });
const count = fc.nat({ max: 3 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('put' as const), slot, point, count }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), slot }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('assign' as const), slot, count }) },
);

it('knows the smallest count and who has it, wherever the members lie', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 300, size: 'max' }), fc.array(point), (steps, extra) => {
      const rig = new Rig();
      for (const next of steps) {
        if (next.do === 'put') rig.put(next.slot, next.point, next.count);
        else if (next.do === 'remove') rig.remove(next.slot);
        else rig.assign(next.slot, next.count);
        expect(rig.tree.least).toBe(rig.byHand(0)[0]);
      }
      if (rig.points.size === 0) return;
      for (const from of [...borders, ...extra]) expect(rig.tree.successor(from)).toBe(rig.byHand(from)[1]);
    }),
    { numRuns: 100 },
  );
});

it('answers for members of one point however many they are', () => {
  const rig = new Rig();
  for (let n = 0; n < 40; n++) rig.put(n, 7, 0);
  rig.put(40, 8, 0);
  for (let n = 0; n < 39; n++) rig.assign(n, 1);
  expect([rig.tree.least, rig.tree.successor(7)]).toEqual([0, 7]);
  rig.assign(39, 1);
  expect(rig.tree.successor(7)).toBe(8);
  rig.assign(40, 2);
  expect([rig.tree.least, rig.tree.successor(8)]).toEqual([1, 7]);
});

it('reads few members at a change, however the crowd came together', () => {
  const rig = new Rig();
  const scattered = (n: number): number => Math.imul(n, 0x9e3779b1);
  const readsOf = (work: () => void): number => {
    rig.reads = 0;
    work();
    return rig.reads;
  };
  // A leaf that grows is split in time.
  rig.put(0, scattered(0), 1);
  for (let n = 1; n < 4_096; n++) expect(readsOf(() => rig.put(n, scattered(n), 0))).toBeLessThan(100);
  // What it was split off is blank, and stays one node however it grows.
  expect(rig.tree.extent).toBeLessThan(40);
  // Where nobody is assigned nobody is read.
  expect(readsOf(() => rig.remove(4_000))).toBe(0);
  expect(readsOf(() => rig.put(4_000, scattered(4_000), 0))).toBe(0);
  for (let n = 1; n < 4_096; n++) expect(readsOf(() => rig.assign(n, 1))).toBeLessThan(200);
  let all = 0;
  for (let n = 1; n < 4_096; n++) {
    const reads = readsOf(() => rig.assign(n, 2));
    expect(reads).toBeLessThan(20);
    all += reads;
  }
  // A leaf is read once for each time that the last of its least goes up.
  expect(all).toBeLessThan(2 * 4_096);
});

it('opens towards members that are assigned, closes behind them, and uses its nodes again', () => {
  const rig = new Rig();
  const MEMBERS = 4_096;
  for (let n = 0; n < MEMBERS; n++) rig.put(n, Math.imul(n, 0x9e3779b1), 0);
  expect(rig.tree.extent).toBe(1);
  rig.assign(0, 1);
  // 4,096 evenly spread members are halved eight times before a range has 16 of them.
  expect(rig.tree.extent).toBeLessThanOrEqual(1 + 2 * 10);
  const assignWhere = (count: number, is: (point: number) => boolean): void => {
    for (const [slot, point] of rig.points) if (is(point)) rig.assign(slot, count);
  };
  assignWhere(1, (point) => point < 0);
  const half = rig.tree.extent;
  assignWhere(0, (point) => point < 0);
  assignWhere(1, (point) => point >= 0);
  // The other half's nodes are those that the first gave back.
  expect(rig.tree.extent).toBeLessThan(half * 1.2);
  assignWhere(1, () => true);
  const most = rig.tree.extent;
  expect(most).toBeLessThan(MEMBERS / 2);
  for (let round = 0; round < 3; round++) {
    assignWhere(0, () => true);
    assignWhere(2, () => true);
  }
  expect(rig.tree.extent).toBe(most);
  expect(rig.tree.least).toBe(2);
});
