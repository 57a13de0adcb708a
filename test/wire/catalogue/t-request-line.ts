/** Catalogue, part T: the request line and the target. */
import {
  answered, Catalogue, challenged, type Elsewhere, type Expected, forwarded, ok, refused, request, sent,
} from './case.ts'; // biome-ignore format: one list

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);

const GET = 'GET http://a.test/';
const BAD = refused('bad_request');
const VERSION = refused('version_unsupported');
const METHOD = refused('method_unsupported');
/** Answered here: a key is asked for, no session is. */
const OURS: Expected = answered([], { status: 200, cause: null, close: false, placed: false });

/** GETs of these targets, all refused. */
function targets(id: string, source: string, list: readonly string[], expected = BAD): void {
  for (const target of list)
    add(id, source, target.length > 60 ? `${target.length} octets` : target, request(`GET ${target}`), expected);
}
/** A GET of this target goes upstream as that. */
function goes(id: string, source: string, target: string, as: string): void {
  add(id, source, target, request(`GET ${target}`), forwarded(sent(`GET ${as}`)));
}
/** These request lines, with a Host and a credential behind them. */
function lines(id: string, source: string, list: readonly string[], expected = BAD): void {
  for (const line of list)
    add(
      id,
      source,
      line.length > 60 ? `${line.length} octets` : line,
      `${line}\r\nHost: a.test\r\nProxy-Authorization: {auth}\r\n\r\n`,
      expected,
    );
}
targets('T01', 'Squid-Dafts relative URL; S7', [
  '/',
  '/proxies.v1.Proxies/ListSessions',
  '/metrics',
  '/x?http://a.test/',
  '//a.test/',
  '/http://a.test/',
  '?x',
  '\\\\a.test\\x',
]);
targets('T02', 'HAProxy VTC', ['*', '**', '*/test']);
add('T02', 'P14', 'OPTIONS *', request('OPTIONS *'), OURS);
for (const target of ['*/test', '**', '/', '/*', '*?x', 'a.test', 'http:*'])
  add('T02', 'P14', `OPTIONS ${target}`, request(`OPTIONS ${target}`), BAD);
for (const method of ['POST', 'PUT', 'CONNECT', 'HEAD']) add('T02', 'P14', `${method} *`, request(`${method} *`), BAD);
add('T02', 'P14', 'OPTIONS * without a key', 'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n', challenged('auth_required'));
add(
  'T02',
  'P14',
  'OPTIONS *, and then a GET',
  request('OPTIONS *') + request(GET),
  answered([sent(GET)], ...OURS.answers, ok()),
);
for (const [from, to] of [
  ['Max-Forwards: 7', 'Max-Forwards: 6'], ['max-forwards:\t10 ', 'max-forwards:\t9 '], ['MAX-FORWARDS:100', 'MAX-FORWARDS:99'], ['Max-Forwards: x', 'Max-Forwards: x'], ['Max-Forwards:', 'Max-Forwards:'], ['X-Max-Forwards: 3', 'X-Max-Forwards: 3'], ['Max-Forwards: 0000000000010', 'Max-Forwards: 9'], ['Max-Forwards: 99999999999', 'Max-Forwards: 999999999'],
] as const) // biome-ignore format: one list
  add(
    'T02',
    'RFC 9110 §7.6.2',
    from,
    request('OPTIONS http://a.test/', ['A: 1', from, 'B: 2']),
    forwarded(sent('OPTIONS http://a.test/', ['A: 1', to, 'B: 2'])),
  );
for (const zero of ['0', '0000000000'])
  add(
    'T02',
    'P14',
    `OPTIONS, Max-Forwards: ${zero}`,
    request('OPTIONS http://a.test/', [`Max-Forwards: ${zero}`]),
    OURS,
  );
add(
  'T02',
  'P14',
  'OPTIONS, Max-Forwards: 1',
  request('OPTIONS http://a.test', ['A: b', 'max-forwards:\t1 ']),
  forwarded(sent('OPTIONS http://a.test', ['A: b', 'max-forwards:\t0 '])),
);
add('T02', 'P14', 'GET, Max-Forwards: 0', request(GET, ['Max-Forwards: 0']), forwarded(sent(GET, ['Max-Forwards: 0'])));
targets('T03', 'HAProxy VTC c12–c14', [
  'a.test:80',
  'a.test',
  'admin',
  './x',
  '../x',
  'x/y',
  'localhost',
  '127.0.0.1:80',
  '[::1]:80',
  'a.test/x',
  '://a.test/',
  ':80',
  '',
]);
targets('T04', 'Squidbleed', [
  'ftp://a.test/', 'file:///etc/passwd', 'gopher://a.test/', 'ws://a.test/', 'wss://a.test/', 'https://a.test/', 'HTTPS://a.test/', 'rtsp://a.test/', 'connect:a.test', 'http:a.test', 'http:/a.test/',
  'http:///x', 'http:////a.test/', 'http://', 'http://:80/', 'http://?x', 'http', 'http:', 'httpx://a.test/', 'xhttp://a.test/', 'http+x://a.test/', 'h\ttp://a.test/', 'http:\\\\a.test\\', 'data:x', 'javascript:x',
  'urn:x', 'blob:http://a.test/', 'view-source:http://a.test/', 'hTTps://a.test/', 'cache_object://a.test/info', 'whois://a.test/',
]); // biome-ignore format: one list
for (const scheme of ['HTTP', 'Http', 'hTtP']) goes('T04', 'RFC 3986 §3.1', `${scheme}://A.TEST/`, 'http://a.test/');
targets('T05', 'RFC 9110 §4.2.4; HAProxy c1', [
  'http://u:p@a.test/',
  'http://u@a.test/',
  'http://:p@a.test/',
  'http://@a.test/',
  'http://:@a.test/',
  'http://u:p@a.test',
  'http://u%40b:p@a.test/',
  'http://a.test@',
  'http://a@b@a.test/',
  'http://a.test:80@/',
]);
targets('T07', 'parser-confusion class', [
  'http://a.test\\@b.test/', 'http://a.test%2f@b.test/', 'http://a.test:80@b.test/', 'http://a.test\\b', 'http://a.test\\.b.test/', 'http://a.test;b.test/', 'http://a.test,b.test/', 'http://a.test%00.b.test/',
  'http://a.test%2eb/', 'http://a.test%20/', 'http://a.test&b/', 'http://a.test=b/', 'http://a.test:80:80/', 'http://a.test:80b/', 'http://a.test:+80/', 'http://a.test:8_0/', 'http://a.test:-1/', 'http://a.test:0/',
  'http://a.test:00/', 'http://a.test:080/', 'http://a.test:65536/', 'http://a.test:99999/', 'http://a.test:4294967376/', 'http://a.test:x/', 'http://a.test:80 /', 'http://a.test:\xef\xbc\x98/', 'http://a.test#b', 'http://a.test#@b.test/',
  'http://a.test/#x', 'http://a.test/x#', 'http://(a.test)/', 'http://a!b/', 'http://a$b/', "http://a'b/", 'http://a*b/', 'http://*.test/', 'http://a~b/', 'http://"a.test"/', 'http://<a.test>/', 'http://{a}/', 'http://a|b/', 'http://a^b/', 'http://a`b/',
]); // biome-ignore format: one list
targets('T07', 'brackets', [
  'http://[::1/', 'http://::1/', 'http://::1]/', 'http://[]/', 'http://[::1]x/', 'http://[::1]80/', 'http://x[::1]/', 'http://[::1%25lo]/', 'http://[::1%lo]/', 'http://[::1%]/', 'http://[127.0.0.1]/', 'http://[a.test]/',
  'http://[:::1]/', 'http://[1:2:3:4:5:6:7]/', 'http://[1:2:3:4:5:6:7:8:9]/', 'http://[12345::]/', 'http://[g::]/', 'http://[::127.0.0.256]/', 'http://[v1.x]/', 'http://[[::1]]/', 'http://[::1]]/', 'http://[::1]@a.test/',
]); // biome-ignore format: one list
targets('T07', 'numbers that are no address', [
  'http://256.1.1.1/',
  'http://1.2.3.4.5/',
  'http://1.2.3.256/',
  'http://0x100000000/',
  'http://4294967296/',
  'http://08.1.1.1/',
  'http://a.1/',
  'http://a.0x1/',
  'http://1..2/',
]);
for (const [target, host] of [
  ['http://127.1:81/', '127.0.0.1:81'], ['http://2130706433/', '127.0.0.1'], ['http://0x7f.1/', '127.0.0.1'], ['http://0X7F000001/', '127.0.0.1'], ['http://0177.0.0.1/', '127.0.0.1'], ['http://127.0.0.1./', '127.0.0.1'],
  ['http://0/', '0.0.0.0'], ['http://[::1]/', '[::1]'], ['http://[::FFFF:127.0.0.1]:81/', '[::ffff:7f00:1]:81'], ['http://[2001:DB8:0:0::1]:80/', '[2001:db8::1]'], ['http://[0:0:0:0:0:0:0:1]/', '[::1]'], ['http://1.2.3.4/', '1.2.3.4'],
] as const) // biome-ignore format: one list
  goes('T07', 'F9: one spelling of each address', target, `http://${host}/`);
goes('T07', 'P5', 'http://a.test:/x', 'http://a.test/x');
goes('T07', 'P5', 'http://a.test:80', 'http://a.test/');
goes('T07', 'P5', 'http://a.test:8080?q=1', 'http://a.test:8080/?q=1');
goes('T07', 'P5', 'http://a.test:65535/', 'http://a.test:65535/');
goes('T07', 'P5', 'http://a.test:1/', 'http://a.test:1/');
goes('T07', 'P5', 'http://a_b-c.test:443/', 'http://a_b-c.test:443/');
const controls = [...Array(33).keys(), 127].filter((c) => ![10, 13].includes(c)).map((c) => String.fromCharCode(c));
targets('T08', 'Http11Probe MAL-*', [
  ...controls.map((c) => `http://a.test/${c}`), 'http://a\0.test/', 'http://a .test/', 'http://a\t.test/', 'http://a.test/\xe9', 'http://a.test/\xff', 'http://a.test/\xc3\xa9', 'http://a.test/\xc0\xaf', 'http://a.test/\xe0\x80\xaf',
  'http://a.test/?\x80', 'http://a.test/x y', '\xa0http://a.test/', 'http://a.test/\xef\xbb\xbf',
]); // biome-ignore format: one list
for (const path of ['/%0d%0aX:%20y', '/%00', '/%', '/%zz', '/%2', '/%C0%AF', '/%25%30%30', '/?a=%0d%0a%0d%0aGET%20/'])
  goes('T09', 'curl test1529; MAL-URL-PERCENT-CRLF', `http://a.test${path}`, `http://a.test${path}`);
for (const path of [
  '/../../x',
  '//',
  '/;a/%2e%2e/',
  '/./',
  '/a//b',
  '/?',
  '/??',
  '/?/../',
  '/\\',
  '/x|y',
  '/"<>^`{}',
  '/http://b.test/',
  '/@b.test/',
  '/:80',
  '/x?y=http://u:p@b.test/',
  '/~',
  "/'()*!$&,;=",
])
  goes('T10', 'RFC 9110 §7.7', `http://a.test${path}`, `http://a.test${path}`);
lines('T11', 'RFC 9112 §3', [
  'GET  http://a.test/ HTTP/1.1', 'GET\thttp://a.test/ HTTP/1.1', 'GET http://a.test/\tHTTP/1.1', 'GET http://a.test/ HTTP/1.1 ', 'GET http://a.test/ HTTP/1.1\t', ' GET http://a.test/ HTTP/1.1', '\tGET http://a.test/ HTTP/1.1',
  'GET http://a.test/ x HTTP/1.1', 'GET\x0bhttp://a.test/ HTTP/1.1', 'GET\x0chttp://a.test/ HTTP/1.1', 'GET\xa0http://a.test/\xa0HTTP/1.1', 'GET\rhttp://a.test/ HTTP/1.1', 'GET http://a.test/\rHTTP/1.1', 'GET', 'GET ', 'GET  ', 'GET   HTTP/1.1',
  'GET HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1 200 OK', 'GEThttp://a.test/HTTP/1.1', 'GET http://a.test/HTTP/1.1', '"GET" http://a.test/ HTTP/1.1',
]); // biome-ignore format: one list
lines(
  'T12',
  'Http11Probe',
  ['1.2', '2.0', '0.9', '9.9', '3.0', '1.9', '0.0'].map((version) => `GET http://a.test/ HTTP/${version}`),
  VERSION,
);
lines('T12', 'Http11Probe', [
  'HTTP/1', 'HTTP/01.01', 'HTTP/1.01', 'HTTP/01.1', 'HTTP/1.10', 'HTTP/11', 'HTTP/11.1', 'http/1.1', 'Http/1.1', 'HTTP 1.1', 'HTTP/1,1', 'HTTP/1.', 'HTTP/.1', 'HTTP/1.1.1', 'HTTP/1.x', 'HTTP/-1.1', 'HTTP/+1.1', 'HTTP/ 1.1', 'HTTP/1 .1', 'HTTP/1.1;', 'HTTP/\xb9.1', 'HTTP',
  'HTTP/', 'HTTPS/1.1', 'RTSP/1.0', 'ICE/1.0', 'SIP/2.0', 'XHTTP/1.1', 'HTTP/1.1HTTP/1.1', 'HTTP/1.1\0', '\0HTTP/1.1', 'HTTP/1.1\x85', 'HTTP/0x1.1', 'HTTP/1e0.1',
].map((version) => `GET http://a.test/ ${version}`)); // biome-ignore format: one list
lines('T14', 'Garden 0.9 quirks', [
  'GET http://a.test/',
  'GET /',
  'POST http://a.test/',
  'CONNECT a.test:443',
  'OPTIONS *',
]);
add('T14', 'Garden 0.9 quirks', 'alone', 'GET http://a.test/\r\n', BAD);
add('T14', 'Garden 0.9 quirks', 'alone, with a blank', 'GET http://a.test/ \r\n', BAD);
add('T15', 'RFC 9113 §3.4', 'the preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', VERSION);
add('T15', 'RFC 9113 §3.4', 'the preface and a frame', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', VERSION);
for (const [name, octets] of [
  ['a ClientHello', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'], ['an SSL 2 hello', '\x80\x2e\x01\x03\x01\0'], ['SOCKS4', '\x04\x01\0\x50\x7f\0\0\x01\0'], ['SOCKS4a', '\x04\x01\0\x50\0\0\0\x01\0a.test\0'], ['PROXY 1', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['PROXY 2', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c'], ['an SSH banner', 'SSH-2.0-OpenSSH_9.2\r\n'], ['SMTP', 'EHLO a.test\r\n'], ['FTP', 'USER anonymous\r\n'], ['IRC', 'NICK x\r\n'], ['Redis', '*1\r\n$4\r\nPING\r\n'], ['memcached', 'stats\r\n'], ['MySQL', '\x4a\0\0\0\x0a8.0'],
  ['PostgreSQL', '\0\0\0\x08\x04\xd2\x16\x2f'], ['RDP', '\x03\0\0\x13\x0e\xe0'], ['DNS', '\0\x1d\xab\xcd\x01\0'], ['BitTorrent', '\x13BitTorrent protocol'], ['WebSocket frame', '\x81\x05hello'], ['zeros', '\0'.repeat(64)], ['0xff', '\xff'.repeat(64)],
  ['letters, then noise', 'GET\x01\x02\x03'], ['letters without an end', 'A'.repeat(65)], ['a header line', 'Host: a.test\r\n'], ['a status line', 'HTTP/1.1 200 OK\r\n'], ['HTML', '<html>'], ['JSON', '{"a":1}'], ['a noise that starts like a request', 'GET http://a.test/ HTTP/1.1\r\nX: \x8f\x02'],
] as const) // biome-ignore format: one list
  add('T16', 'MAL-BINARY-GARBAGE', name, octets, BAD);

lines(
  'T18',
  'Squid-Dafts; MAL-LONG-METHOD',
  ['get', 'Get', 'FOO', 'GETS', 'GE', 'G', 'XGET', 'BREW', '0', "!#$%&'*+-.^_`|~", 'M'.repeat(63), 'M'.repeat(64)].map(
    (method) => `${method} http://a.test/ HTTP/1.1`,
  ),
  METHOD,
);
lines(
  'T18',
  'Squid-Dafts; MAL-LONG-METHOD',
  [
    ',BAD,',
    'M'.repeat(65),
    'M'.repeat(66),
    'M'.repeat(1_000),
    'M'.repeat(102_400),
    'G[T',
    'G\xc3\x89T',
    'GET/',
    '(GET)',
    'GET:',
    '{GET}',
    'G@T',
    'G=T',
    'G"T',
    'GET\x7f',
  ].map((method) => `${method} http://a.test/ HTTP/1.1`),
);
for (const method of [
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'PROPFIND',
  'PURGE',
  'QUERY',
  'MKCALENDAR',
  'M-SEARCH',
  'NOTIFY',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'SOURCE',
]) {
  const length = ['POST', 'PUT', 'PATCH'].includes(method) ? ['Content-Length: 0'] : [];
  add(
    'T18',
    'P14',
    `${method} passes`,
    request(`${method} http://a.test/`),
    forwarded(sent(`${method} http://a.test/`, length)),
  );
}
for (const more of [[], ['Max-Forwards: 0'], ['Max-Forwards: 5'], ['Cookie: a=b'], ['Content-Length: 0']])
  add(
    'T19',
    'RFC 9110 §9.3.8',
    `TRACE ${more}`,
    request('TRACE http://a.test/', more),
    refused('method_unsupported', 405),
  );
add(
  'T19',
  'RFC 9110 §9.3.8',
  'TRACE without a key',
  'TRACE http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n',
  refused('method_unsupported', 405),
);
add('T19', 'RFC 9110 §9.3.8', 'TRACE /', request('TRACE /'), refused('method_unsupported', 405));
lines('T19', 'RFC 9110 §9.3.8', ['trace http://a.test/ HTTP/1.1', 'TRACK http://a.test/ HTTP/1.1'], METHOD);

/** SOCKS5 is spoken on this port; without a method that we take it ends like any noise. */
export const REQUEST_LINE_ELSEWHERE: readonly Elsewhere[] = [
  { id: 'T16', file: 'test/wire/socks-clients.test.ts', title: 'no credentials offered' },
];

export const REQUEST_LINE = catalogue.cases;
