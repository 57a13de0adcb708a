/**
 * What `credentials` mean, by type of provider. Called when they are given, when
 * they are handed to the gateway, and when a vendor's account interface is asked.
 *
 *   GATEWAY          `password`, or `username:password` when a template asks for the name
 *   vendor, gateway  `username:password`, or JSON {username, password, apiKey?}
 *   vendor, listed   JSON {apiKey}
 *
 * Invariant: what is wrong is said by field name and rule; no value is ever quoted.
 */
import { hasPlaceholder } from '../provider-template.ts';
import type { Vendor } from './vendor.ts';
import { vendorOf } from './vendors.ts';

/** An account at a provider, in clear: keep it no longer than the call. */
export interface ProviderAccount {
  /** Empty where the templates ask for none. */
  readonly username: string;
  readonly password: string;
  /** Opens the vendor's account interface; null without one. */
  readonly apiKey: string | null;
}

/** What decides on the form of credentials. */
export interface AccountForm {
  readonly type: string;
  readonly usernameTemplate: string | null;
  readonly passwordTemplate: string | null;
}

/** Longest of the single values of a JSON object. */
const MAX_VALUE_BYTES = 1_024;
/** What an unknown key may look like to be named: a mistyped field, and hardly a misplaced secret. */
const NAMEABLE_KEY = /^[A-Za-z_]{1,24}$/;

/** Reads credentials (already UTF-8 text): the account, or the rule that they break, starting with `must`. */
export function readAccount(form: AccountForm, credentials: string): ProviderAccount | string {
  const vendor = vendorOf(form.type);
  if (vendor !== null) return readVendorAccount(vendor, credentials);
  const named = asksForUsername(form);
  const account = named ? splitAtColon(credentials) : { username: '', password: credentials };
  if (account !== null && !(named && account.username === '') && isCarried(credentials)) {
    return { ...account, apiKey: null };
  }
  return `must be ${named ? 'username:password' : 'a password'} in UTF-8 without NUL, CR or LF`;
}

/** Whether a template of the provider asks for the account's name. */
export function asksForUsername(form: AccountForm): boolean {
  return hasPlaceholder(form.usernameTemplate, 'username') || hasPlaceholder(form.passwordTemplate, 'username');
}

function readVendorAccount(vendor: Vendor, credentials: string): ProviderAccount | string {
  if (/^\s*\{/.test(credentials)) return readObject(vendor, credentials);
  const account = vendor.kind === 'gateway' && isCarried(credentials) ? splitAtColon(credentials) : null;
  if (account === null) return vendor.credentialsRule;
  return checkedAccount(vendor, { ...account, apiKey: null });
}

function readObject(vendor: Vendor, credentials: string): ProviderAccount | string {
  let fields: unknown;
  try {
    fields = JSON.parse(credentials);
  } catch {
    // The parser's message would quote the text.
    return `must be a JSON object when they start with a brace`;
  }
  const known = knownKeys(vendor);
  for (const [key, value] of Object.entries(fields as object)) {
    if (!known.includes(key)) {
      return `must not have ${NAMEABLE_KEY.test(key) ? `the key ${key}` : 'keys'} besides ${known.join(', ')}`;
    }
    if (typeof value !== 'string' || !isCarried(value) || Buffer.byteLength(value) > MAX_VALUE_BYTES) {
      return `must have 1–${MAX_VALUE_BYTES} bytes of text without NUL, CR or LF as ${key}`;
    }
  }
  const { username = '', password = '', apiKey = null } = fields as Partial<ProviderAccount>;
  if (vendor.kind === 'listed' && apiKey === null) return vendor.credentialsRule;
  return checkedAccount(vendor, { username, password, apiKey });
}

function knownKeys(vendor: Vendor): readonly string[] {
  const traffic = vendor.kind === 'gateway' ? ['username', 'password'] : [];
  return vendor.account === null ? traffic : [...traffic, 'apiKey'];
}

function checkedAccount(vendor: Vendor, account: ProviderAccount): ProviderAccount | string {
  if (vendor.kind === 'listed') return account;
  if (account.password === '' || (account.username === '' && !vendor.usernameOptional)) return vendor.credentialsRule;
  // RFC 7617 §2: the first colon ends the user-id.
  return account.username.includes(':') ? 'must have a username without a colon' : account;
}

function splitAtColon(text: string): { username: string; password: string } | null {
  const colon = text.indexOf(':');
  return colon < 0 ? null : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** What HTTP and SOCKS authentication can carry without breaking a line. */
function isCarried(value: string): boolean {
  return value !== '' && !/[\0\r\n]/.test(value);
}
