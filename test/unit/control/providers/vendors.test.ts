/** Each vendor's data against that vendor's own grammar, written here a second time as a regular expression. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { providerPut, providerTypeName } from '../../../../control/convert/providers.ts';
import { ProviderType } from '../../../../control/gen/proxies/v1/proxies_pb.ts';
import { templateRule, tokenFormatRule } from '../../../../control/provider-template.ts';
import { readAccount } from '../../../../control/providers/account.ts';
import type { Vendor } from '../../../../control/providers/vendor.ts';
import { kindOf, VENDORS } from '../../../../control/providers/vendors.ts';
import { Secret } from '../../../../control/secrets/secret.ts';
import { builtInSource } from '../../../../control/services/provider-source.ts';
import { compileRoute } from '../../../../src/core/pool-index/route.ts';
import { fillTemplate } from '../../../../src/core/template.ts';
import { compileTokenFormat } from '../../../../src/core/token-format.ts';
import { providerRecord } from '../../../helpers/store-rig.ts';
import { session } from '../../core/pool-index/fixture.ts';

/** What a vendor takes as `username:password`, parameters included, for the account `acme` with the password `pw`. */
const GRAMMARS: Readonly<Record<string, RegExp>> = {
  webshare_residential: /^acme(-[a-z]{2})?(-city_[a-z_]+)?-[0-9]+:pw$/,
  bright_data: /^acme(-country-[a-z]{2})?(-city-[a-z]+)?-session-[A-Za-z0-9]+:pw$/,
  oxylabs: /^customer-acme(-cc-[A-Z]{2})?(-city-[a-z_]+)?-sessid-[A-Za-z0-9]+(-sesstime-[0-9]+)?:pw$/,
  decodo: /^user-acme(-country-[a-z]{2})?(-city-[a-z_]+)?-session-[A-Za-z0-9]+(-sessionduration-[0-9]+)?:pw$/,
  iproyal: /^acme:pw(_country-[a-z]{2})?(_city-[a-z]+)?_session-[A-Za-z0-9]{8}(_lifetime-[0-9]+m)?$/,
  soax: /^package-acme(-country-[a-z]{2})?(-city-[a-z]+)?(-isp-[a-z0-9]+)?-sessionid-[A-Za-z0-9]+(-sessionlength-[0-9]+)?:pw$/,
  netnut: /^acme-res-([a-z]{2}|any)-sid-[0-9]+:pw$/,
  geonode:
    /^acme-type-residential(-country-[a-z]{2})?(-city-[a-z]+)?-session-[A-Za-z0-9_]{1,25}(-lifetime-[0-9]+)?:pw$/,
  apify: /^(acme,)?session-[0-9A-Za-z._~]{1,50}(,country-[A-Z]{2})?:pw$/,
};

const GATEWAYS = [...VENDORS.values()].filter((vendor) => vendor.kind === 'gateway');
const row = (type: string) => providerRecord('0193-ws' as never, { type, ...builtInSource(type) });

/** What the gateway sends to the vendor for a session of this token, as text. */
function sent(type: string, token: string, credentials = 'acme:pw'): string {
  const change = providerPut(row(type), new Secret(credentials));
  if (change.kind !== 'provider-put') throw new Error('a provider becomes a provider-put');
  const route = compileRoute(session(1, { token, endpoint: null }), change.provider, null);
  return Buffer.from(route!.authorization!.replace('Basic ', ''), 'base64').toString();
}

describe.each(GATEWAYS)('$label', (vendor: Vendor) => {
  const { type } = vendor;
  const { usernameTemplate, passwordTemplate, tokenFormat, parameters } = vendor.gateway!;
  const { fits } = compileTokenFormat(tokenFormat)!;

  it('has templates and a token format that an operator could have given', () => {
    expect(templateRule(usernameTemplate)).toBeNull();
    if (passwordTemplate !== null) expect(templateRule(passwordTemplate)).toBeNull();
    expect(tokenFormatRule(tokenFormat)).toBeNull();
    expect(`${usernameTemplate}${passwordTemplate}`).toContain('{token}');
  });

  it('takes 5,000 tokens that fit, and not one of those that do not adds anything', () => {
    // As many characters that end or begin something in some vendor's grammar as letters and digits.
    const token = fc.string({ unit: fc.constantFrom(...'-_,:@|[]{}+ \r\n~.', ...'aZ09'), minLength: 1, maxLength: 60 });
    const fitting = fc.stringMatching(new RegExp(`^${tokenFormat}$`));
    fc.assert(
      fc.property(fitting, (good) => {
        expect(fits(good)).toBe(true);
        expect(sent(type, good)).toMatch(GRAMMARS[type]!);
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(token, (any) => {
        // Whatever passes the format fits the grammar; and what breaks the grammar does not pass.
        if (fits(any)) expect(sent(type, any)).toMatch(GRAMMARS[type]!);
      }),
      { numRuns: 5_000 },
    );
    for (const wrong of ['a-country-de', '1,country-DE', '1_country-de', 'x:y', 'x\r\ny', 'x y', '{token}', '']) {
      expect(fits(wrong)).toBe(false);
    }
  });

  it('spells each optional parameter as its vendor does, alone and all together, in order', () => {
    const template = `${usernameTemplate}:${passwordTemplate ?? '{password}'}`;
    const token = fc.sample(fc.stringMatching(new RegExp(`^${tokenFormat}$`)), 1)[0]!;
    const values: Record<string, string> = { username: 'acme', password: 'pw', token };
    const samples = parameters.map(({ placeholder, format, range }) => {
      const value = range?.[0].toString() ?? fc.sample(fc.stringMatching(new RegExp(`^${format}$`)), 1)[0]!;
      return [placeholder, value] as const;
    });
    for (const [placeholder, value] of samples) {
      expect(fillTemplate(template, { ...values, [placeholder]: value })).toMatch(GRAMMARS[type]!);
    }
    expect(fillTemplate(template, { ...values, ...Object.fromEntries(samples) })).toMatch(GRAMMARS[type]!);
    const inTemplate = [...template.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name);
    const optional = inTemplate.filter((name) => !['username', 'password', 'token'].includes(name!));
    expect(optional).toEqual(parameters.map(({ placeholder }) => placeholder));
  });

  it('is in the guide with the user name that results', () => {
    const guide = readFileSync(new URL('../../../../docs/providers.md', import.meta.url), 'utf8');
    const token = /^\[0-9\]/.test(tokenFormat) ? '1234' : 'checkout';
    expect(guide).toContain(`PROVIDER_TYPE_${type.toUpperCase()}`);
    expect(guide).toContain(`\`${sent(type, token, type === 'apify' ? 'groups-RESIDENTIAL:pw' : 'acme:pw')}\``);
  });
});

describe('vendors', () => {
  it('are every type of the contract, and each type has a stored name', () => {
    const types = Object.values(ProviderType).filter((type) => type !== ProviderType.UNSPECIFIED);
    const names = types.map((type) => providerTypeName(type));
    expect(names).toEqual(['static', 'gateway', 'local', ...VENDORS.keys()]);
    expect(names.map((name) => kindOf(name!)).slice(0, 5)).toEqual(['static', 'gateway', 'local', 'gateway', 'static']);
    expect(providerTypeName(99 as never)).toBeNull();
  });

  it('leave a missing country out, and a missing group', () => {
    expect(sent('apify', 'a', ':pw')).toBe('session-a:pw');
    expect(sent('netnut', '7')).toBe('acme-res-any-sid-7:pw');
  });
});

describe('what the gateway is told of a provider', () => {
  const put = (type: string, over: object = {}) => {
    const change = providerPut({ ...row(type), ...over }, new Secret('acme:pw'));
    if (change.kind !== 'provider-put') throw new Error('a provider becomes a provider-put');
    return change.provider;
  };

  it('is how its tokens and values are spelled, and whether tokens are minted', () => {
    expect(put('netnut', { mintTokens: true })).toMatchObject({ tokenFormat: '[0-9]{1,9}', mintTokens: true });
    expect(put('netnut').parameters).toEqual([{ placeholder: 'country', format: '[a-z]{2}', otherwise: { gb: 'uk' } }]);
    expect(put('gateway', { tokenFormat: '[a-f]{4}' })).toMatchObject({ tokenFormat: '[a-f]{4}', mintTokens: false });
    expect(put('gateway').parameters).toEqual([]);
  });

  it.each([...VENDORS.keys()])('crosses to the other thread as it is: %s', (type) => {
    const provider = put(type);
    expect(structuredClone(provider)).toEqual(provider);
  });
});

describe('credentials', () => {
  const of = (type: string, text: string) => readAccount(row(type), text);

  it('are a password, or a name and a password where the templates of a GATEWAY ask for both', () => {
    const plain = providerRecord('ws' as never, { type: 'gateway', usernameTemplate: 's-{token}' });
    const named = { ...plain, usernameTemplate: '{username}-{token}' };
    expect(readAccount(plain, 'p:w')).toEqual({ username: '', password: 'p:w', apiKey: null });
    expect(readAccount(named, 'u:p:w')).toEqual({ username: 'u', password: 'p:w', apiKey: null });
    for (const wrong of ['p', ':p', 'u:p\n', '']) expect(readAccount(named, wrong)).toEqual(expect.any(String));
  });

  it('of a vendor are text or an object; the key only where there is an account interface', () => {
    expect(of('webshare_residential', 'u:p:w')).toEqual({ username: 'u', password: 'p:w', apiKey: null });
    expect(of('webshare_residential', ' {"username":"u","password":"p","apiKey":"k"}')).toMatchObject({ apiKey: 'k' });
    expect(of('oxylabs', '{"username":"u","password":"p","apiKey":"k"}')).toContain('the key apiKey besides');
    expect(of('proxyline', '{"apiKey":"k"}')).toEqual({ username: '', password: '', apiKey: 'k' });
    expect(of('proxyline', '{"username":"u"}')).toContain('the key username besides apiKey');
    expect(of('apify', ':pw')).toMatchObject({ username: '', password: 'pw' });
    expect(of('apify', '{"password":"pw"}')).toMatchObject({ username: '', password: 'pw' });
    expect(of('soax', ':pw')).toEqual(expect.any(String));
  });

  it('are never quoted when they are wrong', () => {
    const secret = 's3cr3t-value';
    for (const wrong of [
      `{"username":"${secret}"`,
      `{"${secret}":"x"}`,
      `{"username":"a","password":7,"x":"${secret}"}`,
      secret,
    ]) {
      for (const type of VENDORS.keys()) expect(JSON.stringify(of(type, wrong))).not.toContain(secret);
    }
  });
});
