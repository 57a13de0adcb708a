/**
 * Opens vendors' account interfaces: where each is, from the configuration, and how
 * long an answer may take. Made once by `plane.ts`; asked by RefreshProviderState and by discovery.
 */
import type { ProviderAccount } from './account.ts';
import type { AccountInterface } from './account-interface.ts';
import { createVendorHttp } from './vendor-http.ts';
import { vendorOf } from './vendors.ts';

/** Where the account interfaces are. Plain data: it crosses a thread boundary. */
export interface VendorSettings {
  /** Base URLs, each ending with a slash. */
  readonly webshareApiUrl: string;
  readonly proxylineApiUrl: string;
  /** For one answer. */
  readonly vendorTimeoutMs: number;
}

export interface VendorAccounts {
  /** The account interface that the account's API key opens; null where the type has none, or the account no key. */
  open(type: string, account: ProviderAccount): AccountInterface | null;
  /** Whoever waits for a vendor now, or asks one later, is told that the service stops. Idempotent. */
  destroy(): void;
}

export function createVendorAccounts(settings: VendorSettings): VendorAccounts {
  const baseUrls = new Map([
    ['webshare_residential', settings.webshareApiUrl],
    ['proxyline', settings.proxylineApiUrl],
  ]);
  const stopping = new AbortController();
  return {
    destroy: () => stopping.abort(),
    open(type, { apiKey, username }) {
      const account = vendorOf(type)?.account;
      const baseUrl = baseUrls.get(type);
      if (!account || baseUrl === undefined || apiKey === null) return null;
      const { vendorTimeoutMs: timeoutMs } = settings;
      const http = createVendorHttp({ baseUrl, timeoutMs, stopping: stopping.signal, ...account.carryKey(apiKey) });
      return account.open(http, username);
    },
  };
}
