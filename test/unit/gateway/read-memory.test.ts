import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { READ_BYTES, ReadMemory } from '../../../gateway/read-memory.ts';

/** A socket as far as the memory looks at it. */
const socketWith = (writableLength: number, destroyed = false) =>
  ({ writableLength, destroyed }) as unknown as Socket & { writableLength: number };

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

test('what is lent comes back when its socket has nothing left to write, and not before', () => {
  const memory = new ReadMemory();
  const buffer = memory.take();
  const to = socketWith(10);
  memory.lend(buffer, to);
  expect(memory.take()).not.toBe(buffer);
  to.writableLength = 0;
  expect(memory.take()).toBe(buffer);
  expect(memory.take()).not.toBe(buffer);
});

test('what was lent to a socket that was destroyed does not come back, nor more than is looked after', () => {
  const memory = new ReadMemory();
  const gone = memory.take();
  memory.lend(gone, socketWith(0, true));
  expect(memory.take()).not.toBe(gone);
  const lent = Array.from({ length: 100 }, () => memory.take());
  for (const buffer of lent) memory.lend(buffer, socketWith(0));
  const again = new Set(Array.from({ length: 100 }, () => memory.take()));
  // Of 64 that come back sixteen are kept.
  expect(lent.filter((buffer) => again.has(buffer))).toHaveLength(16);
});
