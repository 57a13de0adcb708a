import { expect, test } from 'vitest';
import { READ_BYTES, ReadMemory } from '../../../../gateway/wire/read-memory.ts';

/** A wire as far as the memory looks at it. */
const wireThat = (waits: boolean, destroyed = false): { waits: boolean; destroyed: boolean } => ({ waits, destroyed });

test('what is given back is taken again, up to sixteen buffers', () => {
  const memory = new ReadMemory();
  const taken = Array.from({ length: 20 }, () => memory.take());
  expect(new Set(taken).size).toBe(20);
  expect(
    taken.every(({ length, byteLength, buffer }) => length === READ_BYTES && buffer.byteLength === byteLength),
  ).toBe(true);
  for (const buffer of taken) memory.give(buffer);
  const again = new Set(Array.from({ length: 20 }, () => memory.take()));
  expect(taken.filter((buffer) => again.has(buffer))).toHaveLength(16);
});

test('what is lent comes back when its wire has nothing left to write, and not before', () => {
  const memory = new ReadMemory();
  const buffer = memory.take();
  const to = wireThat(true);
  memory.lend(buffer, to);
  expect(memory.take()).not.toBe(buffer);
  to.waits = false;
  expect(memory.take()).toBe(buffer);
  expect(memory.take()).not.toBe(buffer);
});

test('what was lent to a wire that was destroyed does not come back, nor more than is looked after', () => {
  const memory = new ReadMemory();
  const gone = memory.take();
  memory.lend(gone, wireThat(false, true));
  expect(memory.take()).not.toBe(gone);
  const lent = Array.from({ length: 100 }, () => memory.take());
  for (const buffer of lent) memory.lend(buffer, wireThat(false));
  const again = new Set(Array.from({ length: 100 }, () => memory.take()));
  // Of 64 that come back sixteen are kept.
  expect(lent.filter((buffer) => again.has(buffer))).toHaveLength(16);
});

test('what stands behind the first octets of a view is the same object where it is asked for again', () => {
  const memory = new ReadMemory();
  memory.shared.write('0123456789', 'latin1');
  const view = memory.view(10);
  const end = memory.behind(view, 4);
  expect(end.toString()).toBe('456789');
  expect(memory.behind(view, 4)).toBe(end);
  expect(memory.behind(view, 9).toString()).toBe('9');
  expect(memory.behind(view, 4).toString()).toBe('456789');
  expect(memory.behind(memory.view(8), 4).toString()).toBe('4567');
  expect(end.toString()).toBe('456789');
});

test('what is no view is cut where it is', () => {
  const memory = new ReadMemory();
  memory.shared.write('0123456789', 'latin1');
  expect(memory.behind(memory.view(10), 4).toString()).toBe('456789');
  expect(memory.behind(Buffer.from('abcdefghij'), 4).toString()).toBe('efghij');
  const long = memory.behind(memory.view(5_000), 4);
  expect([long.length, long.byteOffset]).toEqual([4_996, 4]);
});
