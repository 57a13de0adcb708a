import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Proxies } from '../../../control/gen/proxies/v1/proxies_pb.ts';
import { canonicalHost } from '../../../control/host.ts';
import { keyOfHeader } from '../../../control/interceptors/gate.ts';
import { fullName, ruleOf } from '../../../control/interceptors/method-rules.ts';
import { createRateLimit } from '../../../control/interceptors/rate-limit.ts';
import { createLabelCap } from '../../../control/metrics/label-cap.ts';
import { templateRule } from '../../../control/provider-template.ts';

test.each([
  ['Example.COM', 'example.com'],
  ['a.b.', 'a.b'],
  ['xn--mnchen-3ya.de', 'xn--mnchen-3ya.de'],
  ['my_host', 'my_host'],
  ['::FFFF:127.0.0.1', '::ffff:7f00:1'],
  ['[::1]', '::1'],
  ['1.2.3.4', '1.2.3.4'],
])('%s is %s', (text, canonical) => expect(canonicalHost(text)).toBe(canonical));

test.each([
  '',
  '.',
  '1',
  '1.2.3',
  '01.2.3.4',
  '0x7f000001',
  'a.0x1',
  '1.2.3.4.',
  '[1.2.3.4]',
  'a..b',
  '-a',
  'a b',
  'münchen.de',
  '１.2.3.4',
  'a/b',
  'a:1',
  '::1%1',
  `${'a'.repeat(64)}.b`,
  `${'a.'.repeat(127)}ab`,
])('%j is no host', (text) => expect(canonicalHost(text)).toBeNull());

test('a canonical host is its own canonical spelling', () => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      const host = canonicalHost(text);
      if (host !== null) expect(canonicalHost(host)).toBe(host);
    }),
  );
});

test('templates know their placeholders and nothing else', () => {
  expect(templateRule('u-{token}-{ttl_minutes}')).toBeNull();
  for (const wrong of ['', '{nope}', '{token', 'token}', '{{token}}', 'a\nb'])
    expect(templateRule(wrong)).not.toBeNull();
});

test('a bucket gives its burst at once, then its rate, and says how long to wait', () => {
  let nowMs = 0;
  const limit = createRateLimit({ nowMs: () => 0, monotonicMs: () => nowMs }, 2, 3);
  expect([1, 2, 3, 4].map(() => limit.take('k'))).toEqual([0, 0, 0, 1]);
  expect(limit.take('other')).toBe(0);
  nowMs = 500;
  expect([limit.take('k'), limit.take('k')]).toEqual([0, 1]);
  nowMs = 60_000;
  expect([1, 2, 3, 4].map(() => limit.take('k'))).toEqual([0, 0, 0, 1]);
});

test('a key comes after Bearer or by itself', () => {
  expect(['Bearer  k', 'bearer k', 'k', ' k '].map(keyOfHeader)).toEqual(['k', 'k', 'k', 'k']);
  expect([null, '', 'Bearer '].map(keyOfHeader)).toEqual([null, null, null]);
});

test('a method without a row is refused, not served by default', () => {
  const stranger = { ...Proxies.methods[0]!, name: 'Stranger' };
  expect(() => ruleOf(stranger)).toThrow(`${fullName(stranger)} has no row`);
});

test('names beyond the cap share one series and keep counting up', () => {
  const cap = createLabelCap(2);
  const sample = (pool: string, value: number) => ({ labels: [pool, 'in'], value });
  const first = cap(['pool', 'direction'], [sample('a', 1), sample('b', 2), sample('c', 3), sample('d', 4)]);
  expect(first).toEqual([sample('a', 1), sample('b', 2), sample('other', 7)]);
  const second = cap(['pool', 'direction'], [sample('d', 5), sample('b', 2), sample('a', 1)]);
  expect(second).toEqual([sample('other', 5), sample('b', 2), sample('a', 1)]);
  expect(cap(['cause'], [{ labels: ['x'], value: 1 }])).toEqual([{ labels: ['x'], value: 1 }]);
  const columns = (pools: string[]) => ({ pools, columns: [{ labels: ['in'], values: Float64Array.of(1, 2, 3) }] });
  expect(cap(['pool', 'direction'], columns(['b', 'a']))).toEqual(columns(['b', 'a']));
  expect(cap(['pool', 'direction'], columns(['c', 'a', 'd']))).toEqual([sample('other', 4), sample('a', 2)]);
});
