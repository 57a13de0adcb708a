/** The checker that judges the gateway is judged by examples of RFC 9112. */
import { describe, expect, test } from 'vitest';
import { checkRequest, checkStream } from './rfc-checker.ts';

const get = 'GET http://a.test/ HTTP/1.1\r\n';
const post = 'POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n';

describe('what is a request', () => {
  test.each([
    ['absolute-form', `${get}Host: a.test\r\n\r\n`, ''],
    ['origin-form', 'GET /x?y HTTP/1.1\r\nHost: a.test:81\r\n\r\n', ''],
    ['asterisk-form', 'OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n', ''],
    ['1.0 without Host', 'GET http://a.test/ HTTP/1.0\r\n\r\n', ''],
    ['an empty value and obs-text', `${get}Host: a.test\r\nA:\r\nB: \t\xff \r\n\r\n`, ''],
    ['a length', `${post}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['chunks', `${post}Transfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n02;a;b="\\""\r\nlo\r\n0\r\nX: y\r\n\r\n`, 'hello'],
    ['a tunnel', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n\x16\x03', '\x16\x03'],
  ])('%s', (_, text, body) => {
    const read = checkRequest(text, 0);
    expect(read).toMatchObject({ body, end: text.length });
  });

  test('two in a row, and the start of a third', () => {
    const one = `${post}Content-Length: 2\r\n\r\nok`;
    expect(checkStream(one + one)).toMatchObject({ requests: [{ body: 'ok' }, { body: 'ok' }], tail: 'nothing' });
    expect(checkStream(one + one.slice(0, -1)).tail).toBe('partial');
  });
});

describe('what is none', () => {
  test.each([
    ['no Host', `${get}\r\n`, 'no Host'],
    ['two Hosts', `${get}Host: a\r\nHost: a\r\n\r\n`, 'more than one Host'],
    ['userinfo', 'GET http://u@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'not a request target'],
    ['a fragment', 'GET http://a.test/#x HTTP/1.1\r\nHost: a.test\r\n\r\n', 'not a request target'],
    ['two blanks', 'GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'not a request line'],
    ['another version', 'GET http://a.test/ HTTP/1.2\r\nHost: a.test\r\n\r\n', 'not a request line'],
    ['a bare LF', `${get}Host: a.test\nX: y\r\n\r\n`, 'not a field line'],
    ['a folded line', `${get}Host: a.test\r\nX: a\r\n b\r\n\r\n`, 'not a field line'],
    ['a blank before the colon', `${get}Host : a.test\r\n\r\n`, 'not a field line'],
    ['NUL', `${get}Host: a.test\r\nX: \0\r\n\r\n`, 'not a field line'],
    ['both framings', `${post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 'both framings'],
    ['two lengths', `${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, 'not one length'],
    ['a list of lengths', `${post}Content-Length: 1, 1\r\n\r\nx`, 'not one length'],
    ['a coding in 1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'a coding in HTTP/1.0'],
    ['another coding', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'a coding but chunked'],
    ['a size with a sign', `${post}Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n`, 'not a chunk line'],
    [
      'data of another size',
      `${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n`,
      'no CRLF behind a chunk',
    ],
    ['a trailer that is none', `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nX y\r\n\r\n`, 'not trailers'],
  ])('%s', (_, text, refused) => expect(checkRequest(text, 0)).toEqual({ refused }));

  test('extras that go no further may be any text, but lines', () => {
    const chunked = (rest: string) => `${post}Transfer-Encoding: chunked\r\n\r\n${rest}`;
    expect(checkRequest(chunked('0;a=""" \r\nno field\r\n\r\n'), 0, true)).toMatchObject({ body: '' });
    expect(checkRequest(chunked('0;a\rb\r\n\r\n'), 0, true)).toMatchObject({ refused: 'not a chunk line' });
    expect(checkRequest(chunked('0\r\n folded\r\n\r\n'), 0, true)).toMatchObject({ refused: 'not trailers' });
  });
});
