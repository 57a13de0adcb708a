import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  authorityOf,
  canonicalHost,
  hostFieldOf,
  parseAbsoluteTarget,
  parseAuthorityTarget,
} from '../../../../gateway/http1/target.ts';

describe('canonicalHost', () => {
  test.each([
    ['A.Test', 'a.test'], ['a.test.', 'a.test'], ['a_b', 'a_b'], ['127.1', '127.0.0.1'], ['0', '0.0.0.0'], ['017700000001', '127.0.0.1'],
    ['0X7F000001', '127.0.0.1'], ['[::1]', '::1'], ['[0:0::0:1]', '::1'], ['[::ffff:1.2.3.4]', '::ffff:102:304'], ['l'.repeat(63), 'l'.repeat(63)],
  ])('%j → %j', (text, host) => {
    expect(canonicalHost(text)).toBe(host);
  }); // biome-ignore format: one table

  test.each([
    '',
    '.',
    '..',
    'a..b',
    '.a',
    'a..',
    'a b',
    'a/b',
    'a%41',
    '256.256.256.256',
    '1.2.3.4.5',
    '4294967296',
    '[::1',
    '::1',
    '[]',
    '[1.2.3.4]',
    '[fe80::1%25eth0]',
    'l'.repeat(64),
    '\u00e9',
    '\u2460',
  ])('%j is none', (text) => {
    expect(canonicalHost(text)).toBe(null);
  });

  test('is canonical: what it answers it answers again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'B', '1', '0x', '.', '-', '_', '255', '[', ']', ':'), { maxLength: 8 }),
        (parts) => {
          const host = canonicalHost(parts.join(''));
          if (host !== null) expect(canonicalHost(host.includes(':') ? `[${host}]` : host)).toBe(host);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

test('the path is kept byte for byte', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('/', '.', '..', '%2f', '?', '&', '=', ':', '@', '\\', 'x'), { maxLength: 12 }),
      (parts) => {
        const path = `/${parts.join('')}`;
        expect(parseAbsoluteTarget(`http://a.test${path}`)).toEqual({ host: 'a.test', port: 80, path });
      },
    ),
  );
});

test('authorities read back to what they were written from', () => {
  const host = fc.constantFrom('a.test', '127.0.0.1', '::1', '2001:db8::1');
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
      expect(parseAuthorityTarget(authorityOf(name, port))).toEqual({ host: name, port, path: '' });
      const field = hostFieldOf({ host: name, port, path: '/' });
      expect(parseAbsoluteTarget(`http://${field}/`)).toEqual({ host: name, port, path: '/' });
    }),
  );
});
