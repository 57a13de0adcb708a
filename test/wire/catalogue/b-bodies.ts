/** Catalogue, part B: chunked bodies. What breaks is cut upstream by a reset, with no last chunk; what is odd but right is written plain. */
import { broken, Catalogue, forwarded, request, sent } from './case.ts';

const catalogue = new Catalogue();

const POST = 'POST http://a.test/';
const CHUNKED = 'Transfer-Encoding: chunked';
const REST = '\r\nhello\r\n0\r\n\r\n';
const WHOLE = '5\r\nhello\r\n0\r\n\r\n';

const chunked = (body: string): string => request(POST, [CHUNKED], body);
const onward = (body: string): string => sent(POST, [CHUNKED], body);

/** `good` may go upstream as `travels`; `bad` is where the body breaks. */
function breaks(id: string, source: string, name: string, good: string, bad: string, travels = good): void {
  catalogue.add(id, source, name, chunked(good + bad), broken(onward(travels)));
}
function passes(id: string, source: string, name: string, body: string, travels: string): void {
  catalogue.add(id, source, name, chunked(body), forwarded(onward(travels)));
}

for (const [good, bad] of [
  ['0', 'x5'], ['0', 'X5'], ['', '+5'], ['', '-5'], ['', '-0'], ['0', '_5'], ['', ' 5'], ['', '\t5'], ['5', ' '], ['5', '\t'], ['5', ' ;a=b'], ['5', 'g'], ['', 'g'], ['5', '.0'], ['5', ','], ['5', 'h'],
  ['', '"5"'], ['', '\xb5'], ['5', '\xa0'], ['', '\0'], ['5', '\0'], ['5', '\x0b'], ['', '#5'], ['', '=5'], ['0', 'x'], ['5', ':'], ['', '\xef\xbc\x95'],
] as const) // biome-ignore format: one list
  breaks('B31', 'Garden s1, s25, t7, t19, t24', good + bad, good, bad + REST);
breaks('B31', 'idem', 'in the second chunk', '1\r\nx\r\n0', `x5${REST}`);
for (const size of ['5', '05', '005', '000000000005'])
  passes('B31', 'the neighbour that is right', size, `${size}\r\nhello\r\n0\r\n\r\n`, `${size}\r\nhello\r\n0\r\n\r\n`);
passes(
  'B31',
  'idem',
  'hexadecimal in both cases',
  `A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n`,
  `A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n`,
);

breaks('B32', 'Garden s17', 'at the start', '', `\r\nhello\r\n0\r\n\r\n`);
breaks('B32', 'Garden s17', 'behind a chunk', '5\r\nhello\r\n', '\r\n0\r\n\r\n');
breaks('B32', 'Garden s17', 'only an extension', '', `;a=b${REST}`);

for (const [good, bad] of [
  ['FFFFFFFFFFFF', 'FFFFF'], ['7FFFFFFFFFFF', 'FFFF'], ['100000000000', '00005'], ['000000000000', '5'], ['800000000000', '0000'], ['F'.repeat(12), 'F'.repeat(5_000)],
] as const) // biome-ignore format: one list
  breaks('B33', 'Http11Probe; HTTPWookiee 2040', (good + bad).slice(0, 24), good, bad + REST);

for (const [name, good, bad] of [
  ['the size line ended by LF', '5', '\nhello\r\n0\r\n\r\n'], ['the size line ended by CR', '5\r', 'hello\r\n0\r\n\r\n'], ['the size line ended by CR CR LF', '5\r', '\r\nhello\r\n0\r\n\r\n'],
  ['the data ended by LF', '5\r\nhello', '\n0\r\n\r\n'], ['the data ended by CR', '5\r\nhello\r', '0\r\n\r\n'], ['the data ended by LF CR', '5\r\nhello', '\n\r0\r\n\r\n'],
  ['the last size ended by LF', '5\r\nhello\r\n0', '\n\r\n'], ['the last line ended by LF', '5\r\nhello\r\n0\r\n', '\n'], ['the last line ended by CR X', '5\r\nhello\r\n0\r\n\r', 'X'],
  ['the last lines ended by LF LF', '5\r\nhello\r\n0', '\n\n'],
] as const) // biome-ignore format: one list
  breaks('B34', '"Funky chunks"; Kestrel CVE-2025-55315 class', name, good, bad);
for (const [name, extension] of [
  ['LF', 'a\nb'],
  ['CR', 'a\rb'],
  ['NUL', 'a\0b'],
  ['DEL', 'a\x7f'],
  ['ESC', '\x1b'],
  ['LF for a line end', 'a=b\n5'],
] as const)
  breaks(
    'B34',
    '"Funky chunks": EXT.TERM',
    `${name} in an extension`,
    '5',
    `;${extension}${REST}`,
    name === 'CR' ? '5\r' : '5',
  );

breaks('B36', 'CVE-2023-39326, Node CVE-2024-22019', '64 KiB at once', '5', `;${'x'.repeat(65_536)}${REST}`);
breaks(
  'B36',
  'idem',
  '100 octets a chunk for ever',
  '1\r\nx\r\n'.repeat(163),
  `1;${'e'.repeat(99)}\r\nx\r\n`.repeat(200),
  '1\r\nx\r\n'.repeat(400),
);
breaks(
  'B36',
  'idem',
  'nothing but semicolons',
  '1\r\nx\r\n',
  '1;\r\nx\r\n'.repeat(16_385),
  '1\r\nx\r\n'.repeat(16_387),
);
for (const n of [16_383, 16_384]) passes('B36', 'the bound is exact', `${n}`, `5;${'e'.repeat(n - 1)}${REST}`, WHOLE);
breaks('B36', 'the bound is exact', '16385', '5', `;${'e'.repeat(16_384)}${REST}`);

breaks('B37', 'Http11Probe SPILL', 'more data', '5\r\nhello', 'XX\r\n0\r\n\r\n');
breaks('B37', 'Http11Probe SPILL', 'no CRLF', '5\r\nhello', '0\r\n\r\n');
breaks('B37', 'Http11Probe SPILL', 'less data', '5\r\nhell\r', '\n0\r\n\r\n');

for (const extension of [';a=b', ';a', ';', ';;', ';a="q;\\" ,"', ';a=b;c=d', '; a = b', ';\t', ';\xff', ';a=0\x22'])
  passes('B38', 'RFC 9112 §7.1.1', extension, `5${extension}\r\nhello\r\n0${extension}\r\n\r\n`, WHOLE);

for (const trailer of [
  'Content-Length: 50', 'Transfer-Encoding: chunked', 'Host: evil.test', 'Proxy-Authorization: {auth}', 'Connection: close', 'X-Trailer: y', 'x:', 'Expect: 100-continue', 'Upgrade: h2c',
  'Content-Length: 50\r\nTransfer-Encoding: gzip', 'X: \xff', 'Proxy-Selector: session=x',
]) // biome-ignore format: one list
  passes('B39', 'RFC 9110 §6.5.1', trailer, `5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`, WHOLE);
for (const trailer of [
  'X',
  ': y',
  ' X: y',
  '\tX: y',
  'X : y',
  'X Y: z',
  'X: \0',
  'X: a\rb',
  'X: a\nY: b',
  '\xfc: y',
  'GET http://evil.test/ HTTP/1.1',
  'X: y\r\n folded',
  '\x7f: y',
])
  breaks('B39', 'RFC 9112 §7.1.2, as a head would be', trailer, '5\r\nhello\r\n0\r\n', `${trailer}\r\n\r\n`);
catalogue.add(
  'B39',
  'RFC 9110 §6.6.2',
  'announced',
  request(POST, ['Trailer: X-T', CHUNKED], '5\r\nhello\r\n0\r\nX-T: y\r\n\r\n'),
  forwarded(onward(WHOLE)),
);

breaks('B40', 'trailer bomb', '40 KiB in a line', '5\r\nhello\r\n0\r\n', `X: ${'t'.repeat(40_960)}\r\n\r\n`);
breaks('B40', 'trailer bomb', '40 KiB in lines', '5\r\nhello\r\n0\r\n', `${'X: tttttt\r\n'.repeat(4_096)}\r\n`);
breaks('B40', 'trailer bomb', 'a name of 40 KiB', '5\r\nhello\r\n0\r\n', `${'X'.repeat(40_960)}: y\r\n\r\n`);
for (const n of [16_383, 16_384])
  passes('B40', 'the bound is exact', `${n}`, `5\r\nhello\r\n0\r\nX:${'t'.repeat(n - 2)}\r\n\r\n`, WHOLE);
breaks('B40', 'the bound is exact', '16385', '5\r\nhello\r\n0\r\n', `X:${'t'.repeat(16_383)}\r\n\r\n`);

export const BODIES = catalogue.cases;
