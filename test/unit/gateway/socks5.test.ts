import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_MESSAGE,
  parseGreeting,
  parseSocksRequest,
  parseUsernamePassword,
  socksReply,
} from '../../../gateway/socks5.ts';
import { CAUSES, type Cause, SOCKS_REPLIES } from '../../../src/core/cause.ts';
import { greeting, reply, request, usernamePassword } from '../../helpers/socks-client.ts';

const buffer = (text: string): Buffer => Buffer.from(text, 'latin1');
const BAD = { cause: 'bad_request' };

type Parser = (octets: Buffer) => object | null;
const PARSERS: readonly Parser[] = [parseGreeting, parseUsernamePassword, parseSocksRequest];

/** The first verdict as the octets come one by one, and how many it took. */
function verdict(parse: Parser, octets: Buffer): { found: object | null; after: number } {
  for (let after = 0; after <= octets.length; after++) {
    const found = parse(octets.subarray(0, after));
    if (found !== null) return { found, after };
  }
  return { found: null, after: octets.length };
}

describe('a greeting', () => {
  test('lists the methods', () => {
    expect(parseGreeting(buffer(`${greeting(0, 1, 2)}behind`))).toEqual({ methods: [0, 1, 2], size: 5 });
    expect(parseGreeting(buffer(greeting(...Array(255).fill(7))))).toMatchObject({ size: 257 });
  });

  test.each(['\x04\x01\x02', '\x00', 'G', '\x05\x00'])('%j is none', (text) => {
    expect(parseGreeting(buffer(text))).toEqual(BAD);
  });
});

describe('a username and password', () => {
  test.each([
    ['default', 'key'],
    ['key', ''],
    ['', 'key'],
    ['', ''],
    ['u'.repeat(255), 'p'.repeat(255)],
    ['\xff\x00:', ':\n'],
  ])('%j and %j are read as they are', (username, password) => {
    const text = usernamePassword(username, password);
    expect(parseUsernamePassword(buffer(`${text}behind`))).toEqual({ username, password, size: text.length });
    expect(text.length).toBeLessThanOrEqual(MAX_MESSAGE);
  });

  test.each(['\x05', '\x00\x01a\x01b'])('%j is none', (text) => {
    expect(parseUsernamePassword(buffer(text))).toEqual(BAD);
  });
});

describe('a request', () => {
  test.each<[string, string | number[], string]>([
    ['a name', 'A.Test.', 'a.test'],
    ['an address in a name', '127.0.0.1', '127.0.0.1'],
    ['an odd spelling in a name', '0x7f.1', '127.0.0.1'],
    ['IPv6 in a name, in brackets', '[::1]', '::1'],
    ['an IPv4 address', [192, 0, 2, 1], '192.0.2.1'],
    ['an IPv6 address', [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1], '2001:db8::1'],
    ['IPv4 inside IPv6', [...Array(10).fill(0), 0xff, 0xff, 127, 0, 0, 1], '::ffff:7f00:1'],
    ['a name of 253 octets', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`, ''],
  ])('%s is made canonical', (_, host, canonical) => {
    const text = request(host, 443);
    const found = parseSocksRequest(buffer(`${text}behind`));
    expect(found).toEqual({ target: { host: canonical || host, port: 443, path: '' }, size: text.length });
  });

  test.each<[string, string, object]>([
    ['BIND', request('a.test', 80, 2), { cause: 'method_unsupported' }],
    ['UDP ASSOCIATE', request('a.test', 80, 3), { cause: 'method_unsupported' }],
    ['a command that does not exist', request('a.test', 80, 0), { cause: 'method_unsupported' }],
    ['another version', `\x04${request('a.test', 80).slice(1)}`, BAD],
    ['a reserved octet that is set', `\x05\x01\x01${request('a.test', 80).slice(3)}`, BAD],
    ['an unknown address type', '\x05\x01\x00\x02', { cause: 'bad_request', reply: 8 }],
    ['no address type at all', '\x05\x01\x00\x00', { cause: 'bad_request', reply: 8 }],
    ['an empty name', request('', 80), BAD],
    ['port 0', request('a.test', 0), BAD],
    ['a name with a NUL', request('a.test\x00.b', 80), BAD],
    ['a name with a blank', request('a test', 80), BAD],
    ['a name with a port', request('a.test:80', 80), BAD],
    ['a name that is no ASCII', request('\xe4.test', 80), BAD],
    ['a name of 254 octets', request('a'.repeat(254), 80), BAD],
    ['IPv6 with a zone', request('[fe80::1%lo]', 80), BAD],
    ['IPv6 without brackets', request('::1', 80), BAD],
    ['an address out of range', request('256.1.1.1', 80), BAD],
  ])('%s is refused', (_, text, refusal) => {
    expect(parseSocksRequest(buffer(text))).toEqual(refusal);
  });
});

describe('any octets', () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.tuple(fc.constantFrom(0, 1, 5), fc.uint8Array({ maxLength: 600 })).map(([first, rest]) => [first, ...rest]),
    fc
      .tuple(fc.constantFrom(1, 3, 4), fc.uint8Array({ maxLength: 300 }))
      .map(([type, rest]) => [5, 1, 0, type, ...rest]),
  );

  test('have one verdict, however they come, and soon', () => {
    fc.assert(
      fc.property(message, fc.constantFrom(...PARSERS), (codes, parse) => {
        const octets = Buffer.from(codes);
        const { found, after } = verdict(parse, octets);
        expect(parse(octets)).toEqual(found);
        // Judged by the last octet of the message: earlier when it is refused, never later.
        if (found !== null && 'size' in found) expect(found.size).toBe(after);
        if (found === null) expect(octets.length).toBeLessThan(MAX_MESSAGE);
      }),
      { numRuns: 300 },
    );
  });

  test('that were accepted mean what was written', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        expect(parseSocksRequest(buffer(request(host, port)))).toMatchObject({
          target: { host: host.toLowerCase(), port },
        });
      }),
    );
  });
});

test('every cause has a reply of RFC 1928, which is no success', () => {
  for (const cause of Object.keys(CAUSES) as Cause[]) {
    expect(SOCKS_REPLIES[cause]).toBeGreaterThanOrEqual(1);
    expect(SOCKS_REPLIES[cause]).toBeLessThanOrEqual(8);
    expect(socksReply({ cause })).toBe(reply(SOCKS_REPLIES[cause]));
  }
  expect(socksReply({ cause: 'bad_request', reply: 8 })).toBe(reply(8));
  expect(socksReply(null)).toBe(reply(0));
});
