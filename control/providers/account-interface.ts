/**
 * What a vendor's account interface gives: how the account stands, and the endpoints
 * that it has. Implemented by `webshare.ts` and `proxyline.ts`; every method rejects
 * with a VendorError.
 */
import type { Endpoint } from '../../src/core/model.ts';

/** How an account stands; undefined where the vendor does not say. */
export interface AccountState {
  readonly bandwidthLimitBytes?: number | undefined;
  readonly bandwidthUsedBytes?: number | undefined;
  readonly plan?: string | undefined;
  readonly geoCount?: number | undefined;
}

/** One endpoint of an account, as a session of ours. */
export interface ListedEndpoint {
  /** The vendor's own name of it, the same in every list. */
  readonly key: string;
  /** What its session is called: fits the vendor's token format. */
  readonly token: string;
  /** null where the vendor's gateway serves it. */
  readonly endpoint: Endpoint | null;
  readonly username: string | null;
  /** In clear: sealed as soon as its session is made. */
  readonly password: string | null;
  /** `country` (two lower-case letters) and `city`, as far as the vendor says. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface EndpointPage {
  readonly endpoints: readonly ListedEndpoint[];
  readonly isLast: boolean;
}

export interface AccountInterface {
  loadState(signal: AbortSignal): Promise<AccountState>;
  /** A page of the list, counted from 0. */
  loadEndpoints(page: number, signal: AbortSignal): Promise<EndpointPage>;
}

/** Entries of one page: the largest that both vendors give. */
export const ENDPOINTS_PER_PAGE = 100;
