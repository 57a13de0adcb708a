/**
 * What each vendor is sent for what a client asks, as a table; and, for values that a
 * client could try anything with, the language that the vendor reads: written here by
 * hand from its dialect, not from our templates (S17, A08).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { providerPut } from '../../../control/convert/providers.ts';
import { VENDORS } from '../../../control/providers/vendors.ts';
import { Secret } from '../../../control/secrets/secret.ts';
import { builtInSource } from '../../../control/services/provider-source.ts';
import { LABEL_KEYS, type ProviderState, type SessionLabels } from '../../../src/core/model.ts';
import { compileDialect, type RequestFault } from '../../../src/core/pool-index/dialect.ts';
import { compileRequestRoute, isRoute } from '../../../src/core/pool-index/request-route.ts';
import { requestRoutesOf } from '../../../src/core/pool-index/request-routes.ts';
import { compileRoute } from '../../../src/core/pool-index/route.ts';
import { plainSelector, type Selector } from '../../../src/core/selector.ts';
import { TokenMint } from '../../../src/core/token-mint.ts';
import { providerRecord } from '../../helpers/store-rig.ts';
import { session } from './pool-index/fixture.ts';

type Row = readonly [asks: Partial<Selector>, sent: string | RequestFault, own?: SessionLabels];

type Case = [asks: Partial<Selector>, sent: string | RequestFault, own: SessionLabels | null];

/** A vendor's dialect: the token of the session, what is sent for what is asked, and all that it could ever be sent. */
interface Expected {
  readonly token: string;
  readonly rows: readonly Row[];
  readonly language: RegExp;
}

const MINUTE = 60_000;
const country = (...country: string[]): Partial<Selector> => ({ labels: { country } });
const city = (...city: string[]): Partial<Selector> => ({ labels: { city } });
const ttl = (ttlMs: number): Partial<Selector> => ({ ttlMs });
const all: Partial<Selector> = {
  labels: { country: ['us'], city: ['miami'], isp: ['att'], type: ['mobile'] },
  ttlMs: 30 * MINUTE,
};

/** Of the account `acme` with the password `pw`. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  webshare_residential: {
    token: '1234',
    rows: [
      [{}, 'acme-1234:pw'],
      [country('us'), 'acme-us-1234:pw'],
      [city('new_york'), 'acme-city_new_york-1234:pw'],
      [all, 'acme-us-city_miami-1234:pw'],
      [ttl(MINUTE), 'acme-1234:pw'],
      [{}, 'acme-de-city_bad_ems-1234:pw', { country: 'de', city: 'bad_ems' }],
      [country('u-'), { invalid: 'country' }],
      [city('new-york'), { invalid: 'city' }],
      [{ session: 'checkout1' }, 'acme-055344125:pw'],
    ],
    language: /^acme(-[a-z][a-z])?(-city_[a-z_]+)?-\d{1,9}:pw$/,
  },
  bright_data: {
    token: 'checkout',
    rows: [
      [{}, 'acme-session-checkout:pw'],
      [country('us', 'de'), 'acme-country-us-session-checkout:pw'],
      [city('sanfrancisco'), 'acme-city-sanfrancisco-session-checkout:pw'],
      [all, 'acme-country-us-city-miami-session-checkout:pw'],
      [city('san_francisco'), { invalid: 'city' }],
      [{}, 'acme-country-us-session-checkout:pw', { country: 'us', city: 'san_francisco' }],
      [{ ...all, session: 'checkout1' }, 'acme-country-us-city-miami-session-YdtnCKTct2uokJcq:pw'],
    ],
    language: /^acme(-country-[a-z][a-z])?(-city-[a-z]+)?-session-[A-Za-z0-9]{1,32}:pw$/,
  },
  oxylabs: {
    token: 'checkout',
    rows: [
      [{}, 'customer-acme-sessid-checkout:pw'],
      [country('us'), 'customer-acme-cc-US-sessid-checkout:pw'],
      [city('st_louis'), 'customer-acme-city-st_louis-sessid-checkout:pw'],
      [ttl(90_000), 'customer-acme-sessid-checkout-sesstime-2:pw'],
      [ttl(48 * 60 * MINUTE), 'customer-acme-sessid-checkout-sesstime-1440:pw'],
      [all, 'customer-acme-cc-US-city-miami-sessid-checkout-sesstime-30:pw'],
      [country('usa'), { invalid: 'country' }],
      [{ ...country('gb'), session: 'checkout1' }, 'customer-acme-cc-GB-sessid-YdtnCKTct2uokJcq:pw'],
    ],
    language: /^customer-acme(-cc-[A-Z][A-Z])?(-city-[a-z_]+)?-sessid-[A-Za-z0-9]{1,32}(-sesstime-\d{1,4})?:pw$/,
  },
  decodo: {
    token: 'checkout',
    rows: [
      [{}, 'user-acme-session-checkout:pw'],
      [country('us'), 'user-acme-country-us-session-checkout:pw'],
      [city('new_york'), 'user-acme-city-new_york-session-checkout:pw'],
      [ttl(1_000), 'user-acme-session-checkout-sessionduration-1:pw'],
      [all, 'user-acme-country-us-city-miami-session-checkout-sessionduration-30:pw'],
      [ttl(0), { invalid: 'ttl' }],
    ],
    language:
      /^user-acme(-country-[a-z][a-z])?(-city-[a-z_]+)?-session-[A-Za-z0-9]{1,32}(-sessionduration-\d{1,4})?:pw$/,
  },
  iproyal: {
    token: 'checkout',
    rows: [
      [{}, 'acme:pw_session-checkout'],
      [country('us'), 'acme:pw_country-us_session-checkout'],
      [city('losangeles'), 'acme:pw_city-losangeles_session-checkout'],
      [ttl(10 * 24 * 60 * MINUTE), 'acme:pw_session-checkout_lifetime-10080m'],
      [all, 'acme:pw_country-us_city-miami_session-checkout_lifetime-30m'],
      [city('los_angeles'), { invalid: 'city' }],
      [{ session: 'checkout1' }, 'acme:pw_session-YdtnCKTc'],
    ],
    language: /^acme:pw(_country-[a-z][a-z])?(_city-[a-z]+)?_session-[A-Za-z0-9]{8}(_lifetime-\d{1,5}m)?$/,
  },
  soax: {
    token: 'checkout',
    rows: [
      [{}, 'package-acme-sessionid-checkout:pw'],
      [country('us'), 'package-acme-country-us-sessionid-checkout:pw'],
      [{ labels: { isp: ['comcast'] } }, 'package-acme-isp-comcast-sessionid-checkout:pw'],
      [ttl(1_000), 'package-acme-sessionid-checkout-sessionlength-10:pw'],
      [ttl(90_000), 'package-acme-sessionid-checkout-sessionlength-90:pw'],
      [all, 'package-acme-country-us-city-miami-isp-att-sessionid-checkout-sessionlength-1800:pw'],
      [{ labels: { isp: ['at+t'] } }, { invalid: 'isp' }],
    ],
    language:
      /^package-acme(-country-[a-z][a-z])?(-city-[a-z]+)?(-isp-[a-z0-9]+)?-sessionid-[A-Za-z0-9]{1,32}(-sessionlength-\d{2,5})?:pw$/,
  },
  netnut: {
    token: '1234',
    rows: [
      [{}, 'acme-res-any-sid-1234:pw'],
      [country('us'), 'acme-res-us-sid-1234:pw'],
      [country('gb'), 'acme-res-uk-sid-1234:pw'],
      [all, 'acme-res-us-sid-1234:pw'],
      [{}, 'acme-res-uk-sid-1234:pw', { country: 'gb' }],
      [country('any'), { invalid: 'country' }],
    ],
    language: /^acme-res-([a-z][a-z]|any)-sid-\d{1,9}:pw$/,
  },
  geonode: {
    token: 'checkout',
    rows: [
      [{}, 'acme-type-residential-session-checkout:pw'],
      [country('us'), 'acme-type-residential-country-us-session-checkout:pw'],
      [city('paris'), 'acme-type-residential-city-paris-session-checkout:pw'],
      [ttl(MINUTE), 'acme-type-residential-session-checkout-lifetime-3:pw'],
      [all, 'acme-type-residential-country-us-city-miami-session-checkout-lifetime-30:pw'],
      // The type is the plan's, not the client's.
      [{ labels: { type: ['mobile'] } }, 'acme-type-residential-session-checkout:pw'],
    ],
    language:
      /^acme-type-residential(-country-[a-z][a-z])?(-city-[a-z]+)?-session-[A-Za-z0-9_]{1,25}(-lifetime-\d{1,4})?:pw$/,
  },
  apify: {
    token: 'check.out',
    rows: [
      [{}, 'acme,session-check.out:pw'],
      [country('us'), 'acme,session-check.out,country-US:pw'],
      [all, 'acme,session-check.out,country-US:pw'],
      [country('u,'), { invalid: 'country' }],
    ],
    language: /^acme,session-[A-Za-z0-9._~]{1,50}(,country-[A-Z][A-Z])?:pw$/,
  },
};

/** Pieces that mean something to some vendor, to a template or to HTTP; letters that change their kind with their case. */
const PIECES = [
  ...['-', '_', ',', ':', '@', '\r\n', '\n', '\0', ' ', '+', '%3a', '%0d%0a', '%', '{token}', '[', ']', '|', 'ſ', 'ß'],
  ...['\u212A', '１', '-country-de', '_country-de', ',country-DE', '-session-x', 'us', 'a', 'Z', '0', '7'],
];
const VALUE = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('us', 'gb', 'berlin', 'new_york', 'a'.repeat(64), 'a'.repeat(65), 'x-'.repeat(5_000), 'constructor'),
);
/** Label, its value (asked for, and the session's own), sticky key, life: the same for each vendor. */
const ATTEMPTS = fc.sample(
  fc.tuple(fc.constantFrom(...LABEL_KEYS), VALUE, fc.option(VALUE), fc.option(fc.double())),
  5_000,
);

const WORKSPACE = '00000000-0000-4000-8000-00000000000a';
const PROVIDER = '00000000-0000-4000-8000-00000000000b';

function stateOf(type: string, mintTokens: boolean): ProviderState {
  const record = { ...providerRecord(WORKSPACE as never, { type, ...builtInSource(type) }), id: PROVIDER as never };
  const change = providerPut({ ...record, mintTokens }, new Secret('acme:pw'));
  if (change.kind !== 'provider-put') throw new Error('a provider becomes a provider-put');
  return structuredClone(change.provider);
}

/** A session of the provider, and what leaves for a selector with it. */
function speaker(
  type: string,
  token: string,
): (asks: Selector, labels?: SessionLabels | null) => string | RequestFault {
  const provider = stateOf(type, true);
  const dialect = compileDialect(provider)!;
  const { workspaceId, id: providerId } = provider;
  const mint = new TokenMint({ workspaceId, providerId, format: dialect.tokenFormat! });
  const own = session(1, { token, endpoint: null });
  const base = compileRoute(own, provider, null)!;
  return ({ session: key, labels, ttlMs }, ownLabels = null) => {
    const minted = key === null ? null : mint.mint(key, () => false);
    const seed = { ...own, labels: ownLabels };
    const route = compileRequestRoute(base, provider, seed, { token: minted, labels, ttlMs }, dialect);
    if (!isRoute(route)) return route;
    return Buffer.from(route.authorization!.replace('Basic ', ''), 'base64').toString('utf8');
  };
}

it('every vendor that has a gateway is here; Proxyline’s exits are listed, and take no values', () => {
  const gateways = [...VENDORS.values()].filter(({ kind }) => kind === 'gateway').map(({ type }) => type);
  expect(Object.keys(EXPECTED).sort()).toEqual(gateways.sort());
  expect(VENDORS.size).toBe(gateways.length + 1);
  expect(requestRoutesOf(stateOf('proxyline', false), null, () => {})).toBeNull();
  const listed = session(1, { username: 'user', password: 'pw' });
  const route = compileRoute(listed, stateOf('proxyline', false), null);
  expect(route?.authorization).toBe(`Basic ${Buffer.from('user:pw').toString('base64')}`);
});

describe.each(Object.entries(EXPECTED))('%s', (type, { token, rows, language }) => {
  const say = speaker(type, token);

  it.each<Case>(rows.map(([asks, sent, own = null]) => [asks, sent, own]))('%j is sent as %j', (asks, sent, own) => {
    expect(say({ ...plainSelector('default', null), ...asks }, own)).toEqual(sent);
    if (typeof sent === 'string') expect(sent).toMatch(language);
  });

  it('is sent nothing else, whatever 5,000 clients try', () => {
    let sent = 0;
    for (const attempt of ATTEMPTS) {
      const [name, text, sticky, ttlMs] = attempt;
      const asks = { ...plainSelector('default', sticky), labels: { [name]: [text] }, ttlMs };
      const answer = say(asks, { [name]: text });
      // Compared here, as 45,000 calls of `expect` take seconds.
      const isSound =
        typeof answer === 'string'
          ? language.test(answer) && !/[^\x21-\x7e]|@|:.*:/.test(answer)
          : answer.invalid === name || answer.invalid === 'ttl';
      if (!isSound) expect({ attempt, answer }).toBe('in the language of the vendor, or a fault of what was asked');
      if (typeof answer === 'string') sent++;
    }
    // Many must have come through, or the above says nothing.
    expect(sent).toBeGreaterThan(500);
  });
});
