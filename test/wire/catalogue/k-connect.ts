/** Catalogue, part K: CONNECT. Its target, its head, and what comes before it is answered. */
import {
  answered, Catalogue, challenged, connected, type Elsewhere, type Expected, refusal, refused, request, request10, tunnelled,
} from './case.ts'; // biome-ignore format: one list

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);

const BAD = refused('bad_request');
const TUNNEL = tunnelled('a.test:443');
const TO = 'CONNECT a.test:443';

/** CONNECTs to these targets, all refused. */
function targets(id: string, source: string, list: readonly string[]): void {
  for (const target of list)
    add(id, source, target.length > 60 ? `${target.length} octets` : target, request(`CONNECT ${target}`), BAD);
}
/** A CONNECT to this target is asked for as that. */
function goes(id: string, source: string, target: string, authority: string): void {
  add(id, source, target, request(`CONNECT ${target}`), tunnelled(authority));
}

targets('K01', 'nginx tunnel.t; Linkerd', [
  'a.test',
  'a.test:',
  ':443',
  ':',
  '',
  '443',
  '127.0.0.1',
  '[::1]',
  '[::1]:',
  ' ',
  'a.test 443',
  'a.test,443',
  'a.test;443',
]);
targets('K02', 'smokescreen hostport', [
  'a.test:0', 'a.test:00', 'a.test:65536', 'a.test:65535x', 'a.test:99999', 'a.test:100000', 'a.test:4294967739', 'a.test:18446744073709552059', 'a.test:007', 'a.test:0443', 'a.test:00443', 'a.test:-1', 'a.test:+443', 'a.test:https', 'a.test:443a',
  'a.test:0x1bb', 'a.test:4\xef\xbc\x943', 'a.test:4\xbc3', 'a.test:4.3', 'a.test:4_3', 'a.test:44 3', 'a.test:443:443', 'a.test::443', 'a.test:\xa0443', 'a.test:443\0', 'a.test:4%343', 'a.test:1e3',
]); // biome-ignore format: one list
for (const port of [1, 80, 443, 65_534, 65_535])
  goes('K02', 'the bounds are exact', `a.test:${port}`, `a.test:${port}`);
targets('K03', 'nginx tunnel.t', [
  'a.test:443/',
  'a.test:443/x',
  'a.test:443?x',
  'a.test:443#x',
  'a.test:443\\',
  'a.test:443;x',
  'a.test:443&x',
  'a.test/:443',
  'a.test?:443',
  'a.test#:443',
  'a.test:443%2f',
]);
targets('K04', 'HAProxy c8, c9', [
  'http://a.test:443',
  'https://a.test:443',
  'http://a.test:443/',
  '/',
  '/a.test:443',
  '//a.test:443',
  'tcp://a.test:443',
  'a.test:443://',
  '*:443',
  '**',
]);
targets('K05', 'nginx tunnel.t', [
  'u:p@a.test:443',
  'u@a.test:443',
  '@a.test:443',
  ':@a.test:443',
  'a.test:443@b.test:80',
  'a.test@b.test:443',
  'u:p@[::1]:443',
  'a.test:443@',
]);
for (const [target, authority] of [
  ['[::1]:443', '[::1]:443'], ['[2001:db8::1]:443', '[2001:db8::1]:443'], ['[2001:DB8:0:0:0::1]:65535', '[2001:db8::1]:65535'], ['[0:0:0:0:0:0:0:1]:1', '[::1]:1'], ['[::ffff:192.0.2.1]:443', '[::ffff:c000:201]:443'], ['[2001:0db8::0001]:443', '[2001:db8::1]:443'],
] as const) // biome-ignore format: one list
  goes('K06', 'curl test1230', target, authority);
targets('K06', 'curl test1230', [
  '[::1:443', '::1:443', '::1]:443', '[::1]443', '[::1] :443', '[::1%lo]:443', '[::1%25lo]:443', '[]:443', '[:]:443', '[a.test]:443', '[127.0.0.1]:443', '[[::1]]:443', '[::1]]:443', '[1:2:3:4:5:6:7:8:9]:443', '[g::1]:443', '[v1.x]:443', 'x[::1]:443', '[::1]x:443', '[::1]:443:443', '[::1].:443',
]); // biome-ignore format: one list
goes('K08', 'CVE-2022-24825', 'A.TEST:443', 'a.test:443');
goes('K08', 'CVE-2022-24825', 'a.test.:443', 'a.test:443');
goes('K08', 'CVE-2022-24825', 'A.Test.:443', 'a.test:443');
goes('K08', 'F9', '127.1:443', '127.0.0.1:443');
goes('K08', 'F9', '0x7f000001:443', '127.0.0.1:443');
goes('K08', 'F9', 'a_b.test:443', 'a_b.test:443');
const label = (n: number): string => 'l'.repeat(n);
const name253 = [label(63), label(63), label(63), label(61)].join('.');
goes('K08', 'RFC 1034 §3.1', `${name253}:443`, `${name253}:443`);
goes('K08', 'RFC 1034 §3.1', `${name253}.:443`, `${name253}:443`);
targets('K08', 'CVE-2022-24825', [
  'a.test..:443', '..:443', '.:443', '.a.test:443', 'a..test:443', `${name253}x:443`, `${label(64)}:443`, '256.1.1.1:443', '1.2.3.4.5:443', 'b\xc3\xbccher.test:443', 'b\xfccher.test:443', 'a.test\xe3\x80\x82:443', 'a\0.test:443', 'a\ttest:443', 'a%2etest:443',
  '*.test:443', 'a~b:443', 'a!b:443', "a'b:443", '(a):443', 'a\\b:443',
]); // biome-ignore format: one list

for (const host of ['b.test', 'b.test:443', 'a.test:443', 'A.TEST.:443', '[::1]:443', '127.0.0.1'])
  add('K09', 'RFC 9112 §3.2.3', host, `${TO} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: {auth}\r\n\r\n`, TUNNEL);
for (const [target, host] of [
  ['aaaaaaa:443', ':443'], ['[2001:db8::1]:443', 'b8::1]:443'], ['aaaaaaa:443', ''], ['a.test:443', 'a.test:443/'], ['a.test:443', 'a.test:x'], ['a.test:443', 'u@a.test:443'], ['a.test:443', 'a.test:443, b.test:443'],
] as const) // biome-ignore format: one list
  add(
    'K09',
    'P5',
    `Host: ${host} for ${target}`,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: {auth}\r\n\r\n`,
    BAD,
  );
add('K09', 'RFC 9112 §3.2', 'two of them', request(TO, ['Host: a.test']), BAD);
add('K10', 'RFC 9112 §3.2', 'HTTP/1.1', `${TO} HTTP/1.1\r\nProxy-Authorization: {auth}\r\n\r\n`, BAD);

for (const [name, line, body] of [
  ['chunked', 'Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
  ['chunked, an empty body', 'Transfer-Encoding: chunked', '0\r\n\r\n'],
  ['a length', 'Content-Length: 5', 'hello'],
  ['a bad length', 'Content-Length: x', ''],
  ['an empty coding', 'Transfer-Encoding:', ''],
] as const) {
  // biome-ignore format: one list
  add('K12', 'E5', name, request(TO, [line], body), BAD);
  add('K12', 'E5', `${name}, HTTP/1.0`, request10(TO, [line], body), BAD);
}
add('K12', 'E5', 'an unknown coding', request(TO, ['Transfer-Encoding: x']), refused('bad_request', 501));
add('K12', 'E5', 'length 0', request(TO, ['Content-Length: 0']), TUNNEL);
add('K12', 'E10', 'an expectation', request(TO, ['Expect: foo']), refused('expect_unsupported'));

const TLS = `\x16\x03\x01\x01\x27\x01\0\x01\x23\x03\x03${'\x8f\x00\r\n\r\n\xff'.repeat(42)}`;
const INNER = 'GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nX: y\r\n\r\n';
add('K13', 'TCP fast clients', '300 octets of TLS', request(TO, [], TLS), tunnelled('a.test:443', TLS));
add('K13', 'TCP fast clients', 'one octet', request(TO, [], '\0'), tunnelled('a.test:443', '\0'));
add('K13', 'TCP fast clients', 'empty lines', request(TO, [], '\r\n\r\n'), tunnelled('a.test:443', '\r\n\r\n'));
add('K13', 'TCP fast clients', 'a request', request(TO, [], INNER), tunnelled('a.test:443', INNER));
for (const [status, cause] of [
  ['403 no', 'upstream_denied_target'],
  ['404 no', 'upstream_denied_target'],
  ['407 no', 'upstream_auth_failed'],
  ['502 no', 'target_unreachable'],
  ['503 no', 'target_unreachable'],
  ['302 no', 'upstream_protocol'],
] as const) {
  const expected: Expected = answered([connected('a.test:443')], refusal(cause, undefined, true));
  for (const [name, early] of [
    ['TLS', TLS],
    ['a request', INNER],
    ['nothing', ''],
  ] as const)
    add(
      'K14',
      'Envoy CVE-2025-64763',
      `${status}, ${name}`,
      request(TO, [], early),
      expected,
      `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`,
    );
}
for (const [name, credential, cause] of [
  ['a wrong key', 'Basic eDp5', 'auth_failed'],
  ['another scheme', 'Digest x', 'auth_failed'],
  ['an empty value', '', 'auth_failed'],
] as const) {
  add('K15', 'B44 class', `${name}, TLS`, request(TO, [], TLS).replace('{auth}', credential), refused(cause));
  add('K15', 'B44 class', `${name}, a request`, request(TO, [], INNER).replace('{auth}', credential), refused(cause));
}
add(
  'K15',
  'B44 class',
  'no key, a request',
  request(TO, [], INNER).replace('Proxy-Authorization: {auth}\r\n', ''),
  challenged('auth_required'),
);

add(
  'K17',
  'Linkerd connect_headers_stripped',
  'a nominated line',
  request(TO, ['Connection: X-Foo', 'X-Foo: y', 'x-foo: z']),
  TUNNEL,
);
add('K17', 'Linkerd connect_headers_stripped', 'a protected one', request(TO, ['Connection: Host']), BAD);
add('K18', 'credential minimisation', 'lines of every kind', request(TO, [
  'User-Agent: x', 'Cookie: a=b', 'Authorization: Bearer y', 'Proxy-Connection: keep-alive', 'Accept: */*', 'Via: 1.1 x', 'X-Forwarded-For: 192.0.2.1', 'Forwarded: for=192.0.2.1', 'Upgrade: h2c', 'TE: trailers', 'Expect: 100-continue',
  ...Array.from({ length: 50 }, (_, i) => `X-${i}: ${i}`),
]), TUNNEL); // biome-ignore format: one list
add(
  'K20',
  'opaque',
  'a second CONNECT',
  request(TO, [], request('CONNECT b.test:443').replace('{auth}', 'Basic eDp5')),
  tunnelled('a.test:443', request('CONNECT b.test:443').replace('{auth}', 'Basic eDp5')),
);
add(
  'K21',
  'F12; Python ≤ 3.11; curl test80',
  'no Host',
  `${TO} HTTP/1.0\r\nProxy-Authorization: {auth}\r\n\r\n`,
  TUNNEL,
);
add('K21', 'F12', 'a Host', request10(TO), TUNNEL);
add('K21', 'F12', 'no key', `${TO} HTTP/1.0\r\n\r\n`, refused('auth_required'));
add(
  'K21',
  'F12',
  'early data',
  `${TO} HTTP/1.0\r\nProxy-Authorization: {auth}\r\n\r\nhi`,
  tunnelled('a.test:443', 'hi'),
);
for (const method of ['connect', 'Connect', 'CONNECTS'])
  add('K21', 'case counts', method, request(`${method} a.test:443`), refused('method_unsupported'));

/** Rows that need time, an end, a policy or the gateway's own port. */
export const CONNECT_ELSEWHERE: readonly Elsewhere[] = [
  { id: 'K14', file: 'test/wire/connect-reply.test.ts', title: 'nothing at all' },
  {
    id: 'K16',
    file: 'test/wire/connect.test.ts',
    title: '1 MiB of it is held back at 64 KiB and then delivered whole',
  },
  { id: 'K19', file: 'test/wire/target-policy.test.ts', title: 'ports are those of tunnels: plain requests go to any' },
  { id: 'K22', file: 'test/wire/connect.test.ts', title: 'a client that %s before the reply cancels the attempt' },
  { id: 'K23', file: 'test/wire/leaks.test.ts', title: '2,000 tunnels, opened, held and closed in every way' },
  { id: 'K24', file: 'test/wire/control-unreachable.test.ts', title: 'by any of our names, through %s' },
];

export const CONNECT = catalogue.cases;
