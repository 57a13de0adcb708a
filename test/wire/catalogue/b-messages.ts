/** Catalogue, part B: bodies and what follows them, expectations, and upgrades that are none. */
import {
  answered, Catalogue, type Elsewhere, forwarded, ok, refusal, refused, request, request10, sent,
} from './case.ts'; // biome-ignore format: one list

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);
const each: Catalogue['each'] = (...row) => catalogue.each(...row);

const POST = 'POST http://a.test/';
const GET = 'GET http://a.test/';
const CHUNKED = 'Transfer-Encoding: chunked';
const LAST = '0\r\n\r\n';
const INNER = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const BAD = refused('bad_request');

const LATE = 'GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nProxy-Authorization: {auth}\r\n\r\n';
const oneOf = (tag: string): string => `POST http://a.test/${tag}`;
add(
  'B41',
  'RFC 9112 §9.3.2',
  'two requests',
  request(oneOf('1'), ['Content-Length: 3'], 'abc') + request(oneOf('2'), ['Content-Length: 3'], 'def'),
  answered(
    [sent(oneOf('1'), ['Content-Length: 3'], 'abc'), sent(oneOf('2'), ['Content-Length: 3'], 'def')],
    ok(),
    ok(),
  ),
);
add(
  'B41',
  'RFC 9112 §9.3.2',
  'the second with a wrong key',
  request(oneOf('1'), ['Content-Length: 3'], 'abc') + request(GET).replace('{auth}', 'Basic eDp5'),
  { ...answered([sent(oneOf('1'), ['Content-Length: 3'], 'abc')], ok(), refusal('auth_failed')), retry: true },
);
add(
  'B41',
  'RFC 9112 §9.3.2',
  'the second without one',
  `${request(oneOf('1'), [CHUNKED], `3\r\nabc\r\n${LAST}`)}${GET} HTTP/1.1\r\nHost: a.test\r\n\r\n`,
  { ...answered([sent(oneOf('1'), [CHUNKED], `3\r\nabc\r\n${LAST}`)], ok(), refusal('auth_required')), retry: true },
);
for (const [name, behind, cause] of [
  ['letters', 'ZZZZ', 'method_unsupported'], ['a line', 'ZZZZ\r\n\r\n', 'bad_request'], ['a NUL', '\0', 'bad_request'], ['three empty lines', '\r\n\r\n\r\n', 'bad_request'],
] as const) // biome-ignore format: one list
  add(
    'B42',
    'Http11Probe SMUG-CL0-BODY-POISON',
    name,
    request(POST, ['Content-Length: 0'], behind),
    answered([sent(POST, ['Content-Length: 0'])], ok(), refusal(cause)),
  );
for (const method of ['GET', 'HEAD'])
  add(
    'B43',
    'Http11Probe; guardian',
    `${method} with a length`,
    request(`${method} http://a.test/`, [`Content-Length: ${INNER.length}`], INNER),
    BAD,
  );
add('B43', 'guardian', 'GET with length 0', request(GET, ['Content-Length: 0']), forwarded(sent(GET)));
add(
  'B43',
  'guardian',
  'DELETE with a length',
  request('DELETE http://a.test/', [`Content-Length: ${INNER.length}`], INNER),
  forwarded(sent('DELETE http://a.test/', [`Content-Length: ${INNER.length}`], INNER)),
);
for (const [name, lines] of [
  ['a length', ['Content-Length: 40']],
  ['chunked', [CHUNKED]],
  ['a length and an expectation', ['Content-Length: 40', 'Expect: 100-continue']],
] as const) {
  // biome-ignore format: one list
  add('B44', 'Pingora CVE-2025-4366', `${name}, a wrong key`, request(POST, lines, LATE).replace('{auth}', 'Basic eDp5'), refused('auth_failed'));
  add(
    'B44',
    'idem',
    `${name}, no key`,
    request(POST, lines, LATE).replace('Proxy-Authorization: {auth}\r\n', ''),
    refused('auth_required'),
  );
}
for (const length of ['999999999999', '4294967296000', '9007199254740991'])
  add(
    'B46',
    'MAL-POST-CL-HUGE-NO-BODY',
    length,
    request(POST, [`Content-Length: ${length}`]),
    answered([], refusal('body_too_large', undefined, true)),
  );
catalogue.alone(
  'B46',
  'idem',
  'below the limit',
  request(POST, ['Content-Length: 4294967296']),
  forwarded(sent(POST, ['Content-Length: 4294967296']), true),
);

for (const value of ['100-continue', '100-Continue', '100-CONTINUE'])
  add(
    'B47',
    'RFC 9110 §10.1.1; Go CVE-2024-24791',
    value,
    request(POST, ['Content-Length: 2', `Expect: ${value}`], 'hi'),
    forwarded(sent(POST, ['Content-Length: 2', 'Expect: 100-continue'], 'hi')),
  );
add('B47', 'RFC 9110 §10.1.1', 'without a body', request(GET, ['Expect: 100-continue']), forwarded(sent(GET)));
for (const status of ['417', '401', '200'])
  catalogue.alone(
    'B48',
    'RFC 9110 §10.1.1',
    status,
    request(POST, ['Content-Length: 2', 'Expect: 100-continue']),
    answered([sent(POST, ['Content-Length: 2', 'Expect: 100-continue'])], { ...ok(true), status: Number(status) }),
    `HTTP/1.1 ${status} OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`,
  );
catalogue.alone(
  'B48',
  'RFC 9110 §10.1.1',
  '407',
  request(POST, ['Content-Length: 2', 'Expect: 100-continue']),
  answered(
    [sent(POST, ['Content-Length: 2', 'Expect: 100-continue'])],
    refusal('upstream_auth_failed', undefined, true),
  ),
  'HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n',
);
const expecting = (value: string): string => request(POST, ['Content-Length: 2', `Expect: ${value}`], 'hi');
each(
  'B49',
  'nginx http_expect_100_continue.t',
  ['foo', '', '100', '100-continued', '200-ok', 'x=1'],
  expecting,
  refused('expect_unsupported'),
);
each(
  'B50',
  'F13',
  [
    'y 100-continue',
    '100-continue y',
    '100-continue, x',
    '100-continue;q=1',
    ',100-continue',
    '100-continue,',
    '100 continue',
    '"100-continue"',
    '100-continue\xa0',
    '100_continue',
  ],
  expecting,
  refused('expect_unsupported'),
);
add(
  'B50',
  'F13',
  'twice',
  request(POST, ['Content-Length: 2', 'Expect: 100-continue', 'Expect: 100-continue'], 'hi'),
  BAD,
);
add(
  'B51',
  'RFC 9110 §10.1.1',
  '100-continue',
  request10(POST, ['Content-Length: 2', 'Expect: 100-continue'], 'hi'),
  forwarded(sent(POST, ['Content-Length: 2'], 'hi'), true),
);
add(
  'B51',
  'RFC 9110 §10.1.1',
  'another',
  request10(POST, ['Content-Length: 2', 'Expect: foo'], 'hi'),
  forwarded(sent(POST, ['Content-Length: 2'], 'hi'), true),
);

for (const protocol of ['foo', 'h2', 'HTTP/2.0', 'TLS/1.0', 'IRC/6.9, RTA/x11'])
  add(
    'B52',
    'Pingora CVE-2026-2833; Envoy CVE-2024-23326',
    protocol,
    request(GET, ['Connection: Upgrade', `Upgrade: ${protocol}`], 'GET /smug HTTP/1.1\r\nHost: x\r\n\r\n'),
    answered([sent(GET)], ok(), refusal('bad_request')),
  );
for (const name of ['h2c', 'H2C', 'h2c, foo'])
  add(
    'B54',
    'HAProxy srv_h1_h2c; h2c smuggling',
    name,
    request(GET, ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${name}`, 'HTTP2-Settings: AAMAAABkAAQAAP__']),
    forwarded(sent(GET)),
  );
add(
  'B54',
  'h2c smuggling',
  'not named in Connection',
  request(GET, ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']),
  forwarded(sent(GET)),
);
add(
  'B54',
  'h2c smuggling',
  'with a body',
  request(
    POST,
    ['Connection: upgrade, http2-settings', 'Upgrade: h2c', 'HTTP2-Settings: AA', 'Content-Length: 2'],
    'hi',
  ),
  forwarded(sent(POST, ['Content-Length: 2'], 'hi')),
);

export const MESSAGES = catalogue.cases;

/** Rows that need a pause, an end or an upstream that waits. */
export const MESSAGES_ELSEWHERE: readonly Elsewhere[] = [
  {
    id: 'B45',
    file: 'test/wire/unfinished-bodies.test.ts',
    title: 'that the client ends early: the upstream sees a reset',
  },
  { id: 'B45', file: 'test/wire/causes.test.ts', title: 'body_timeout' },
  {
    id: 'B47',
    file: 'test/wire/replies.test.ts',
    title: 'a client that expects 100-continue gets it from upstream, and then sends its body',
  },
  {
    id: 'B60',
    file: 'test/wire/pipelining.test.ts',
    title: 'garbage behind a request whose reply streams leaves that reply whole (F6)',
  },
];
