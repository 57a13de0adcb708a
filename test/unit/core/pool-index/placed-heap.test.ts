import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PlacedHeap } from '../../../../src/core/pool-index/placed-heap.ts';

interface Item {
  readonly key: number;
  place: number;
}

const emptyHeap = () =>
  new PlacedHeap<Item>({
    before: (a, b) => a.key < b.key,
    placeOf: ({ place }) => place,
    place: (item, index) => {
      item.place = index;
    },
  });

/** A number is pushed; null takes the first out, and [n] the nth of those that are in. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 20 }) },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.tuple(fc.nat({ max: 50 })) },
);

it('has the smallest of its items first, whoever was taken out from where', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const heap = emptyHeap();
      const items: Item[] = [];
      for (const one of steps) {
        if (typeof one === 'number') {
          const item = { key: one, place: -1 };
          items.push(item);
          heap.push(item);
        } else {
          const item = one === null ? heap.first : items[one[0] % items.length];
          if (item === undefined) continue;
          heap.remove(item);
          expect(item.place).toBe(-1);
          items.splice(items.indexOf(item), 1);
        }
        expect(heap.size).toBe(items.length);
        const smallest = items.length === 0 ? undefined : Math.min(...items.map(({ key }) => key));
        expect(heap.first?.key).toBe(smallest);
        expect(new Set(items.map(({ place }) => place)).size).toBe(items.length);
      }
    }),
  );
});

it('is not changed by taking out who is not in it', () => {
  const heap = emptyHeap();
  heap.push({ key: 1, place: -1 });
  heap.remove({ key: 0, place: -1 });
  expect([heap.size, heap.first?.key]).toEqual([1, 1]);
});
