import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LineBatch } from '../../src/line-batch.ts';

const MOST = 100;
let written: string[];
let batch: LineBatch;
beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  batch = new LineBatch((lines) => void written.push(lines), MOST);
});
afterEach(() => {
  batch.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it('writes nothing but together, a tenth of a second after the first that waits', () => {
  batch.add('a\n');
  vi.advanceTimersByTime(99);
  batch.add('b\n');
  expect(written).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(written).toEqual(['a\nb\n']);
  batch.add('c\n');
  vi.advanceTimersByTime(99);
  expect(written).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(written).toEqual(['a\nb\n', 'c\n']);
});

it('writes when the next line would be too much, and never a part of a line', () => {
  const line = `${'x'.repeat(39)}\n`;
  for (let n = 0; n < 5; n++) batch.add(line);
  expect(written).toEqual([line + line, line + line]);
  batch.add(`${'y'.repeat(2 * MOST)}\n`);
  expect(written[2]).toBe(line);
  batch.add(line);
  expect(written[3]).toMatch(/^y+\n$/);
});

it('gives lines one by one when their octets are too many for one write', () => {
  const line = `${'é'.repeat(39)}\n`;
  batch.add(line);
  batch.add(line);
  batch.handOver();
  expect(written).toEqual([line, line]);
});

it('hands over at once when told, and what is taken is not written', () => {
  batch.handOver();
  batch.add('a\n');
  batch.handOver();
  batch.add('b\n');
  expect(batch.take()).toBe('b\n');
  vi.advanceTimersByTime(100);
  expect(written).toEqual(['a\n']);
});
