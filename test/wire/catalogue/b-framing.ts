/** Catalogue, part B: the lengths and codings that could make two parties disagree on where a message ends. */
import { Catalogue, forwarded, refused, request, request10, sent } from './case.ts';

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);
const each: Catalogue['each'] = (...row) => catalogue.each(...row);

const POST = 'POST http://a.test/';
const GET = 'GET http://a.test/';
const CHUNKED = 'Transfer-Encoding: chunked';
const LAST = '0\r\n\r\n';
const SMUGGLED = '23\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n';
const INNER = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const BAD = refused('bad_request');

const post = (...lines: string[]): string => request(POST, lines, LAST);
const te = (value: string): string => post(`Transfer-Encoding: ${value}`);
const cl = (value: string): string => post(`Content-Length: ${value}`);

for (const method of ['GET', 'HEAD', 'get'])
  add(
    'B01',
    'F1',
    method,
    request(`${method} http://a.test/`, [CHUNKED], SMUGGLED),
    method === 'get' ? refused('method_unsupported') : BAD,
  );
for (const method of ['DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'PROPFIND', 'SEARCH', 'QUERY']) {
  const line = `${method} http://a.test/`;
  add('B01', 'F1', method, request(line, [CHUNKED], SMUGGLED), forwarded(sent(line, [CHUNKED], SMUGGLED)));
}
add('B01', 'F1', 'GET, an empty body', request(GET, [CHUNKED], LAST), BAD);
add('B01', 'F1', 'TRACE', request('TRACE http://a.test/', [CHUNKED], SMUGGLED), refused('method_unsupported', 405));

const filler = Array.from({ length: 1_100 }, () => 'a:');
for (const [id, hidden] of [
  ['B02', CHUNKED], ['B03', 'Content-Length: 5'], ['B04', 'Connection: X-Secret'], ['B04', 'Host: b.test'],
  ['B04', 'Proxy-Authorization: Basic eDp5'], ['B04', 'Expect: x'], ['B04', 'Upgrade: websocket'],
] as const) // biome-ignore format: one list
  add(id, 'F2; HAProxy CVE-2023-25725', hidden, request(POST, [...filler, hidden], LAST), refused('head_too_large'));
add(
  'B04',
  'F2',
  'the credential itself',
  `${GET} HTTP/1.1\r\nHost: a.test\r\n${'a:\r\n'.repeat(1_100)}Proxy-Authorization: {auth}\r\n\r\n`,
  refused('head_too_large'),
);
add(
  'B04',
  'F2',
  'and a bare LF behind them',
  `${GET} HTTP/1.1\r\nHost: a.test\r\n${'a:\r\n'.repeat(1_100)}X: y\nX: z\r\n\r\n`,
  BAD,
);

add(
  'B05',
  'RFC 9112 §6.3; tinyproxy CVE-2026-54387',
  'length, chunked',
  request(POST, ['Content-Length: 5', CHUNKED], LAST + INNER),
  BAD,
);
add('B05', 'RFC 9112 §6.3', 'length 0, chunked', request(POST, ['Content-Length: 0', CHUNKED], LAST), BAD);
add(
  'B05',
  'RFC 9112 §6.3',
  'with a line between, in other cases',
  request(POST, ['content-length:5', 'X: y', 'TRANSFER-ENCODING:CHUNKED'], LAST),
  BAD,
);
add(
  'B05',
  'RFC 9112 §6.3',
  'an unknown coding',
  request(POST, ['Content-Length: 5', 'Transfer-Encoding: x'], LAST),
  BAD,
);
add(
  'B06',
  'mitmproxy CVE-2021-39214',
  'chunked, length',
  request(POST, [CHUNKED, 'Content-Length: 5'], LAST + INNER),
  BAD,
);
add('B06', 'idem', 'chunked, length, GET', request(GET, [CHUNKED, 'Content-Length: 5'], LAST), BAD);
add('B07', 'RFC 9112 §6.3; Garden s23', '5 and 6', post('Content-Length: 5', 'Content-Length: 6'), BAD);
add('B07', 'idem', '0 and 5', post('Content-Length: 0', 'X: y', 'content-length: 5'), BAD);
add('B07', 'idem', '5 and 05', post('Content-Length: 5', 'Content-Length: 05'), BAD);
add('B08', 'guardian', '5 and 5', post('Content-Length: 5', 'Content-Length: 5'), BAD);
add('B08', 'guardian', '0 and 0', post('Content-Length: 0', 'Content-Length: 0'), BAD);
add('B08', 'guardian', 'three', post('Content-Length: 5', 'Content-Length: 5', 'Content-Length: 5'), BAD);
each(
  'B09',
  'Http11Probe SMUG-CL-COMMA-SAME',
  ['5, 5', '5,5', '5,', ',5', '5, 6', '0,0', '5;5', '5 5', '5\t5'],
  cl,
  BAD,
);
each('B10', 'HAProxy CVE-2023-40225; Garden s16, s38', ['', ' ', '\t', ' \t '], cl, BAD);
add('B11', 'Garden s42, t11', 'empty, then 43', post('Content-Length:', 'Content-Length: 43'), BAD);
add('B11', 'Garden s42, t11', '43, then empty', post('Content-Length: 43', 'Content-Length:'), BAD);
each('B12', 'Garden s10, s25, s29; guardian', [
  '+5', '-1', '-0', '+0', '0x5', '0X5', '0b1', '0o5', '1_0', '1 0', '5a', 'a5', '1.0', '5.', '.5', '1e1', '005', '00', '05', '"5"', "'5'",
  '5;', '5#', '\xb2', '\xd9\xa5', '\xef\xbc\x95', '\xa05', '5\xa0', '\x855', 'NaN', 'Infinity', 'five', '{5}', '5L', '--5', '++5', '0-5',
], cl, BAD); // biome-ignore format: one list
for (const n of ['0', '1', '5']) {
  const body = 'x'.repeat(Number(n));
  add(
    'B12',
    'the neighbour that is right',
    n,
    request(POST, [`Content-Length: \t${n} \t`], body),
    forwarded(sent(POST, [`Content-Length: ${n}`], body)),
  );
}
each('B14', 'HAProxy CVE-2021-40346 class; guardian', [
  '9007199254740992', '9999999999999999', '10000000000000000', '18446744073709551615', '18446744073709551616', '18446744073709551621', '99999999999999999999',
  '340282366920938463463374607431768211456', '9'.repeat(1_000),
], cl, BAD); // biome-ignore format: one list
for (const name of ['Content-Length', 'Transfer-Encoding', 'Host', 'Proxy-Authorization', 'X'])
  each(
    'B15',
    'RFC 9112 §5.1',
    [' ', '\t', '  ', ' \t', '\x0b', '\x0c', '\xa0', '\0'],
    (blank) => post(`${name}${blank}: 3`),
    BAD,
  );
each(
  'B17',
  'Http11Probe; guardian',
  ['xchunked', 'chunkedx', 'chunke', 'x-chunked', 'chunked_', 'br', 'zstd', 'trailers', 'gzipped', 'x', '*'],
  te,
  refused('bad_request', 501),
);
add('B17', 'idem', 'on a GET', request(GET, ['Transfer-Encoding: xchunked']), refused('bad_request', 501));
for (const line of [
  'Transfer-Encoding: Chunked', 'Transfer-Encoding: CHUNKED', 'transfer-encoding: cHuNkEd', 'TRANSFER-ENCODING:chunked', 'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \t chunked \t ',
]) // biome-ignore format: one list
  add(
    'B18',
    'tinyproxy CVE-2026-31842',
    line,
    request(POST, [line], `2\r\nhi\r\n${LAST}`),
    forwarded(sent(POST, [CHUNKED], `2\r\nhi\r\n${LAST}`)),
  );
each(
  'B19',
  'HAProxy VTC c6; Garden s11, t25',
  ['chunked, chunked', 'chunked,chunked', 'Chunked,chunked', 'chunked chunked', 'chunked\tchunked'],
  te,
  BAD,
);
add('B19', 'idem', 'two lines', post(CHUNKED, CHUNKED), BAD);
add(
  'B19',
  'idem',
  'two lines in two cases',
  post('transfer-encoding: chunked', 'X: y', 'TRANSFER-ENCODING: Chunked'),
  BAD,
);
add('B19', 'idem', 'the second empty', post(CHUNKED, 'Transfer-Encoding:'), BAD);
add('B19', 'idem', 'the first unknown', post('Transfer-Encoding: x', CHUNKED), BAD);
each('B20', 'Garden s21, t9, t18', [',chunked', ' , chunked', ',,chunked', '\t,chunked'], te, BAD);
each('B21', 'Http11Probe', ['chunked,', 'chunked ,', 'chunked,,', 'chunked, '], te, BAD);
each('B23', 'HAProxy VTC c8, c9', [
  'chunked, gzip', 'gzip', 'GZIP', 'identity', 'gzip, chunked', 'identity, chunked', 'chunked, identity', 'deflate', 'compress', 'x-gzip', 'x-compress', 'gzip;q=1', 'x, y',
], te, BAD); // biome-ignore format: one list
each('B24', 'Http11Probe SMUG-TE-EMPTY-VALUE', ['', ' ', '\t'], te, BAD);
each('B25', 'Http11Probe', [
  '\x0bchunked', '\x0cchunked', 'chunked\0', '\0chunked', 'chunked\x0b', 'chunked\x0c', 'chunked\x7f', '\xa0chunked', 'chunked\xa0', '\x85chunked', '\x1fchunked',
  'chu nked', 'chun\0ked', '"chunked"', "'chunked'\0", '\xef\xbb\xbfchunked', 'chunked\x08', '(chunked)', 'ch\xfcnked', 'chun\xc4\xb1ked',
], te, BAD); // biome-ignore format: one list
each(
  'B27',
  'RFC 9112 §7.1',
  ['chunked;a=b', 'chunked; a=b', 'chunked ;a', 'chunked;', 'chunked;q=0', 'chunked=1', 'chunked:'],
  te,
  BAD,
);
add('B28', 'RFC 9112 §6.1; Pingora CVE-2026-2835', '1.0', request10(POST, [CHUNKED], LAST), BAD);
add('B28', 'idem', '1.0 that keeps', request10(POST, ['Connection: keep-alive', CHUNKED], LAST), BAD);
add('B28', 'idem', '1.0 with a length', request10(POST, ['Content-Length: 5', CHUNKED], LAST), BAD);
add('B28', 'idem', '1.0 and an unknown coding', request10(POST, ['Transfer-Encoding: x'], LAST), BAD);
for (const blank of [' ', '\t', '  ', ' \t']) {
  const name = JSON.stringify(blank);
  add('B29', 'RFC 9112 §5.2; Node CVE-2022-32215 class', name, post('Transfer-Encoding:', `${blank}chunked`), BAD);
  add('B29', 'idem', `${name}, behind chunked`, post(CHUNKED, `${blank}, gzip`), BAD);
  add('B30', 'Node CVE-2024-27982 class', name, post('Content-Length: 1', `${blank}0`), BAD);
  add('B30', 'idem', `${name}, the whole value`, post('Content-Length:', `${blank}10`), BAD);
  add('B57', 'RFC 9112 §5.2', name, request(GET, ['X: a', `${blank}b`]), BAD);
  add('B57', 'RFC 9112 §5.2', `${name}, nothing more`, request(GET, ['X: a', blank]), BAD);
  add(
    'B57',
    'RFC 9112 §5.2',
    `${name}, a line that looks like one`,
    request(GET, ['X: a', `${blank}Content-Length: 5`]),
    BAD,
  );
  add(
    'B58',
    'Garden s3, s4',
    `${name} before the first line`,
    `${GET} HTTP/1.1\r\n${blank}Host: a.test\r\nProxy-Authorization: {auth}\r\n\r\n`,
    BAD,
  );
}

export const FRAMING = catalogue.cases;
