import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RequestIds } from '../../../src/core/request-ids.ts';

function idsAt(count: number): RequestIds {
  const ids = new RequestIds('0badcafe');
  for (let n = 0; n < count; n++) ids.next();
  return ids;
}

it('tells eight digits of hex at the least, in the order of the requests', () => {
  const ids = new RequestIds('0badcafe');
  expect([ids.next(), ids.next()].map((number) => ids.textOf(number))).toEqual([
    '0badcafe-00000001',
    '0badcafe-00000002',
  ]);
  expect(ids.textOf(0x1234_5678)).toBe('0badcafe-12345678');
  expect(ids.textOf(0xff_ffff_ffff)).toBe('0badcafe-ffffffffff');
});

it('finds each number by its text, in any order, and no other', () => {
  const ids = idsAt(3_000);
  const number = fc.integer({ min: 1, max: 3_000 });
  fc.assert(
    fc.property(number, number, (first, second) => {
      const text = ids.textOf(first);
      expect(ids.textOf(second) === text).toBe(first === second);
      expect(ids.numberOf(text)).toBe(first);
    }),
  );
});

it.each([
  ['', 'nothing'],
  ['0badcafe-00000bb9', 'one that is still to come'],
  ['0badcafe-00000000', 'the one before the first'],
  ['0badcafe-1', 'too few digits'],
  ['0badcafe-0000000A', 'upper case'],
  ['0badcafe-0000001g', 'a tail'],
  ['deadbeef-00000001', 'another run'],
])('finds none by %j: %s', (text) => {
  expect(idsAt(3_000).numberOf(text)).toBe(0);
});
