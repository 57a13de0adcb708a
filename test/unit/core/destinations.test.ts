/** The grammar of a pool's destinations: what an entry means, how it is spelled, what it covers. */
import { isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/core/address.ts';
import {
  compileDestinations,
  type DestinationRule,
  formatDestination,
  parseDestination,
} from '../../../src/core/destinations.ts';

function ruleOf(entry: string): DestinationRule {
  const rule = parseDestination(entry);
  if (typeof rule === 'string') throw new Error(`${entry}: ${rule}`);
  return rule;
}
const covers = (entries: string[], host: string, port = 443) =>
  compileDestinations(entries.map(ruleOf))({ host, port });

test.each([
  ['example.com', 'example.com'],
  ['.Example.COM.', '.example.com'],
  ['EXAMPLE.com:443', 'example.com:443'],
  ['localhost', 'localhost'],
  [':25', ':25'],
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7/32', '203.0.113.7'],
  ['203.0.113.0/24:80', '203.0.113.0/24:80'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '[2001:db8::1]:443'],
  ['[2001:db8::/32]:443', '[2001:db8::/32]:443'],
  ['::/0', '::/0'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['[::ffff:203.0.113.0/120]:80', '203.0.113.0/24:80'],
])('%s is stored as %s', (entry, canonical) => {
  expect(formatDestination(ruleOf(entry))).toBe(canonical);
});

test.each([
  '',
  '.',
  '..',
  'a..b',
  '*.example.com',
  '-a.com',
  'a b',
  'münchen.de',
  '\u212a.com',
  'example.com/24',
  '127.1',
  '1.2.3',
  '0x7f.1',
  'a.0x1',
  '01.2.3.4',
  '256.1.1.1',
  '[1.2.3.4]',
  '[::1',
  '::1%eth0',
  '/24',
  `${'a.'.repeat(127)}ab`,
])('%j is no destination', (entry) => expect(parseDestination(entry)).toMatch(/host name/));

test.each([':', ':0', ':65536', ':080', 'a:b', 'a:', 'http://a.b', '[::1]:x', ':-1', ':1e3'])(
  '%j has no port',
  (entry) => {
    expect(parseDestination(entry)).toMatch(/1–65535/);
  },
);

test.each(['1.2.3.4/', '1.2.3.4/33', '1.2.3.4/08', '::/129', '::/x'])('%j has no prefix', (entry) => {
  expect(parseDestination(entry)).toMatch(/prefix of/);
});

test.each(['203.0.113.7/24', '2001:db8::1/32', '0.0.0.1/0'])('%j has bits behind its prefix', (entry) => {
  expect(parseDestination(entry)).toMatch(/no bit set/);
});

describe('a rule on', () => {
  test('a name covers it and what is below it, and a dot in front leaves itself out', () => {
    expect(['example.com', 'a.example.com', 'a.b.example.com'].map((host) => covers(['example.com'], host))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['myexample.com', 'example.com.evil.net', 'com'].map((host) => covers(['example.com'], host))).toEqual([
      false,
      false,
      false,
    ]);
    expect(covers(['.example.com'], 'example.com')).toBe(false);
    expect(covers(['.example.com'], 'www.example.com')).toBe(true);
  });

  test('a port covers every host, and a host with a port that port only', () => {
    expect([covers([':25'], 'a.b', 25), covers([':25'], '::1', 25), covers([':25'], 'a.b', 26)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([covers(['a.b:80'], 'x.a.b', 80), covers(['a.b:80'], 'a.b', 81)]).toEqual([true, false]);
    expect([covers(['10.0.0.0/8:80'], '10.1.2.3', 80), covers(['10.0.0.0/8:80'], '10.1.2.3', 81)]).toEqual([
      true,
      false,
    ]);
  });

  test('an IPv4 network covers its addresses in their IPv6 spelling, and none of IPv6', () => {
    expect(covers(['10.0.0.0/8'], '::ffff:10.1.2.3')).toBe(true);
    expect(covers(['10.0.0.0/8'], '::ffff:a01:203')).toBe(true);
    expect(covers(['::/0'], '10.1.2.3')).toBe(false);
    expect(covers(['0.0.0.0/0'], '2001:db8::1')).toBe(false);
  });

  test('an address never covers a name, nor a name an address', () => {
    expect(covers(['0.0.0.0/0', '::/0'], 'example.com')).toBe(false);
    expect(covers(['com'], '10.0.0.1')).toBe(false);
  });
});

const octet = fc.integer({ min: 0, max: 255 });
const address = fc.oneof(
  fc.array(octet, { minLength: 4, maxLength: 4 }),
  fc.array(octet, { minLength: 16, maxLength: 16 }),
);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => [...labels, 'x'].join('.'));
const port = fc.option(fc.integer({ min: 1, max: 65_535 }));
const bitsOf = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');

test('addresses survive being spelled, and IPv6 is spelled as the system reads it', () => {
  fc.assert(
    fc.property(address, (bytes) => {
      const text = formatAddress(bytes);
      if (bytes.length === 16) expect(isIPv6(text)).toBe(true);
      expect(parseAddress(text)).toEqual(parseAddress(formatAddress(parseAddress(text) ?? [])));
      expect(parseAddress(text)).not.toBeNull();
    }),
  );
});

test('a canonical entry reads as the rule that it was written from', () => {
  const networks = fc.tuple(address, fc.nat(128)).map(([bytes, wanted]) => {
    const prefix = Math.min(wanted, bytes.length * 8);
    const bits = bitsOf(bytes)
      .slice(0, prefix)
      .padEnd(bytes.length * 8, '0');
    return { kind: 'network', bytes: (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)), prefix };
  });
  const rules = fc.oneof(
    fc.record({ kind: fc.constant('any'), port: fc.integer({ min: 1, max: 65_535 }) }),
    fc.record({ kind: fc.constant('name'), name, itself: fc.boolean(), port }),
    fc.tuple(networks, port).map(([network, at]) => ({ ...network, port: at })),
  ) as fc.Arbitrary<DestinationRule>;
  fc.assert(
    fc.property(rules, (rule) => {
      const entry = formatDestination(rule);
      expect(formatDestination(ruleOf(entry))).toBe(entry);
      // Networks of mapped addresses are those of IPv4.
      const isMapped = rule.kind === 'network' && rule.bytes.length === 16 && entry.includes('.');
      if (!isMapped) expect(ruleOf(entry)).toEqual(rule);
    }),
  );
});

test('a network covers exactly the addresses that begin with its bits', () => {
  const v4 = fc.array(octet, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(v4, fc.nat(32), v4, fc.nat(32), (base, prefix, other, shared) => {
      const network = bitsOf(base).slice(0, prefix);
      const entry = formatDestination({
        kind: 'network',
        bytes: (network.padEnd(32, '0').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)),
        prefix,
        port: null,
      });
      // Half of the targets share bits with the network, or none would be near it.
      const target = (bitsOf(base).slice(0, shared) + bitsOf(other).slice(shared)).match(/.{8}/g) ?? [];
      const host = target.map((byte) => Number.parseInt(byte, 2)).join('.');
      expect(covers([entry], host)).toBe(target.join('').startsWith(network));
    }),
  );
});

test('whatever is written, the answer is a rule or a sentence that does not quote it', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (noise) => {
      const parsed = parseDestination(`~${noise}~`);
      expect(typeof parsed).toBe('string');
      expect(parsed).not.toContain(`~${noise}~`);
    }),
  );
});
