/**
 * Webshare's residential proxies: one gateway, a numbered session in the user name
 * (`account-us-1234`), and an account interface (https://apidocs.webshare.io, version 2).
 */
import type { AccountInterface, AccountState, EndpointPage, ListedEndpoint } from './account-interface.ts';
import { ENDPOINTS_PER_PAGE } from './account-interface.ts';
import { asFields, asList, integerOf, numberOf, optionalText, placeLabels, textOf } from './json-fields.ts';
import { CITY, LOWER_COUNTRY, type Vendor } from './vendor.ts';
import { VendorError } from './vendor-error.ts';
import type { VendorHttp } from './vendor-http.ts';

const GATEWAY_TOKEN = /^[0-9]{1,9}$/;

export const WEBSHARE: Vendor = {
  type: 'webshare_residential',
  label: 'Webshare',
  kind: 'gateway',
  credentialsRule: 'must be username:password, or a JSON object of username, password and apiKey',
  usernameOptional: false,
  account: { carryKey: (apiKey) => ({ headers: { authorization: `Token ${apiKey}` } }), open: openAccount },
  gateway: {
    endpoint: { scheme: 'http', host: 'p.webshare.io', port: 80 },
    usernameTemplate: '{username}[-{country}][-city_{city}]-{token}',
    passwordTemplate: null,
    tokenFormat: '[0-9]{1,9}',
    parameters: [LOWER_COUNTRY, CITY],
  },
};

/** The unit of `bandwidth_limit`; that it is decimal is our reading. */
const GIGABYTE = 1e9;

/** `username` is the account's own, which each listed user name starts with. */
function openAccount(http: VendorHttp, username: string): AccountInterface {
  return {
    async loadState(signal) {
      const subscription = asFields(await http.getJson('subscription/', {}, signal));
      const plan = String(integerOf(subscription, 'plan', 1, Number.MAX_SAFE_INTEGER));
      const since = textOf(subscription, 'start_date');
      const period = { plan_id: plan, timestamp__gte: since, timestamp__lte: new Date().toISOString() };
      const [planFields, used] = await Promise.all([
        http.getJson(`subscription/plan/${plan}/`, {}, signal),
        http.getJson('stats/aggregate/', period, signal),
      ]);
      return accountState(asFields(planFields), numberOf(asFields(used), 'bandwidth_total'));
    },

    async loadEndpoints(page, signal) {
      // Residential plans have this mode only. Pages count from 1; of `next` nothing but its presence is used.
      const query = { mode: 'backbone', page: String(page + 1), page_size: String(ENDPOINTS_PER_PAGE) };
      const answer = asFields(await http.getJson('proxy/list/', query, signal));
      const endpoints = asList(answer.results).map((entry) => listedEndpoint(asFields(entry), username));
      return { endpoints, isLast: optionalText(answer, 'next') === null } satisfies EndpointPage;
    },
  };
}

function accountState(plan: Readonly<Record<string, unknown>>, usedBytes: number): AccountState {
  // 0 means without limit. ZZ stands for places that Webshare chooses.
  const limit = Math.round(numberOf(plan, 'bandwidth_limit') * GIGABYTE);
  const places = Object.keys(asFields(plan.proxy_countries ?? {})).filter((code) => code !== 'ZZ');
  return {
    bandwidthLimitBytes: limit === 0 ? undefined : limit,
    bandwidthUsedBytes: Math.round(usedBytes),
    plan: [textOf(plan, 'proxy_type'), optionalText(plan, 'proxy_subtype')].filter(Boolean).join(' '),
    geoCount: places.length === 0 ? undefined : places.length,
  };
}

function listedEndpoint(entry: Readonly<Record<string, unknown>>, username: string): ListedEndpoint {
  const listed = textOf(entry, 'username');
  if (!listed.startsWith(`${username}-`)) throw new VendorError('foreign');
  const token = listed.slice(username.length + 1);
  if (!GATEWAY_TOKEN.test(token)) throw new VendorError('garbled');
  return {
    key: textOf(entry, 'id'),
    token,
    endpoint: null,
    username: null,
    password: null,
    labels: placeLabels(optionalText(entry, 'country_code'), optionalText(entry, 'city_name')),
  };
}
