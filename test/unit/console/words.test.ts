import { describe, expect, test } from 'vitest';
import { idOf, uuidOf } from '../../../console/model/ids.ts';
import { fragmentOf, placeOf } from '../../../console/model/place.ts';
import {
  ageText,
  authorityText,
  bytesText,
  countOf,
  rateText,
  secondsOf,
  secondsText,
} from '../../../console/model/words.ts';

test.each([
  [0, '–'],
  [8.3e-7, '830 ns'],
  [2.1e-6, '2.1 µs'],
  [0.014, '14 ms'],
  [1.234, '1.23 s'],
])('%s seconds are %s', (seconds, text) => expect(secondsText(seconds)).toBe(text));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1 kB'],
  [999_600, '1 MB'],
  [123_456_789n, '123 MB'],
])('%s octets are %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

test('rates, ages and counts are read at a glance', () => {
  expect([rateText(0), rateText(0.1234), rateText(92.24), rateText(44_511.4)]).toEqual([
    '0',
    '0.123',
    '92.2',
    '44,500',
  ]);
  expect([ageText(12), ageText(200), ageText(7_200), ageText(200_000)]).toEqual(['12 s', '3 min', '2 h', '2 d']);
  expect([countOf(1, 'session'), countOf(2_000, 'session')]).toEqual(['1 session', '2,000 sessions']);
  expect(secondsOf({ seconds: 2n, nanos: 500_000_000 })).toBe(2.5);
  expect([authorityText('a.test', 80), authorityText('::1', 80)]).toEqual(['a.test:80', '[::1]:80']);
});

describe('a place', () => {
  test('goes into the address and comes back', () => {
    const place = placeOf(fragmentOf('sessions', { pool: 'web & more', q: '' }));
    expect([place.page, place.params.get('pool'), place.params.has('q')]).toEqual(['sessions', 'web & more', false]);
  });

  test('that is none is the overview', () => {
    for (const fragment of ['', '#', '#nowhere', '#/../x']) expect(placeOf(fragment).page).toBe('overview');
  });
});

test('an id is the same octets as text and back', () => {
  const text = '01a22f0a-c05c-711c-98f4-6ac58d4811e7';
  expect(uuidOf(idOf(text))).toBe(text);
});
