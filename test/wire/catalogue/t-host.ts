/** Catalogue, part T: Host, empty lines in front, the bounds of a head, and names. */
import {
  answered, Catalogue, type Expected, forwarded, ok, refusal, refused, request, request10, sent,
} from './case.ts'; // biome-ignore format: one list

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);

const GET = 'GET http://a.test/';
const BAD = refused('bad_request');
const TOO_LARGE = refused('head_too_large');
const TOO_LONG = refused('head_too_large', 414);

/** GETs of these targets, all refused. */
function targets(id: string, source: string, list: readonly string[], expected = BAD): void {
  for (const target of list)
    add(id, source, target.length > 60 ? `${target.length} octets` : target, request(`GET ${target}`), expected);
}
/** A GET of this target goes upstream as that. */
function goes(id: string, source: string, target: string, as: string): void {
  add(id, source, target, request(`GET ${target}`), forwarded(sent(`GET ${as}`)));
}
/** A GET with these Host lines. */
function hosts(
  id: string,
  source: string,
  list: readonly string[],
  expected: Expected,
  target = 'http://a.test/',
): void {
  const text = list.map((host) => `Host:${host}\r\n`).join('');
  add(
    id,
    source,
    `${JSON.stringify(list)} for ${target}`,
    `GET ${target} HTTP/1.1\r\n${text}Proxy-Authorization: {auth}\r\n\r\n`,
    expected,
  );
}

hosts('T20', 'RFC 9112 §3.2', [' a.test', ' a.test'], BAD);
hosts('T20', 'RFC 9112 §3.2', [' a.test', ' b.test'], BAD);
hosts('T20', 'RFC 9112 §3.2', [' a.test', ''], BAD);
hosts('T20', 'RFC 9112 §3.2', ['', ' a.test'], BAD);
add('T20', 'RFC 9112 §3.2', 'in two cases, far apart', request(GET, ['A: b', 'hOST: a.test']), BAD);
add('T20', 'RFC 9112 §3.2', 'HTTP/1.0', request10(GET, ['Host: a.test']), BAD);
for (const value of [
  '', ' ', ' a,b', ' a, b', ' u@a.test', ' u:p@a.test', ' a.test/', ' a.test/x', ' a.test?x', ' a.test#x', ' a.test:x', ' a.test:-1', ' a.test:65536', ' a.test:0', ' a.test:080', ' a.test:80:80', ' :80', ' :', ' a test', ' a\ttest', ' http://a.test', ' //a.test', ' [::1', ' ::1', ' [::1]x', ' []', ' [::1%lo]',
  ' a..test', ' .a.test', ' a.test..', ' .', ' \xc3\xa9.test', ' a\xa0', ' %61.test', ' a.test\\', ' *', ' 256.1.1.1', ' "a.test"', ` ${'l'.repeat(64)}.test`, ` ${`${'l'.repeat(63)}.`.repeat(4)}`,
]) // biome-ignore format: one list
  hosts('T20', 'P5', [value], BAD);
for (const [target, value] of [
  ['http://a.test/x/y', ' a.test/x'], ['http://a.test/x', ' a.test/x'], ['http://a.test?x', ' a.test?x'], ['http://a.test?x?y', ' a.test?x'],
] as const) // biome-ignore format: one list
  hosts('T20', 'P5', [value], BAD, target);
for (const value of [
  ' a.test',
  'a.test',
  '\ta.test \t',
  ' b.test',
  ' b.test:99',
  ' A.TEST',
  ' a.test:',
  ' a.test:80',
  ' 127.0.0.1',
  ' [::1]:80',
  ' a.test.',
  ' evil.test:65535',
])
  hosts('T22', 'RFC 9112 §3.2.2; Linkerd', [value], forwarded(sent(GET)));
hosts('T22', 'RFC 9112 §3.2.2', [' a.test'], forwarded(sent('GET http://a.test:8080/')), 'http://a.test:8080/');
hosts('T23', 'RFC 9112 §3.2', [], BAD);
add(
  'T23',
  'RFC 9112 §3.2',
  'HTTP/1.0',
  `${GET} HTTP/1.0\r\nProxy-Authorization: {auth}\r\n\r\n`,
  forwarded(sent(GET), true),
);
add('T23', 'RFC 9112 §3.2', 'no line at all', `${GET} HTTP/1.1\r\n\r\n`, BAD);
add(
  'T23',
  'RFC 9112 §3.2',
  'X-Host',
  `${GET} HTTP/1.1\r\nX-Host: a.test\r\nHosts: a.test\r\nProxy-Authorization: {auth}\r\n\r\n`,
  BAD,
);

const plain = request(GET);
for (const n of [1, 2]) add('T24', 'RFC 9112 §2.2', `${n} empty lines`, '\r\n'.repeat(n) + plain, forwarded(sent(GET)));
for (const n of [3, 4, 100, 10_000]) add('T24', 'RFC 9112 §2.2', `${n} empty lines`, '\r\n'.repeat(n) + plain, BAD);
for (const [name, start] of [
  ['LF', '\n'],
  ['LF LF', '\n\n'],
  ['CR', '\r'],
  ['CR CR LF', '\r\r\n'],
  ['LF CR', '\n\r'],
  ['CRLF LF', '\r\n\n'],
  ['CRLF CR', '\r\n\r'],
  ['SP CRLF', ' \r\n'],
  ['CRLF SP', '\r\n '],
  ['NUL', '\0'],
  ['VT', '\x0b'],
  ['BOM', '\xef\xbb\xbf'],
] as const)
  add('T24', 'RFC 9112 §2.2', `${name} in front`, start + plain, BAD);
const two = answered([sent(GET), sent(GET)], ok(), ok());
for (const n of [0, 1, 2])
  add('T24', 'RFC 9112 §2.2', `${n} empty lines between two`, plain + '\r\n'.repeat(n) + plain, two);
add(
  'T24',
  'RFC 9112 §2.2',
  '3 empty lines between two',
  `${plain}\r\n\r\n\r\n${plain}`,
  answered([sent(GET)], ok(), refusal('bad_request')),
);
add('T24', 'RFC 9112 §2.2', '2 empty lines before each of two', `\r\n\r\n${plain}\r\n\r\n${plain}`, two);

const path = (length: number): string => `http://a.test/${'p'.repeat(length - 'http://a.test/'.length)}`;
for (const length of [7_999, 8_000, 8_001]) goes('T25', 'RFC 9112 §3', path(length), path(length));
add(
  'T25',
  'Squid-Dafts',
  '16300 octets that just fit',
  request(`GET ${path(16_300)}`),
  forwarded(sent(`GET ${path(16_300)}`)),
);
add(
  'T25',
  'Squid-Dafts',
  '16300 octets that do not',
  request(`GET ${path(16_300)}`, ['X: more than fits behind it']),
  TOO_LONG,
);
for (const length of [16_384, 17_000, 65_535, 65_536]) targets('T25', 'Squid-Dafts', [path(length)], TOO_LONG);
add('T25', 'Squid-Dafts', 'no line end within 20 KiB', `GET ${path(20_000)}`, TOO_LONG);
add('T26', 'RFC 6585 §5', 'one line of 17 KiB', request(GET, [`X: ${'x'.repeat(17_408)}`]), TOO_LARGE);
add('T26', 'RFC 6585 §5', 'a name of 17 KiB', request(GET, [`${'X'.repeat(17_408)}: y`]), TOO_LARGE);
add(
  'T26',
  'RFC 6585 §5',
  '17 KiB of small lines',
  request(
    GET,
    Array.from({ length: 98 }, () => `X: ${'x'.repeat(180)}`),
  ),
  TOO_LARGE,
);
add(
  'T26',
  'RFC 6585 §5',
  '1 MiB of lines',
  request(
    GET,
    Array.from({ length: 98 }, () => `X: ${'x'.repeat(10_700)}`),
  ),
  TOO_LARGE,
);
add(
  'T26',
  'RFC 6585 §5',
  '101 lines',
  request(
    GET,
    Array.from({ length: 99 }, () => 'X: y'),
  ),
  TOO_LARGE,
);
add(
  'T26',
  'RFC 6585 §5',
  '100 lines',
  request(
    GET,
    Array.from({ length: 98 }, () => 'X: y'),
  ),
  forwarded(
    sent(
      GET,
      Array.from({ length: 98 }, () => 'X: y'),
    ),
  ),
);
add(
  'T26',
  'RFC 6585 §5',
  '101 lines, a control octet behind them',
  request(GET, [...Array.from({ length: 120 }, () => 'X: y'), 'X: \0']),
  BAD,
);
targets('T27', 'smokescreen hostport', [
  'http://b\xc3\xbccher.test/', 'http://b\xfccher.test/', 'http://\xef\xbd\x86\xef\xbd\x8f\xef\xbd\x8f.test/', 'http://a\xe3\x80\x82test/', 'http://\xe2\x91\xa0\xe2\x91\xa1.test/', 'http://\xe2\x84\xaa.test/', 'http://a\xc2\xad.test/', 'http://a.test\xef\xbc\x8f/', 'http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1/',
  'http://b%C3%BCcher.test/', 'http://a\xe2\x80\x8b.test/', 'http://\xd9\xa1.test/',
]); // biome-ignore format: one list
goes('T27', 'RFC 5891', 'http://XN--BCHER-KVA.test/', 'http://xn--bcher-kva.test/');
goes('T27', 'RFC 5891', 'http://xn--fiqs8s/', 'http://xn--fiqs8s/');
const label = (n: number): string => 'l'.repeat(n);
const name253 = [label(63), label(63), label(63), label(61)].join('.');
targets('T28', 'nginx http_host.t; CVE-2022-24825', [
  `http://${name253}x/`, `http://${name253}.x/`, `http://${name253}x./`, `http://${label(64)}/`, `http://a.${label(64)}.test/`, 'http://..a.test/', 'http://.a.test/', 'http://a..test/', 'http://a.test../', 'http://./', 'http://../', 'http://a.test.:80.', 'http://.:80/',
]); // biome-ignore format: one list
goes('T28', 'RFC 1034 §3.1', `http://${name253}/`, `http://${name253}/`);
goes('T28', 'RFC 1034 §3.1', `http://${name253}./`, `http://${name253}/`);
goes('T28', 'RFC 1034 §3.1', `http://${label(63)}.test/`, `http://${label(63)}.test/`);
goes('T28', 'RFC 1034 §3.1', 'http://a.test.:81/', 'http://a.test:81/');
goes('T28', 'RFC 1034 §3.1', 'http://a/', 'http://a/');

export const HOSTS = catalogue.cases;
