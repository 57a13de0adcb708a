import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint, ProviderState, SessionLabels } from '../../../../src/core/model.ts';
import type { RequestFault } from '../../../../src/core/pool-index/dialect.ts';
import {
  type Asked,
  baseOf,
  compileRequestRoute,
  isRoute,
  type RequestSeed,
} from '../../../../src/core/pool-index/request-route.ts';
import { compileRoute } from '../../../../src/core/pool-index/route.ts';
import { SessionLive } from '../../../../src/core/pool-index/session-live.ts';
import { gateway, session } from './fixture.ts';

const EVERYTHING =
  'u[-cc-{country}][-city-{city}][-isp-{isp}][-type-{type}]-s-{token}[-m-{ttl_minutes}][-t-{ttl_seconds}]';
const NOTHING: Asked = { token: null, labels: null, ttlMs: null };

const seedOf = (labels: SessionLabels | null = null): RequestSeed => session(1, { token: 'own', labels });

/** What leaves for the provider, or the fault. */
function sent(
  provider: ProviderState,
  asked: Partial<Asked>,
  labels: SessionLabels | null = null,
): string | RequestFault {
  const seed = seedOf(labels);
  const base = compileRoute(session(1, { token: 'own', labels }), provider, null)!;
  const route = compileRequestRoute(base, provider, seed, { ...NOTHING, ...asked });
  if (!isRoute(route)) return route;
  if (route.credentials !== null) return `${route.credentials.username}:${route.credentials.password}`;
  return Buffer.from(route.authorization!.replace('Basic ', ''), 'base64').toString('utf8');
}

describe('a route of a request', () => {
  const plain = gateway(1, { usernameTemplate: EVERYTHING });

  it.each<[string, Partial<Asked>, SessionLabels | null, string]>([
    ['nothing', {}, null, 'u-s-own:pw'],
    ['a minted token', { token: 'a1b2c3d4e5f6a7b8' }, null, 'u-s-a1b2c3d4e5f6a7b8:pw'],
    ['a country', { labels: { country: ['us'] } }, null, 'u-cc-us-s-own:pw'],
    ['the first of several', { labels: { city: ['berlin', 'paris'] } }, null, 'u-city-berlin-s-own:pw'],
    ['what the session is labelled', {}, { country: 'de', type: 'mobile' }, 'u-cc-de-type-mobile-s-own:pw'],
    ['what was asked rather than the label', { labels: { country: ['us'] } }, { country: 'de' }, 'u-cc-us-s-own:pw'],
    ['a life, in whole units upwards', { ttlMs: 90_500 }, null, 'u-s-own-m-2-t-91:pw'],
    ['a label that fits nothing as none', {}, { city: 'são paulo', isp: 'a:b' }, 'u-s-own:pw'],
  ])('carries %s', (_, asked, labels, expected) => {
    expect(sent(plain, asked, labels)).toBe(expected);
  });

  it.each<[string, Partial<Asked>, string]>([
    ['country', { labels: { country: ['usa'] } }, 'country'],
    ['city', { labels: { city: ['new york'] } }, 'city'],
    ['isp', { labels: { isp: ['a-cc-de'] } }, 'isp'],
    ['type', { labels: { type: [''] } }, 'type'],
    ['life that is none', { ttlMs: 0 }, 'ttl'],
    ['life that is no number', { ttlMs: Number.NaN }, 'ttl'],
    ['token', { token: 'UPPER-and-dashes' }, 'session'],
  ])('is refused for a %s that does not fit, by its key', (_, asked, invalid) => {
    expect(sent(plain, asked)).toEqual({ invalid });
  });

  it('takes a value that no template has room for as not there', () => {
    expect(sent(gateway(1, { usernameTemplate: 'u-{token}' }), { labels: { city: ['a:b'] }, ttlMs: -1 })).toBe(
      'u-own:pw',
    );
  });

  it('is its session’s own in all but the credentials, and shares how that fares', () => {
    const provider = gateway(1, { usernameTemplate: EVERYTHING });
    const base = compileRoute(session(1), provider, null)!;
    base.live = new SessionLive({ loadChanged: () => undefined });
    const route = compileRequestRoute(base, provider, seedOf(), { ...NOTHING, ttlMs: 60_000 });
    expect(route).toMatchObject({ ...base, authorization: expect.any(String) });
    expect(route).not.toMatchObject({ authorization: base.authorization });
    expect(isRoute(route) && route.live === base.live).toBe(true);
    expect(isRoute(route) && baseOf(route)).toBe(base);
    expect(baseOf(base)).toBe(base);
  });

  it('has no credentials to fill at a provider without any', () => {
    const provider = gateway(1, { usernameTemplate: null, password: null });
    const base = compileRoute(session(1), provider, null)!;
    expect(compileRequestRoute(base, provider, seedOf(), { ...NOTHING, labels: { city: ['x'] } })).toBe(base);
  });

  it('fills the password as well, and UTF-8 of the account for SOCKS', () => {
    const templates = { usernameTemplate: '{username}', passwordTemplate: '{password}[_c-{country}]_s-{token}' };
    const over = { ...templates, password: 'jürgen:pä:ss' };
    expect(sent(gateway(1, over), { labels: { country: ['us'] } })).toBe('jürgen:pä:ss_c-us_s-own');
    const socks: Endpoint = { scheme: 'socks5h', host: 'gw.example', port: 1_080 };
    const octets = Buffer.from('jürgen:pä:ss_c-us_s-own').toString('latin1');
    expect(sent(gateway(1, { ...over, endpoint: socks }), { labels: { country: ['us'] } })).toBe(octets);
  });

  it('is refused for a value that makes it longer than SOCKS5 carries', () => {
    const socks: Endpoint = { scheme: 'socks5', host: 'gw.example', port: 1_080 };
    const long = gateway(1, { usernameTemplate: `${'u'.repeat(230)}[-{city}]-{token}`, endpoint: socks });
    expect(sent(long, { labels: { city: ['a'.repeat(40)] } })).toEqual({ invalid: 'city' });
    expect(sent(long, { labels: { city: ['a'.repeat(15)] } })).toBe(`${'u'.repeat(230)}-${'a'.repeat(15)}-own:pw`);
    // Nobody asked for it: that dial fails as the session's own would.
    expect(sent(long, {}, { city: 'a'.repeat(40) })).toEqual(expect.any(String));
  });
});

describe('a provider’s own spelling', () => {
  const provider = gateway(1, {
    usernameTemplate: EVERYTHING,
    tokenFormat: '[0-9]{1,9}',
    parameters: [
      { placeholder: 'country', format: '[A-Z]{2}', otherwise: { gb: 'uk' } },
      { placeholder: 'city', format: '[a-z]{1,12}' },
      { placeholder: 'isp', format: '[A-Za-z0-9]{1,12}' },
      { placeholder: 'ttl_minutes', format: '[0-9]{1,5}', range: [3, 1_440] },
      { placeholder: 'ttl_seconds', format: '[0-9]{1,3}' },
    ],
  });

  it.each<[string, Partial<Asked>, string]>([
    ['another name', { labels: { country: ['gb'] } }, 'u-cc-UK-s-own:pw'],
    [
      'its case',
      { labels: { country: ['us'], city: ['berlin'], isp: ['att1'] } },
      'u-cc-US-city-berlin-isp-att1-s-own:pw',
    ],
    ['a token of its own kind', { token: '123' }, 'u-s-123:pw'],
    ['a life within its range', { ttlMs: 60_000 }, 'u-s-own-m-3-t-60:pw'],
  ])('is %s', (_, asked, expected) => expect(sent(provider, asked)).toBe(expected));

  it.each<[Partial<Asked>, string]>([
    [{ labels: { country: ['constructor'] } }, 'country'],
    [{ labels: { country: ['__proto__'] } }, 'country'],
    // In another case these would be two letters of the alphabet.
    [{ labels: { country: ['uſ'] } }, 'country'],
    [{ labels: { city: ['\u212Aiel'] } }, 'city'],
    [{ labels: { city: ['new_york'] } }, 'city'],
    [{ labels: { city: ['a'.repeat(13)] } }, 'city'],
    [{ token: 'abc' }, 'session'],
    [{ ttlMs: 5_000_000 }, 'ttl'],
  ])('refuses %j by the key %s', (asked, invalid) => expect(sent(provider, asked)).toEqual({ invalid }));

  it('of a token format that is none lets no minted token pass', () => {
    expect(sent(gateway(1, { usernameTemplate: 'u-{token}', tokenFormat: '.*' }), { token: 'abc' })).toEqual({
      invalid: 'session',
    });
  });
});

it('no value adds a parameter, a colon, an @, a CR or an LF, whatever the client sends', () => {
  // S17, A08: as many characters that mean something in a template, a user name or a message as letters.
  const piece = fc.constantFrom(
    ...['-', '_', ':', '@', '\r', '\n', '%0d%0a', '[', ']', '{', '}', '|', '{token}', '-cc-', '-s-', 'ſ', '\0', ' '],
    ...['us', 'de', 'berlin', 'A', '0', '9'],
  );
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  );
  const provider = gateway(1, { usernameTemplate: EVERYTHING, password: 'pw' });
  const language =
    /^u(-cc-[a-z]{2})?(-city-[A-Za-z0-9_]{1,64})?(-isp-[A-Za-z0-9_]{1,64})?(-type-[A-Za-z0-9_]{1,64})?-s-([a-z0-9]{16}|own)(-m-[0-9]{1,5}-t-[0-9]{1,5})?:pw$/;
  // One at a time is hostile: a single one that does not fit refuses the request.
  const one = fc.tuple(fc.constantFrom('country', 'city', 'isp', 'type', 'token', 'ttl'), value, fc.double());
  const own = fc.tuple(fc.constantFrom('country', 'city', 'isp', 'type'), value);
  let passed = 0;
  fc.assert(
    fc.property(one, own, ([key, text, number], [label, ownText]) => {
      const asked =
        key === 'token' ? { token: text } : key === 'ttl' ? { ttlMs: number } : { labels: { [key]: [text] } };
      const answer = sent(provider, asked, { [label]: ownText });
      if (typeof answer !== 'string') return;
      passed++;
      if (!language.test(answer)) expect(answer).toMatch(language);
    }),
    { numRuns: 5_000 },
  );
  expect(passed).toBeGreaterThan(300);
});
