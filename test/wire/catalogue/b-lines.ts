/** Catalogue, part B: line ends, names and values, and what Connection may say. */
import { answered, Catalogue, forwarded, ok, refusal, refused, request, request10, sent } from './case.ts';

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);
const each: Catalogue['each'] = (...row) => catalogue.each(...row);

const POST = 'POST http://a.test/';
const GET = 'GET http://a.test/';
const BAD = refused('bad_request');

const plain = request(GET);
/** The request with its nth CRLF replaced. */
function lineEnd(n: number, by: string): string {
  const lines = plain.split('\r\n');
  return lines.slice(0, n).join('\r\n') + by + lines.slice(n).join('\r\n');
}
for (const [what, by] of [
  ['LF', '\n'],
  ['CR', '\r'],
  ['LF CR', '\n\r'],
  ['CR CR LF', '\r\r\n'],
  ['CR SP LF', '\r \n'],
  ['NEL', '\x85'],
  ['VT', '\x0b'],
  ['FF', '\x0c'],
  ['U+2028', '\xe2\x80\xa8'],
  ['CR NUL LF', '\r\0\n'],
] as const) {
  // biome-ignore format: one list
  const id = what.includes('CR') ? 'B56' : 'B55';
  for (let n = 1; n <= 3; n++)
    add(id, 'RFC 9112 §2.2; CVE-2025-23167', `${what} in place of line end ${n}`, lineEnd(n, by), BAD);
}
for (const [name, octets] of [
  ['LF everywhere', plain.replaceAll('\r\n', '\n')], ['CR everywhere', plain.replaceAll('\r\n', '\r')], ['LF CR everywhere', plain.replaceAll('\r\n', '\n\r')],
  ['ended by LF LF', `${plain.slice(0, -4)}\n\n`], ['ended by CRLF LF', `${plain.slice(0, -2)}\n`],
] as const) // biome-ignore format: one list
  add('B55', 'RFC 9112 §2.2', name, octets, BAD);
for (const [name, octets] of [
  ['CRLF CR X', `${plain.slice(0, -2)}\rX`], ['CRLF CR CRLF', `${plain.slice(0, -2)}\r\r\n`], ['CR CR', `${plain.slice(0, -4)}\r\r`],
  ['CR inside a value', request(GET, ['X: a\rb'])], ['CR at the start of a value', request(GET, ['X:\ra'])], ['CR at the end of a value', request(GET, ['X: a\r'])],
  ['CR inside a name', request(GET, ['X\rY: a'])], ['CR before a name', request(GET, ['\rX: a'])], ['CR that hides a field', request(GET, ['X: a\rTransfer-Encoding: chunked'])],
  ['LF that hides a field', request(GET, ['X: a\nTransfer-Encoding: chunked'])],
] as const) // biome-ignore format: one list
  add('B56', 'CVE-2025-23167; Garden s30, s34', name, octets, BAD);

each('B58', 'Garden s14, s18, s20, s28; CVE-2023-25725', [
  'X', ': x', ':', ' : x', 'X[]: x', 'X\x85: x', 'X\xc3\xbc: x', 'X Y: z', '"X": y', 'X@: y', 'X/Y: z', 'X(y): z', 'X=y', 'X,Y: z', 'X{}: y', 'X\\: y', 'X;: y', 'X<>: y', 'X?: y',
  '\xef\xbb\xbfX: y', '=', 'GET http://evil.test/ HTTP/1.1', '\x80: y', '\xff', ' X: y',
], (line) => request(GET, [line]), BAD); // biome-ignore format: one list
const controls = [...Array(32).keys(), 127].filter((c) => ![9, 10, 13].includes(c)).map((c) => String.fromCharCode(c));
for (const c of controls) {
  const name = `0x${c.charCodeAt(0).toString(16)}`;
  add('B59', 'Garden s2, s35, s43', `${name} in a value`, request(GET, [`X: a${c}b`]), BAD);
}
for (const c of ['\0', '\x07', '\x0b', '\x1b', '\x7f']) {
  const name = `0x${c.charCodeAt(0).toString(16)}`;
  add('B59', 'idem', `${name} at the end of a value`, request(GET, [`X: a${c}`]), BAD);
  add('B59', 'idem', `${name} in a name`, request(GET, [`X${c}Y: a`]), BAD);
  add('B59', 'idem', `${name} in the credential`, request(GET).replace('{auth}', `{auth}${c}`), BAD);
}

add('B60', 'F6', 'letters', `${plain}GARBAGE\r\n\r\n`, answered([sent(GET)], ok(), refusal('bad_request')));
add('B60', 'F6', 'control octets', `${plain}\x16\x03\x01\0`, answered([sent(GET)], ok(), refusal('bad_request')));
add(
  'B60',
  'F6',
  'a head of another version',
  `${plain}${plain.replace('/1.1', '/2.0')}`,
  answered([sent(GET)], ok(), refusal('version_unsupported')),
);
for (const line of [
  'Connection: close',
  'connection: CLOSE',
  'Connection: keep-alive, close',
  'Connection: close,',
  'Connection:\tclose\t',
  'Connection: , Close ,',
])
  add('B61', 'RFC 9112 §9.6', line, request(GET, [line]), forwarded(sent(GET), true));
add(
  'B61',
  'RFC 9112 §9.6',
  'on two lines',
  request(GET, ['Connection: X-Foo', 'X-Foo: y', 'Connection: close']),
  forwarded(sent(GET), true),
);
add('B61', 'RFC 9112 §9.6', 'HTTP/1.0', request10(GET), forwarded(sent(GET), true));
add(
  'B61',
  'RFC 9112 §9.6',
  'HTTP/1.0 and Proxy-Connection',
  request10(GET, ['Proxy-Connection: keep-alive']),
  forwarded(sent(GET), true),
);

const many = [
  'Accept: */*',
  'a:b',
  'Cookie: x=y; z',
  'Cookie: again',
  'X-Empty:',
  'X-Blank: \t',
  'x_y: \t padded \t',
  'X: "quoted, \\" and, listed"',
  'X: second',
  "!#$%&'*+-.^_`|~: odd",
];
add('B62', 'h1spec fragments', 'lines of every kind', request(GET, many), forwarded(sent(GET, many)));
add(
  'B62',
  'h1spec fragments',
  'hop-by-hop lines among them',
  request(GET, [
    'A: 1',
    'Connection: X-Hop',
    'X-Hop: 1',
    'B: 2',
    'TE: trailers',
    'Keep-Alive: 5',
    'x-hop: 2',
    'C: 3',
    'Proxy-Connection: x',
  ]),
  forwarded(sent(GET, ['A: 1', 'B: 2', 'C: 3'])),
);
add(
  'B62',
  'h1spec fragments',
  'a body of a length',
  request(POST, ['Content-Length: 10'], '0123456789'),
  forwarded(sent(POST, ['Content-Length: 10'], '0123456789')),
);
each('E13', 'RFC 9110 §7.6.1', [
  'Host', 'host', 'Content-Length', 'Transfer-Encoding', 'Proxy-Authorization', 'Authorization', 'Cookie', 'Cache-Control', 'Content-Type', 'Range', 'Expect', 'Via', 'X-Forwarded-For', 'close, HOST',
  'Connection, Proxy-Connection, Host, Content-Length, Transfer-Encoding, Proxy-Authorization', 'X-Foo\xa0', '\xa0close', 'close\x85', 'X Foo', '"close"', 'close; x', 'X-Foo=1', 'a:b', '\xfc',
], (value) => request(GET, [`Connection: ${value}`]), BAD); // biome-ignore format: one list
add(
  'E13',
  'tinyproxy CVE-2023-49606',
  'Connection names itself',
  request(GET, ['Connection: Connection', 'A: 1', 'Connection: connection, Proxy-Connection', 'Proxy-Connection: x']),
  forwarded(sent(GET, ['A: 1'])),
);

const obsText = ['X: \xff\xfe', 'X: \xe9t\xe9', 'X: \x80\x9f\xa0', 'X: \xc3\xa9\xe2\x82\xac'];
for (const line of obsText) add('B63', 'RFC 9110 §5.5', line, request(GET, [line]), forwarded(sent(GET, [line])));

export const LINES = catalogue.cases;
