/** Webshare's account interface, version 2, as far as it is documented: subscription, plan, statistics, the paged list. */
import { startVendorStandIn, type VendorStandIn } from './vendor-stand-in.ts';

export interface WebshareEntry {
  readonly id: string;
  /** The account's name and a number. */
  readonly username: string;
  readonly country_code?: string | null;
  readonly city_name?: string | null;
}

export interface WebshareStandIn extends VendorStandIn {
  apiKey: string;
  /** What the list has, in its order. */
  entries: WebshareEntry[];
}

/** `count` entries of the account `u`, numbered from 1. */
export function webshareEntries(count: number, username = 'u'): WebshareEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `b-${i + 1}`,
    username: `${username}-${i + 1}`,
    country_code: ['US', 'DE', 'UK'][i % 3]!,
    city_name: i % 2 === 0 ? 'Los Angeles' : null,
  }));
}

/** Starts one that takes the key `key-good` and lists three entries of the account `u`. */
export async function startWebshareStandIn(): Promise<WebshareStandIn> {
  const state = { apiKey: 'key-good', entries: webshareEntries(3) };
  const standIn = await startVendorStandIn('/api/v2/', {
    isAllowed: ({ headers }) => headers.authorization === `Token ${extended.apiKey}`,
    answer(path, query) {
      if (path === 'subscription/')
        return { id: 1, plan: 42, term: 'monthly', start_date: '2026-11-01T00:00:00-07:00' };
      if (path === 'subscription/plan/42/') return PLAN;
      if (path === 'stats/aggregate/') return { bandwidth_total: 123_456_789, requests_total: 5 };
      if (path === 'proxy/list/') return listPage(standIn.url, extended.entries, query);
      return null;
    },
  });
  const extended = Object.assign(standIn, state);
  return extended;
}

const PLAN = {
  id: 42,
  bandwidth_limit: 250.5,
  proxy_type: 'shared',
  proxy_subtype: 'residential',
  proxy_countries: { US: 60, DE: 40, ZZ: 900 },
};

/** The envelope of Django REST framework; `next` is an address, as if somebody followed it. */
function listPage(url: string, entries: readonly WebshareEntry[], query: URLSearchParams): unknown {
  if (query.get('mode') !== 'backbone') return null;
  const page = Number(query.get('page') ?? 1);
  const size = Math.min(Number(query.get('page_size') ?? 25), 100);
  const end = page * size;
  const of = (n: number) => `${url}proxy/list/?mode=backbone&page=${n}&page_size=${size}`;
  return {
    count: entries.length,
    next: end < entries.length ? of(page + 1) : null,
    previous: page > 1 ? of(page - 1) : null,
    results: entries.slice(end - size, end).map((entry) => ({
      ...{ password: 'p', proxy_address: null, port: 10_000, valid: true, country_code: null, city_name: null },
      ...entry,
    })),
  };
}
