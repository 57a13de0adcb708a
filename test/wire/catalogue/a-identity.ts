/** Catalogue, part A: who is asking, as far as the data port is concerned. The control plane's rows name their tests. */
import {
  Catalogue,
  challenged,
  type Elsewhere,
  forwarded,
  KEY,
  misunderstood,
  refused,
  request,
  sent,
} from './case.ts';

const catalogue = new Catalogue();
const add: Catalogue['add'] = (...row) => catalogue.add(...row);

const GET = 'GET http://a.test/';
const FAILED = challenged('auth_failed');
const REQUIRED = challenged('auth_required');
const invalid = (key: string) => misunderstood(`The selector's "${key}" is not valid.`);
const doubled = (key: string) => misunderstood(`The selector has "${key}" more than once.`);
const MALFORMED = refused('selector_invalid');
const UNKNOWN = misunderstood('The Proxy-Selector has a key that is not known.');
const PASSES = forwarded(sent(GET));
const plain = request(GET);
const basic = (pair: string): string => `Basic ${Buffer.from(pair, 'latin1').toString('base64')}`;
const BASE64 = Buffer.from(`:${KEY}`).toString('base64');
const value = (text: string): string => plain.replace('{auth}', text);
const username = (name: string): string => value(basic(`${name}:${KEY}`));

add('A01', 'RFC 7617', 'no header', `${GET} HTTP/1.1\r\nHost: a.test\r\n\r\n`, REQUIRED);
for (const text of [
  '', 'Basic', 'Basic ', 'Basic !!!', 'Basic ====', 'Basic _-8=', 'Basic YQ=', 'Basic YQ==YQ==', 'Basic Y Q==', 'Basic\tYTpi', 'Basic,YTpi', 'Basic=YTpi', 'BasicYTpi', 'Basic \xa0YTpi', 'YTpi', ':', 'Bearer', 'Bearer ', 'Bearer x', 'Bearer x y', 'Bearer\tx', 'Digest username="x"',
  'Negotiate YII=', 'NTLM TlRM', 'Token x', 'Basic YTpi, Bearer x', 'Bearer x, Basic YTpi', '\xff', 'Basic \xff', 'Basic YTpi;x', 'Basic "YTpi"', 'basic YTpi', 'BASIC YTpi', 'Basic YTpi\xa0', 'sp_live_x', `Basic \xa0${BASE64}`, `Basic \t${BASE64}`, `Basic ${BASE64}\xa0`, `Basic\xa0${BASE64}`, `Basic ${BASE64} x`, `Bearer \xa0${KEY}`, `Bearer \t${KEY}`,
]) // biome-ignore format: one list
  add('A01', 'RFC 7617; proxy-chain tests', JSON.stringify(text), value(text), FAILED);
for (const pair of [
  ':',
  'a',
  'a:',
  ':a',
  'default:wrong',
  'default:',
  '\xff\xfe:\xff',
  'a:b:c',
  ':\0',
  `default:${KEY} `,
  `default: ${KEY}`,
  `default:${KEY.toLowerCase()}`,
  `default:${KEY.slice(1)}`,
  `default:${KEY}\0`,
  `default:${KEY}x`,
])
  add('A01', 'RFC 7617', `Basic of ${JSON.stringify(pair)}`, value(basic(pair)), FAILED);
add('A01', 'E4', 'two of them, equal', request(GET, ['Proxy-Authorization: {auth}']), refused('bad_request'));
add('A01', 'E4', 'two of them, one wrong', request(GET, ['proxy-authorization: Basic eDp5']), refused('bad_request'));
add('A01', 'E4', 'an empty second one', request(GET, ['Proxy-Authorization:']), refused('bad_request'));
for (const [name, by] of [
  ['basic', 'basic '],
  ['bAsIc', 'bAsIc '],
  ['several blanks', 'Basic    '],
  ['blanks around', '  Basic '],
] as const)
  add('A01', 'RFC 9110 §11.1', name, plain.replace('{auth}', by + BASE64), PASSES);
add('A01', 'RFC 9110 §11.4', 'without padding', value(`Basic ${BASE64.replace(/=+$/, '')}`), PASSES);
add('A01', 'RFC 6750', 'Bearer', value(`Bearer ${KEY}`), PASSES);
add('A01', 'RFC 6750', 'bEARER', value(`bEARER ${KEY}`), PASSES);
add('A01', 'one field only', 'the key as username', value(basic(`${KEY}:`)), PASSES);

for (const [name, length] of [
  ['15 KiB', 15_360],
  ['1,401 octets', 1_395],
  ['8 KiB', 8_192],
] as const)
  add('A03', 'undecoded', name, value(`Basic ${'QUFB'.repeat(Math.ceil(length / 4))}`), FAILED);
add('A03', 'undecoded', 'a bearer of 15 KiB', value(`Bearer ${'x'.repeat(15_360)}`), FAILED);
add('A03', 'undecoded', '1 MiB', value(`Basic ${'QUFB'.repeat(262_144)}`), refused('head_too_large'));

add(
  'A05',
  'RFC 9110 §11.6',
  'Bearer in Authorization',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer ${KEY}\r\n\r\n`,
  REQUIRED,
);
add(
  'A05',
  'RFC 9110 §11.6',
  'Basic in Authorization',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nAuthorization: {auth}\r\n\r\n`,
  REQUIRED,
);
add(
  'A05',
  'RFC 9110 §11.6',
  'in Proxy-Authenticate',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nProxy-Authenticate: {auth}\r\n\r\n`,
  REQUIRED,
);
add(
  'A05',
  'RFC 9110 §11.6',
  'in X-Proxy-Authorization',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nX-Proxy-Authorization: {auth}\r\n\r\n`,
  REQUIRED,
);
for (const line of [
  'Authorization: Bearer end-to-end',
  'authorization:Basic dXNlcjpwYXNz',
  'Authorization: Digest a="b", c=d',
])
  add('A05', 'RFC 9110 §11.6', `${line} is the target’s`, request(GET, [line]), forwarded(sent(GET, [line])));
for (const [name, line] of [
  ['a query', `GET http://a.test/?key=${KEY}`], ['a path', `GET http://a.test/${KEY}`], ['a host', `GET http://${KEY}.test/`],
] as const) // biome-ignore format: one list
  add('A06', 'never accepted', `the key in ${name}`, `${line} HTTP/1.1\r\nHost: a.test\r\n\r\n`, REQUIRED);
add(
  'A06',
  'never accepted',
  'the key in userinfo',
  `GET http://default:${KEY}@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n`,
  refused('bad_request'),
);
add(
  'A06',
  'never accepted',
  'the key in the userinfo of a CONNECT',
  `CONNECT default:${KEY}@a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n`,
  refused('bad_request'),
);
add(
  'A06',
  'never accepted',
  'the key in a cookie',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nCookie: key=${KEY}\r\n\r\n`,
  REQUIRED,
);
add(
  'A06',
  'never accepted',
  'the key in Proxy-Selector',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nProxy-Selector: key=${KEY}\r\n\r\n`,
  REQUIRED,
);

for (const name of ['nowhere', 'other', 'web-eu', 'default-x', 'default-session', 'a'.repeat(64)])
  add('A07', 'S3', name, username(name), refused('pool_unknown'));
const sticky = [
  'a',
  'A',
  '0',
  'a.b_c~d-e',
  'x'.repeat(127),
  'x'.repeat(128),
  'a%2Db',
  '%61',
  'country',
  'us',
  '-',
  '..',
  '~',
];
for (const key of sticky)
  add('A08', 'S17', `session-${key.slice(0, 20)} (${key.length})`, username(`default-session-${key}`), PASSES);
for (const key of [
  '', 'a b', 'a@b', 'a/b', '../', 'a\\b', 'a+b', 'a=b', 'a;b', 'a,b', 'a?b', 'a#b', 'a&b', 'a"b', "a'b", 'a<b>', 'a{b', 'a|b', 'a^b', 'a`b', 'a$b', 'a!b', 'a*b', '(a)', '[a]', 'a\r\nb', 'a\nb', 'a\0b', 'a\tb', ' a', 'a ', '%0d%0a', '%00', '%20', '%2525', '%252d', '%zz', '%', '%2', '%c3%a9', '%C0%AF', '\xc3\xa9', '\xff',
  'x'.repeat(129), 'x'.repeat(1_000), '-session-', '%3A', '$x', '{token}', 'a\xa0',
]) // biome-ignore format: one list
  add(
    'A08',
    'S17',
    `session-${JSON.stringify(key).slice(0, 20)} (${key.length})`,
    username(`default-session-${key}`),
    invalid('session'),
  );
for (const name of [
  'default-session-a-session-b',
  'default-session-a-sessid-b',
  'default-sessid-a-country-us-session-a',
])
  add('A08', 'S17', name, username(name), doubled('session'));
for (const [name, key] of [
  ['default-ttl-', 'ttl'], ['default-lifetime-0', 'ttl'], ['default-cc-us%2cde', 'country'], ['default-strict-yes', 'strict'],
  ['default-provider-\xfc', 'provider'], ['default-account-__proto__%00', 'account'], ['default-type-,', 'type'],
] as const) // biome-ignore format: one list
  add('A08', 'S17', JSON.stringify(name), username(name), invalid(key));
for (const name of [
  'DEFAULT',
  'Default',
  'def ault',
  '-default',
  'default-',
  '_default',
  'd\xe9fault',
  'a'.repeat(65),
  'default\0',
  '../default',
  '*',
  'default@x',
  'default/x',
  'default--session-a',
  '%64efault',
])
  add('A08', 'S17', `pool ${JSON.stringify(name).slice(0, 24)}`, username(name), invalid('pool'));
for (const name of ['', '-session-a'])
  add('A08', 'an empty name is the default', JSON.stringify(name), username(name), PASSES);
for (const header of ['session=a', 'session=a; pool=default', ' POOL = default ;SESSION=b', 'sessid=x'])
  add('A08', 'Proxy-Selector', header, request(GET, [`Proxy-Selector: ${header}`]), PASSES);
for (const [header, expected] of [
  ...['', 'session', ';', 'session=a;', ';session=a', `session=a;${' '.repeat(2_000)}`, 'session:a'].map((text) => [text, MALFORMED] as const),
  ...['=a', 'foo=bar', '__proto__=a', '\xa0session=a'].map((text) => [text, UNKNOWN] as const),
  ...['session=', 'session=a b', 'session=a,b', 'session="a"', 'session=\xa0a', 'session=a\xa0', 'session=a\xff', 'session==a'].map((text) => [text, invalid('session')] as const),
  ...['session=a;session=b', 'session=a;sessid=b'].map((text) => [text, doubled('session')] as const),
  ['pool=a;pool=a', doubled('pool')], ['pool=No', invalid('pool')], ['pool=\x85default', invalid('pool')],
] as const) // biome-ignore format: one list
  add(
    'A08',
    'Proxy-Selector',
    JSON.stringify(header).slice(0, 30),
    request(GET, [`Proxy-Selector: ${header}`]),
    expected,
  );
add(
  'A08',
  'Proxy-Selector',
  'two of them',
  request(GET, ['Proxy-Selector: session=a', 'proxy-selector: session=a']),
  refused('bad_request'),
);
add(
  'A08',
  'Proxy-Selector',
  'without a key',
  `${GET} HTTP/1.1\r\nHost: a.test\r\nProxy-Selector: session=a\r\n\r\n`,
  REQUIRED,
);

/** Rows about time and several connections, and those of the control plane. */
export const IDENTITY_ELSEWHERE: readonly Elsewhere[] = [
  { id: 'A07', file: 'test/wire/identification.test.ts', title: 'a key of another workspace finds none of our pools' },
  { id: 'A09', file: 'test/wire/identification.test.ts', title: 'a key is checked on every request of a connection' },
  { id: 'A10', file: 'test/wire/reuse.test.ts', title: 'the key is revoked' },
  {
    id: 'A11',
    file: 'test/wire/brute-force.test.ts',
    title: 'wrong keys from one address: 20 are answered 407, the rest 429 and the end',
  },
  {
    id: 'A12',
    file: 'test/wire/brute-force.test.ts',
    title: 'a client that loops on 407 is closed at the second one, and fills no log',
  },
  { id: 'A13', file: 'test/flow/control-http.test.ts', title: 'a stranger’s Host with our port' },
  {
    id: 'A13',
    file: 'test/flow/control-http.test.ts',
    title: 'a body of 100 MiB is refused by its length, a gzip bomb by what comes out',
  },
  {
    id: 'A13',
    file: 'test/flow/control-http.test.ts',
    title: 'reads are POSTs, keys ride in a header, unknown paths are nothing',
  },
  {
    id: 'A14',
    file: 'test/flow/control-sessions.test.ts',
    title: 'an equal password still moves the version: nobody can test a guess by it',
  },
  {
    id: 'A14',
    file: 'test/flow/control-sessions.test.ts',
    title: 'an answered create is on its way to the gateway with its password, which nothing else holds',
  },
  { id: 'A15', file: 'test/flow/canary.test.ts', title: 'secrets in requests that are refused are not repeated' },
];

export const IDENTITY = catalogue.cases;
