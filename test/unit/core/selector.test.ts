import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LABEL_KEYS } from '../../../src/core/model.ts';
import {
  isSelectorFault,
  parseSelector,
  plainSelector,
  type Selector,
  type SelectorFault,
} from '../../../src/core/selector.ts';
import { nameOfFault, sentenceOfFault } from '../../../src/core/selector-fault.ts';

const web = (fields: Partial<Selector> = {}): Selector => ({ ...plainSelector('web', null), ...fields });
const invalid = (key: SelectorFault['key']): SelectorFault => ({ fault: 'invalid', key });
const doubled = (key: SelectorFault['key']): SelectorFault => ({ fault: 'doubled', key });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const x = (n: number): string => 'x'.repeat(n);
const many = (n: number): string => Array.from({ length: n }, (_, i) => `v${i}`).join();

describe('the pool', () => {
  test.each([
    ['', plainSelector('default', null)],
    ['default', plainSelector('default', null)],
    ['web-eu', plainSelector('web-eu', null)],
    ['-session-a', plainSelector('default', 'a')],
    ['a-session', plainSelector('a-session', null)],
    ['w'.repeat(64), plainSelector('w'.repeat(64), null)],
    ['web-foo-bar', plainSelector('web-foo-bar', null)],
  ])('%j', (username, selector) => {
    expect(parseSelector(username, null)).toEqual(selector);
  });

  test.each(['Web', 'web-', '-web', 'we b', 'w'.repeat(65), '%77eb', 'web-SESSION-a', '__proto__', 'wéb'])(
    '%j is refused',
    (username) => {
      expect(parseSelector(username, null)).toEqual(invalid('pool'));
      expect(parseSelector('web', `pool=${username}`)).toEqual(invalid('pool'));
    },
  );
});

describe('each key, by each of its names', () => {
  const ROWS: [string, Partial<Selector>][] = [
    ['session-a', { session: 'a' }],
    ['sessid-a-b-c', { session: 'a-b-c' }],
    ['session-a%2Eb', { session: 'a.b' }],
    ['session-country', { session: 'country' }],
    ['session-__proto__', { session: '__proto__' }],
    ['session-a%2Dcountry%2Dus', { session: 'a-country-us' }],
    ['account-shop.1~A_-', { account: 'shop.1~A_-' }],
    ['account-hasOwnProperty', { account: 'hasOwnProperty' }],
    ['country-us', { labels: { country: ['us'] } }],
    ['cc-US,de,us', { labels: { country: ['de', 'us'] } }],
    ['city-New York', { labels: { city: ['new york'] } }],
    ['city-new%20york, paris', { labels: { city: ['new york', 'paris'] } }],
    ['isp-AS7922,a.b~c_d-e', { labels: { isp: ['a.b~c_d-e', 'as7922'] } }],
    ['type-residential', { labels: { type: ['residential'] } }],
    ['type-__proto__,constructor', { labels: { type: ['__proto__', 'constructor'] } }],
    ['provider-Acme Corp.', { provider: 'Acme Corp.' }],
    ['provider-018F8C20-1111-7aaa-8bbb-2c2c2c2c2c2c', { provider: '018F8C20-1111-7aaa-8bbb-2c2c2c2c2c2c' }],
    ['provider-B%C3%BCro%2C%3A%3B', { provider: 'Büro,:;' }],
    ['provider-a%2Dttl%2D5', { provider: 'a-ttl-5' }],
    ['ttl-5', { ttlMs: 5 * MINUTE }],
    ['lifetime-90s', { ttlMs: 90_000 }],
    ['sessionduration-05m', { ttlMs: 5 * MINUTE }],
    ['sesstime-2h', { ttlMs: 2 * HOUR }],
    ['strict-true', { strict: true }],
    ['strict-false', { strict: false }],
  ];
  test.each(ROWS)('web-%s', (text, fields) => {
    expect(parseSelector(`web-${text}`, null)).toEqual(web(fields));
    const dash = text.indexOf('-');
    expect(parseSelector('', `pool=web;${text.slice(0, dash)}=${text.slice(dash + 1)}`)).toEqual(web(fields));
  });

  const BOUNDS: [string, boolean, SelectorFault['key']][] = [
    ['session-x', true, 'session'],
    [`session-${x(127)}`, true, 'session'],
    [`session-${x(128)}`, true, 'session'],
    [`session-${x(129)}`, false, 'session'],
    [`account-${x(128)}`, true, 'account'],
    [`account-${x(129)}`, false, 'account'],
    ...LABEL_KEYS.flatMap((key): [string, boolean, SelectorFault['key']][] => [
      [`${key}-${x(63)}`, true, key],
      [`${key}-${x(64)}`, true, key],
      [`${key}-${x(65)}`, false, key],
      [`${key}-${many(15)}`, true, key],
      [`${key}-${many(16)}`, true, key],
      [`${key}-${many(17)}`, false, key],
    ]),
    [`provider-${x(64)}`, true, 'provider'],
    [`provider-${x(65)}`, false, 'provider'],
    [`provider-${'%C3%BC'.repeat(64)}`, true, 'provider'],
    [`provider-${'%F0%9F%90%9D'.repeat(64)}`, true, 'provider'],
    [`provider-${'%C3%BC'.repeat(65)}`, false, 'provider'],
    ['ttl-0s', false, 'ttl'],
    ['ttl-1s', true, 'ttl'],
    ['ttl-2s', true, 'ttl'],
    ['ttl-0', false, 'ttl'],
    ['ttl-0h', false, 'ttl'],
    ['ttl-31535999s', true, 'ttl'],
    ['ttl-31536000s', true, 'ttl'],
    ['ttl-31536001s', false, 'ttl'],
    ['ttl-525600', true, 'ttl'],
    ['ttl-525601', false, 'ttl'],
    ['ttl-525601m', false, 'ttl'],
    ['ttl-8760h', true, 'ttl'],
    ['ttl-8761h', false, 'ttl'],
    ['ttl-00000005', true, 'ttl'],
    ['ttl-000000005', true, 'ttl'],
    ['ttl-0000000005', false, 'ttl'],
    ['ttl-999999999', false, 'ttl'],
  ];
  test.each(BOUNDS)('web-%.24s… is within its bounds: %s', (text, isWithin, key) => {
    const result = parseSelector(`web-${text}`, null);
    expect(isSelectorFault(result)).toBe(!isWithin);
    if (!isWithin) expect(result).toEqual(invalid(key));
  });

  const FAULTS: [string, SelectorFault][] = [
    ...['', '%', '%2', '%zz', '%00', '%c3%28', '%2541', 'a:b', 'a b', 'a,b', 'é', 'a%C3%A9', 'a/b'].flatMap(
      (value): [string, SelectorFault][] => [
        [`session-${value}`, invalid('session')],
        [`account-${value}`, invalid('account')],
      ],
    ),
    ...['', ',', 'us,', ',us', 'us,,de', 'us%2Cde', 'u/s', 'ü', '%C3%BC', '%', 'a+b', 'a\tb', ' '].map(
      (value): [string, SelectorFault] => [`country-${value}`, invalid('country')],
    ),
    ['cc-u:s', invalid('country')],
    ['city-é', invalid('city')],
    ['isp-', invalid('isp')],
    ['type-a;b', invalid('type')],
    ...['', 'ü', '%C3', '%07', '%C2%85', '%E2%80%AE', 'a\tb', '%EE%80%80', '\ud800'].map((value): [string, SelectorFault] => [
      `provider-${value}`,
      invalid('provider'),
    ]),
    ...['', '5d', '1.5', '-5', '+5', 'm', '5 m', '5M', '1e3', '0x5', '٥', '5ms', 'five', 'Infinity'].map(
      (value): [string, SelectorFault] => [`lifetime-${value}`, invalid('ttl')],
    ),
    ...['', 'yes', '1', 'TRUE', 'true ', 'truefalse', 'toString'].map((value): [string, SelectorFault] => [
      `strict-${value}`,
      invalid('strict'),
    ]),
    ['session-a-session-b', doubled('session')],
    ['session-a-sessid-a', doubled('session')],
    ['account-a-account-a', doubled('account')],
    ['country-us-cc-de', doubled('country')],
    ['city-a-city-b', doubled('city')],
    ['isp-a-isp-b', doubled('isp')],
    ['type-a-type-b', doubled('type')],
    ['provider-a-provider-b', doubled('provider')],
    ['ttl-5-lifetime-5', doubled('ttl')],
    ['sesstime-5-session-a-sessionduration-5', doubled('ttl')],
    ['strict-false-strict-false', doubled('strict')],
  ]; // biome-ignore format: one list
  test.each(FAULTS)('web-%s is refused: %o', (text, fault) => {
    expect(parseSelector(`web-${text}`, null)).toEqual(fault);
    expect(parseSelector(`web-${text}`, 'session=x;country=us;provider=x;ttl=1;strict=true')).toEqual(fault);
  });

  test('none of them hides another, whatever the order', () => {
    const keys = [
      'session-s',
      'account-a',
      'cc-us,de',
      'city-c',
      'isp-i',
      'type-t',
      'provider-p',
      'ttl-5',
      'strict-true',
    ];
    const whole: Selector = {
      pool: 'web',
      session: 's',
      account: 'a',
      labels: { country: ['de', 'us'], city: ['c'], isp: ['i'], type: ['t'] },
      provider: 'p',
      ttlMs: 5 * MINUTE,
      strict: true,
    };
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: keys.length }), (shuffled) => {
        // Equal text, too: equal filters are told by it.
        expect(JSON.stringify(parseSelector(['web', ...shuffled].join('-'), null))).toBe(JSON.stringify(whole));
      }),
    );
  });
});

describe('Proxy-Selector', () => {
  const USERNAME = 'web-session-a-cc-us-city-x-ttl-5-strict-true';
  const base = web({ session: 'a', labels: { country: ['us'], city: ['x'] }, ttlMs: 5 * MINUTE, strict: true });
  test.each<[string, Partial<Selector>]>([
    ['session=b', { session: 'b' }],
    ['pool=other', { pool: 'other' }],
    [' Pool = other ;\tSESSID=b ', { pool: 'other', session: 'b' }],
    ['country=de', { labels: { country: ['de'], city: ['x'] } }],
    ['CC=fr;type=mobile', { labels: { country: ['fr'], city: ['x'], type: ['mobile'] } }],
    ['lifetime=1h', { ttlMs: HOUR }],
    ['strict=false', { strict: false }],
    ['account=b; provider=Acme Corp', { account: 'b', provider: 'Acme Corp' }],
    ['city=new york , paris', { labels: { country: ['us'], city: ['new york', 'paris'] } }],
  ])('%j wins over the username, key by key', (header, fields) => {
    expect(parseSelector(USERNAME, header)).toEqual({ ...base, ...fields });
  });

  test.each<[string, SelectorFault]>([
    ['', invalid(null)],
    [';', invalid(null)],
    ['session', invalid(null)],
    ['session=a;', invalid(null)],
    ['session=', invalid('session')],
    ['session==a', invalid('session')],
    ['x=y', { fault: 'unknown', key: null }],
    ['=a', { fault: 'unknown', key: null }],
    ['__proto__=a', { fault: 'unknown', key: null }],
    ['constructor=a', { fault: 'unknown', key: null }],
    ['sessions=a', { fault: 'unknown', key: null }],
    ['session=a;session=b', doubled('session')],
    ['cc=a;COUNTRY=a', doubled('country')],
    ['pool=a;pool=a', doubled('pool')],
    ['pool=', invalid('pool')],
    ['ttl=5x', invalid('ttl')],
    ['provider="a\u0001"', invalid('provider')],
  ])('%j is refused: %o', (header, fault) => {
    expect(parseSelector('web', header)).toEqual(fault);
  });

  test('excuses nothing that the username has wrong', () => {
    expect(parseSelector('Web', 'pool=web')).toEqual(invalid('pool'));
    expect(parseSelector('web-ttl-0', 'ttl=5')).toEqual(invalid('ttl'));
  });
});

/** Keys as they may be asked for, and values of every kind. */
const fragment = fc.constantFrom(
  '-session-', '-sessid-', '-account-', '-country-', '-cc-', '-isp-', '-provider-', '-ttl-', '-strict-', 'true', '5m', '999999999',
  'a', 'A', ',', ' ', '%2d', '%2C', '%', '-', ';', '=', 'pool=', 'session=', 'cc=', 'ttl=', '__proto__', 'é', '\0',
); // biome-ignore format: one list
const anything = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.array(fragment, { maxLength: 10 }).map((parts) => parts.join('')),
);

function expectOfTheGrammar(result: Selector | SelectorFault): void {
  if (isSelectorFault(result)) {
    expect(sentenceOfFault(result)).toMatch(/^[ -~]{1,255}$/);
    return;
  }
  const { pool, session, account, labels, provider, ttlMs, strict } = result;
  expect(pool).toMatch(/^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/);
  for (const name of [session, account]) if (name !== null) expect(name).toMatch(/^[A-Za-z0-9._~-]{1,128}$/);
  for (const [key, values] of Object.entries(labels ?? {})) {
    expect(LABEL_KEYS).toContain(key);
    expect(values).toEqual([...new Set(values)].sort());
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) expect(value).toMatch(/^[a-z0-9._~ -]{1,64}$/);
  }
  if (labels !== null) expect(Object.keys(labels)).not.toEqual([]);
  if (provider !== null) expect(provider).toMatch(/^\P{C}{1,64}$/u);
  if (ttlMs !== null) expect(ttlMs % 1_000 === 0 && ttlMs >= 1_000 && ttlMs <= 365 * 24 * HOUR).toBe(true);
  expect([true, false, null]).toContain(strict);
}

test('whatever is asked, the result is of the grammar or a fault', () => {
  fc.assert(
    fc.property(anything, fc.option(anything), (username, header) =>
      expectOfTheGrammar(parseSelector(username, header)),
    ),
    { numRuns: 2_000 },
  );
});

describe('a selector that was written down is read as the same again', () => {
  const letters = (alphabet: string, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength });
  const name = letters('abcXYZ019._~-', 128);
  const values = fc
    .uniqueArray(letters('abcxyz019._~ -', 64), { minLength: 1, maxLength: 16 })
    .map((list) => [...list].sort());
  const selectors = fc.record({
    pool: fc.stringMatching(/^[a-z0-9](?:[a-z0-9_]{0,62}[a-z0-9])?$/),
    session: fc.option(name),
    account: fc.option(name),
    labels: fc
      .record({ country: values, city: values, isp: values, type: values }, { requiredKeys: [] })
      .map((labels) => (Object.keys(labels).length === 0 ? null : labels)),
    provider: fc.option(letters('Az09 üß🐝,;:%-', 64)),
    ttlMs: fc.option(fc.integer({ min: 1, max: 31_536_000 }).map((seconds) => seconds * 1_000)),
    strict: fc.option(fc.boolean()),
  });
  /** Dashes as well, so that no value holds a key. */
  const encoded = (text: string): string => encodeURIComponent(text).replaceAll('-', '%2D');

  function pairsOf({ session, account, labels, provider, ttlMs, strict }: Selector): [string, string][] {
    const pairs: [string, string][] = Object.entries(labels ?? {}).map(([key, list]) => [
      key,
      list.map(encoded).join(),
    ]);
    if (session !== null) pairs.push(['session', encoded(session)]);
    if (account !== null) pairs.push(['account', encoded(account)]);
    if (provider !== null) pairs.push(['provider', encoded(provider)]);
    if (ttlMs !== null) pairs.push(['ttl', `${ttlMs / 1_000}s`]);
    if (strict !== null) pairs.push(['strict', `${strict}`]);
    return pairs;
  }

  test('from a username', () => {
    fc.assert(
      fc.property(selectors, (selector) => {
        const pairs = pairsOf(selector).map(([key, value]) => `-${key}-${value}`);
        expect(parseSelector(selector.pool + pairs.join(''), null)).toEqual(selector);
      }),
    );
  });

  test('from a header', () => {
    fc.assert(
      fc.property(selectors, (selector) => {
        const pairs = pairsOf(selector).map(([key, value]) => `${key}=${value}`);
        expect(parseSelector('other-session-s', ['pool='.concat(selector.pool), ...pairs].join('; '))).toEqual({
          ...selector,
          session: selector.session ?? 's',
        });
      }),
    );
  });
});

test.each([
  ['keys', '-session-'.repeat(1_820)],
  ['almost keys', '-session'.repeat(2_048)],
  ['dashes', '-'.repeat(16_384)],
  ['a pool name that ends wrong', `${'a-'.repeat(8_191)}!`],
  ['commas', `web-country-${','.repeat(16_384)}`],
  ['a value of blanks', `web-country-us${' '.repeat(16_384)}x`],
  ['percent signs', `web-session-${'%41'.repeat(5_461)}`],
  ['digits', `web-ttl-${'9'.repeat(16_384)}`],
  ['semicolons', `web-session-a;${';'.repeat(16_384)}`],
  ['percent signs in a header', `session=${'%41'.repeat(5_461)}`],
  ['commas in a header', `country=${','.repeat(16_384)}`],
  ['pairs', `session=a;${'x=y;'.repeat(4_096)}`],
  ['astral characters', `web-provider-${'%F0%9F%90%9D'.repeat(1_365)}`],
])('16 KiB of %s are read within 5 ms', (_, text) => {
  const fastest = Math.min(
    ...Array.from({ length: 5 }, () => {
      const before = performance.now();
      expect(isSelectorFault(parseSelector(text, null))).toBe(true);
      expect(isSelectorFault(parseSelector('web', text))).toBe(true);
      return performance.now() - before;
    }),
  );
  expect(fastest).toBeLessThan(5);
});

describe('a fault', () => {
  test.each<[SelectorFault, string | null, string]>([
    [invalid('ttl'), 'ttl', 'The selector\'s "ttl" is not valid.'],
    [invalid('pool'), 'pool', 'The selector\'s "pool" is not valid.'],
    [doubled('country'), 'country', 'The selector has "country" more than once.'],
    [{ fault: 'unknown', key: null }, 'unknown_key', 'The Proxy-Selector has a key that is not known.'],
    [invalid(null), null, 'The proxy username or Proxy-Selector is not a valid selector.'],
  ])('%o is named %s and told in a sentence', (fault, name, sentence) => {
    expect(nameOfFault(fault)).toBe(name);
    expect(sentenceOfFault(fault)).toBe(sentence);
  });
});
