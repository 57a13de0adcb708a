import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Linked, UnderWay } from '../../../gateway/under-way.ts';

class Entry implements Linked<Entry> {
  newer: Entry | null = null;
  older: Entry | null = null;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function visited(list: UnderWay<Entry>): Promise<Entry[]> {
  const seen: Entry[] = [];
  await list.walk((entry) => seen.push(entry));
  return seen;
}

test('holds what joined and has not left, newest first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(30), { maxLength: 120 }), async (steps) => {
      const list = new UnderWay<Entry>();
      const model: Entry[] = [];
      for (const n of steps) {
        const known = n < 15 ? model[n] : undefined;
        if (known === undefined) {
          const entry = new Entry();
          list.add(entry);
          model.unshift(entry);
        } else {
          list.remove(known);
          model.splice(n, 1);
          expect(known).toEqual(new Entry());
        }
      }
      expect(list.size).toBe(model.length);
      expect(await visited(list)).toEqual(model);
    }),
  );
});

test('a walk pauses, steps aside for who leaves, misses nobody who stays, and ends although others join', async () => {
  const list = new UnderWay<Entry>();
  const entries = Array.from({ length: 7_000 }, () => new Entry());
  for (const entry of entries) list.add(entry);
  entries.reverse();
  const seen = new Set<Entry>();
  const walk = list.walk((entry) => seen.add(entry));
  expect(seen.size).toBe(2_000);
  // The very entry at which it would go on, some behind it, and one that it has seen.
  const left = [entries[2_000]!, entries[2_001]!, entries[5_000]!, entries[6_999]!];
  for (const entry of [...left, entries[3]!]) list.remove(entry);
  const late = new Entry();
  list.add(late);
  await turn();
  expect(seen.size).toBe(4_000);
  list.add(new Entry());
  await walk;
  expect(seen.has(late)).toBe(false);
  expect(entries.filter((entry) => !seen.has(entry))).toEqual(left);
  expect((await visited(list)).length).toBe(list.size);
});

test('who asks during a walk gets that walk', async () => {
  const list = new UnderWay<Entry>();
  for (let i = 0; i < 2_500; i++) list.add(new Entry());
  let visits = 0;
  const count = (): void => void visits++;
  await Promise.all([list.walk(count), list.walk(count)]);
  expect(visits).toBe(2_500);
});
