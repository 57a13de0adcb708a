/** Proxyline's account interface as public clients use it: the paged list of proxies, and the countries. */
import { startVendorStandIn, type VendorStandIn } from './vendor-stand-in.ts';

export interface ProxylineEntry {
  readonly id: number;
  readonly ip: string;
  readonly port_http: number;
  readonly user: string;
  readonly password: string;
  readonly country: string;
}

export interface ProxylineStandIn extends VendorStandIn {
  apiKey: string;
  /** What the list has, in its order. */
  entries: ProxylineEntry[];
}

export function proxylineEntry(id: number, more: Partial<ProxylineEntry> = {}): ProxylineEntry {
  return {
    id,
    ip: '203.0.113.7',
    port_http: 30_000 + id,
    user: `u${id}`,
    password: `pw-${id}`,
    country: 'ru',
    ...more,
  };
}

/** Starts one that takes the key `key-good` and lists nothing. */
export async function startProxylineStandIn(): Promise<ProxylineStandIn> {
  const state = { apiKey: 'key-good', entries: [] as ProxylineEntry[] };
  const standIn = await startVendorStandIn('/api/', {
    isAllowed: (_, query) => query.get('api_key') === extended.apiKey,
    answer(path, query) {
      if (path === 'countries/') return [{ code: 'ru' }, { code: 'de' }];
      if (path !== 'proxies/' || query.get('status') !== 'active') return null;
      const offset = Number(query.get('offset') ?? 0);
      const limit = Number(query.get('limit') ?? 100);
      const results = extended.entries.slice(offset, offset + limit);
      const more = { port_socks5: 1, type: '1', ip_version: 4, tags: [] };
      return {
        count: extended.entries.length,
        next: offset + limit < extended.entries.length ? 'https://attacker.test/api/proxies/?offset=1' : null,
        previous: null,
        results: results.map((entry) => ({ ...entry, username: entry.user, ...more })),
      };
    },
  });
  const extended = Object.assign(standIn, state);
  return extended;
}
