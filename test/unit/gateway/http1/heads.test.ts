import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFields } from '../../../../gateway/http1/fields.ts';
import { hasStrayOctet, isFieldValue, isToken, trimOws } from '../../../../gateway/http1/octets.ts';
import { parseReplyHead } from '../../../../gateway/http1/reply-head.ts';
import { isRefusal, parseRequestHead, type RequestHead } from '../../../../gateway/http1/request-head.ts';
import { forwardedHead } from '../../../../gateway/http1/write-head.ts';
import { defaultLimits } from '../../../../src/core/limits.ts';

/** Octets that look like a head often enough to get past the first check. */
const nearlyHead = fc
  .tuple(
    fc.constantFrom(
      'GET http://a.test/ HTTP/1.1\r\n',
      'CONNECT a:1 HTTP/1.0\r\n',
      'POST http://a/ HTTP/1.1\r\n',
      'HTTP/1.1 200 OK\r\n',
      '',
    ),
    fc.array(
      fc.constantFrom(
        'Host: a\r\n',
        'Content-Length: 5\r\n',
        'Transfer-Encoding: chunked\r\n',
        'Connection: x\r\n',
        ':',
        '\r',
        '\n',
        '\0',
        ' ',
        'x',
      ),
      { maxLength: 8 },
    ),
    fc.constantFrom('\r\n', '\r\n\r\n', ''),
    fc.uint8Array({ maxLength: 8 }),
  )
  .map(([line, lines, end, noise]) => Buffer.concat([Buffer.from(line + lines.join('') + end), Buffer.from(noise)]));
const anything = fc.oneof(
  nearlyHead,
  fc.uint8Array({ minLength: 1, maxLength: 80 }).map((octets) => Buffer.from(octets)),
);

describe('no octets make a parser throw', () => {
  test('of request heads', () => {
    fc.assert(
      fc.property(
        anything.filter(({ length }) => length > 0),
        (octets) => {
          const head = parseRequestHead(octets, 0, defaultLimits);
          if (head !== null && !isRefusal(head)) expect(head.size).toBeLessThanOrEqual(octets.length);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('of reply heads', () => {
    fc.assert(
      fc.property(anything, fc.constantFrom('GET', 'HEAD', 'CONNECT'), (octets, method) => {
        const head = parseReplyHead(octets, 0, method, defaultLimits);
        if (head !== null && head !== 'malformed') expect(head.status).toBeGreaterThanOrEqual(100);
      }),
      { numRuns: 2_000 },
    );
  });
});

const name = fc.constantFrom('X-A', 'Accept', 'x-b', 'Cookie', 'If-None-Match');
const value = fc
  .array(fc.constantFrom('a', ' ', '\t', ',', ';', '"', '\xe9', ':', '='), { maxLength: 8 })
  .map((cs) => cs.join(''));
const accepted = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'DELETE', 'OPTIONS', 'PUT'),
    target: fc.constantFrom('http://a.test/', 'http://a.test:81/x?y=%20', 'HTTP://A.TEST', 'http://[::1]:8/'),
    fields: fc.array(fc.tuple(name, value), { maxLength: 5 }),
    framing: fc.constantFrom('', 'Content-Length: 7\r\n', 'Transfer-Encoding: chunked\r\n'),
  })
  .map(({ method, target, fields, framing }) => {
    const lines = fields.map(([n, v]) => `${n}:${v}\r\n`).join('');
    return Buffer.from(
      `${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines}${method === 'GET' ? '' : framing}\r\n`,
      'latin1',
    );
  });

function parsed(octets: Buffer): RequestHead {
  const head = parseRequestHead(octets, 0, defaultLimits);
  if (head === null || isRefusal(head)) throw new Error(`refused: ${octets.toString('latin1')}`);
  return head;
}

test('what is written from a parsed head parses to the same head again', () => {
  fc.assert(
    fc.property(accepted, (octets) => {
      const { size: _, ...first } = parsed(octets);
      const again = parsed(Buffer.from(forwardedHead(first as RequestHead, 'Basic eDp5', false), 'latin1'));
      const path = first.target.path === '' && first.method !== 'OPTIONS' ? '/' : first.target.path;
      expect(again).toMatchObject({ ...first, target: { ...first.target, path }, proxyAuthorization: 'Basic eDp5' });
    }),
  );
});

test('a head that arrives in two pieces reads as one that came whole, and is never refused before', () => {
  fc.assert(
    fc.property(accepted, (octets) => {
      for (let at = 1; at < octets.length; at++) {
        expect(parseRequestHead(octets.subarray(0, at), 0, defaultLimits)).toBe(null);
        expect(parseRequestHead(octets, at, defaultLimits)).toEqual(parsed(octets));
      }
    }),
    { numRuns: 20 },
  );
});

describe('parseFields', () => {
  const read = (text: string, maxLines = 100) => parseFields(Buffer.from(`${text}\r\n`, 'latin1'), text, 0, maxLines);
  test.each([
    ['', 0],
    ['A: 1\r\n', 1],
    ['A: 1\r\nB: 2\r\n', 2],
  ])('%j: %i lines, counted exactly', (text, lines) => {
    expect(read(text, lines)).not.toBe('too_many');
    if (lines > 0) expect(read(text, lines - 1)).toBe('too_many');
  });

  test('a known field twice is told, Connection is joined', () => {
    expect(read('Host: a\r\nHOST: a\r\n')).toMatchObject({ repeated: true });
    expect(read('Connection: a\r\nconnection: b\r\n')).toMatchObject({ repeated: false, connection: 'a,b' });
  });

  test('names from JavaScript’s own objects are names like any other', () => {
    const text = '__proto__: x\r\nconstructor: y\r\ntoString: z\r\n';
    expect(read(text)).toMatchObject({ endToEnd: text });
  });
});

describe('octets', () => {
  test.each([
    ['a\r\nb', false],
    ['a\r\nb\r', false],
    ['a\nb', true],
    ['\n', true],
    ['a\rb', true],
    ['a\r\rb', true],
    ['\r\n\n', true],
    ['a\tb \xff', false],
    ['a\0', true],
    ['\x7f\r\n', true],
    ['a\r\n\x1b', true],
  ])('%j has an octet that stands nowhere in a head: %s', (text, stray) => {
    expect(hasStrayOctet(Buffer.from(text, 'latin1'), 0)).toBe(stray);
  });

  test('classes hold exactly what RFC 9110 section 5 says', () => {
    const all = Array.from({ length: 256 }, (_, c) => String.fromCharCode(c));
    expect(all.filter((c) => isToken(c, 0, 1)).join('')).toBe(
      "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~",
    );
    expect([...Array(256).keys()].filter((c) => !isFieldValue(Uint8Array.of(c), 0, 1))).toEqual([
      ...Array(9).keys(),
      ...Array.from({ length: 22 }, (_, i) => 10 + i),
      127,
    ]);
    expect(isToken('', 0, 0)).toBe(false);
    expect(trimOws(' \t a b\t ', 0, 8)).toBe('a b');
  });
});
