/**
 * What a vendor is, as data: each of the files beside this one is a constant of the
 * type `Vendor`. The templates are written out, in the order and with the separators
 * that the vendor wants; `parameters` tells how the values in them are spelled.
 *
 * What of it could be verified, and where, is in docs/decisions/0011.
 */
import type { Endpoint, ProviderParameter } from '../../src/core/model.ts';
import type { AccountInterface } from './account-interface.ts';
import type { VendorHttp, VendorHttpOptions } from './vendor-http.ts';

/** A vendor's rotating gateway: what ConnectProvider asks a GATEWAY for, built in. */
export interface VendorGateway {
  readonly endpoint: Endpoint;
  readonly usernameTemplate: string;
  /** null: the password as it is. */
  readonly passwordTemplate: string | null;
  /** Alphabet, case and length of a token; nothing in it can begin another parameter. */
  readonly tokenFormat: string;
  /** Every optional parameter of the templates, in their order. */
  readonly parameters: readonly ProviderParameter[];
}

/** A vendor's account interface. */
export interface VendorAccount {
  /** Puts the API key on every request: a secret. */
  readonly carryKey: (apiKey: string) => Pick<VendorHttpOptions, 'headers' | 'query'>;
  /** `username` is the account's, which listed user names start with where the vendor has a gateway. */
  readonly open: (http: VendorHttp, username: string) => AccountInterface;
}

interface AnyVendor {
  /** As stored, and in lower case what follows `PROVIDER_TYPE_`. */
  readonly type: string;
  /** For sentences. */
  readonly label: string;
  /** What the credentials must be, as a rule that starts with `must`. */
  readonly credentialsRule: string;
  /** Whether the account may be without a name (Apify: all groups). */
  readonly usernameOptional: boolean;
  /** How the vendor's account interface is asked; null where there is none here. */
  readonly account: VendorAccount | null;
}

/** A vendor with one address and a token a session, or one that lists each exit with its own. */
export type Vendor =
  | (AnyVendor & { readonly kind: 'gateway'; readonly gateway: VendorGateway })
  | (AnyVendor & { readonly kind: 'listed'; readonly gateway: null });

/** The rule of vendors that have a gateway and no account interface here. */
export const TRAFFIC_CREDENTIALS = 'must be username:password, or a JSON object of username and password';

/** Two letters, as most vendors want them. */
export const LOWER_COUNTRY: ProviderParameter = { placeholder: 'country', format: '[a-z]{2}' };
export const UPPER_COUNTRY: ProviderParameter = { placeholder: 'country', format: '[A-Z]{2}' };
/** Lower case, words joined by `_`. */
export const CITY: ProviderParameter = { placeholder: 'city', format: '[a-z_]{1,64}' };

/** A parameter of minutes. */
export function minutes(min: number, max: number): ProviderParameter {
  return { placeholder: 'ttl_minutes', format: '[0-9]{1,5}', range: [min, max] };
}
