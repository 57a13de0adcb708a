/**
 * Proxyline sells single proxies, each with an address and a password of its own, and
 * has no gateway: its sessions are what its account interface lists.
 */

import { canonicalHost } from '../host.ts';
import type { AccountInterface, EndpointPage, ListedEndpoint } from './account-interface.ts';
import { ENDPOINTS_PER_PAGE } from './account-interface.ts';
import { asFields, asList, integerOf, optionalText, placeLabels, textOf } from './json-fields.ts';
import type { Vendor } from './vendor.ts';
import { VendorError } from './vendor-error.ts';
import type { VendorHttp } from './vendor-http.ts';

export const PROXYLINE: Vendor = {
  type: 'proxyline',
  label: 'Proxyline',
  kind: 'listed',
  credentialsRule: 'must be a JSON object of apiKey',
  usernameOptional: true,
  account: { carryKey: (apiKey) => ({ query: { api_key: apiKey } }), open: openAccount },
  gateway: null,
};

const ACTIVE = { status: 'active' };

function openAccount(http: VendorHttp): AccountInterface {
  return {
    async loadState(signal) {
      // Traffic is not counted there and nothing is called a plan: how many proxies are paid for stands in for it.
      const [list, countries] = await Promise.all([
        http.getJson('proxies/', { ...ACTIVE, limit: '1', offset: '0' }, signal),
        http.getJson('countries/', {}, signal),
      ]);
      const count = integerOf(asFields(list), 'count', 0, Number.MAX_SAFE_INTEGER);
      return { plan: `${count} active ${count === 1 ? 'proxy' : 'proxies'}`, geoCount: asList(countries).length };
    },

    async loadEndpoints(page, signal) {
      const query = { ...ACTIVE, limit: String(ENDPOINTS_PER_PAGE), offset: String(page * ENDPOINTS_PER_PAGE) };
      const answer = asFields(await http.getJson('proxies/', query, signal));
      const endpoints = asList(answer.results).map((entry) => listedEndpoint(asFields(entry)));
      const count = integerOf(answer, 'count', 0, Number.MAX_SAFE_INTEGER);
      return { endpoints, isLast: (page + 1) * ENDPOINTS_PER_PAGE >= count } satisfies EndpointPage;
    },
  };
}

function listedEndpoint(entry: Readonly<Record<string, unknown>>): ListedEndpoint {
  const id = String(integerOf(entry, 'id', 1, Number.MAX_SAFE_INTEGER));
  const host = canonicalHost(textOf(entry, 'ip'));
  const username = optionalText(entry, 'user') ?? optionalText(entry, 'username');
  const password = optionalText(entry, 'password');
  // RFC 7617 §2: the first colon ends the user-id. A password without a name is nobody's.
  if (host === null || username?.includes(':') || (username === null && password !== null)) {
    throw new VendorError('garbled');
  }
  return {
    key: id,
    token: `proxyline-${id}`,
    endpoint: { scheme: 'http', host, port: integerOf(entry, 'port_http', 1, 65_535) },
    username,
    password,
    labels: placeLabels(optionalText(entry, 'country'), optionalText(entry, 'city')),
  };
}
