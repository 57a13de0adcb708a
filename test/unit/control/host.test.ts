/**
 * Hosts at the API's door: one spelling each, and nothing that some resolver would
 * read as another host than it looks (F9, S02–S04, S09, S19, S20).
 */
import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalHost } from '../../../control/host.ts';
import { ODD_HOSTS } from '../../helpers/odd-hosts.ts';

describe('an upstream host', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['Proxy.Example.COM', 'proxy.example.com'],
    ['proxy.example.com.', 'proxy.example.com'],
    ['LOCALHOST.', 'localhost'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0:0:0:0:0:ffff:7f00:1', '::ffff:7f00:1'],
    ['::ffff:127.0.0.1', '::ffff:7f00:1'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('%s is stored as %s', (host, stored) => expect(canonicalHost(host)).toBe(stored));

  test.each(ODD_HOSTS)('%j is refused', (host) => expect(canonicalHost(host)).toBeNull());

  test('is an address in its one spelling, or a name that no resolver takes for an address', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '127',
      '0x7f',
      '0177',
      'a',
      'x',
      '.',
      ':',
      '[',
      ']',
      '%',
      '１',
      '。',
      '①',
      '-',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const host = canonicalHost(pieces.join(''));
        if (host === null) return;
        expect(canonicalHost(host)).toBe(host);
        // What a URL's parser, which knows every spelling that getaddrinfo takes, makes of it is the same host.
        const url = new URL(`http://${isIP(host) === 6 ? `[${host}]` : host}`).hostname.replace(/^\[|\]$/g, '');
        expect(url).toBe(host);
      }),
      { numRuns: 2_000 },
    );
  });
});
