/**
 * What a session of each provider type is made of: the rules between its fields
 * and its provider. Used by create, bulk create and update; field rules were
 * applied before.
 *
 *   STATIC  scheme + host + port, username?, password? (needs username), tlsInsecure? (https)
 *   GATEWAY nothing: the provider's endpoint and templates, the session's token
 *   LOCAL   host? = an address of this machine to dial from
 */
import type { Scheme } from '../../src/core/model.ts';
import { compileTokenFormat } from '../../src/core/token-format.ts';
import type { FieldViolation } from '../domain-error.ts';
import { canonicalAddress, canonicalHost } from '../host.ts';
import { kindOf } from '../providers/vendors.ts';
import type { ProviderRecord } from '../store/providers.ts';
import type { SessionRecord } from '../store/sessions.ts';

/** Fields of a session as asked for; null where there is none. */
export interface SessionFields {
  readonly scheme: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly username: string | null;
  readonly hasPassword: boolean;
  /** Of a password that comes with the request, in UTF-8; 0 for one that is stored. */
  readonly passwordBytes: number;
  readonly tlsInsecure: boolean;
}

/** The fields of a session's record that its provider type decides on. */
export type SessionShape = Pick<SessionRecord, 'scheme' | 'host' | 'port' | 'username' | 'tlsInsecure'>;

const STATIC_ONLY = 'is for sessions of a PROVIDER_TYPE_STATIC only';
/** RFC 1929 §2: one octet tells the length of each. */
const MAX_SOCKS5_BYTES = 255;
const TOO_LONG_FOR_SOCKS5 = `must be ${MAX_SOCKS5_BYTES} bytes or fewer for socks5 and socks5h`;

/** Fits fields to their provider: the shape with its host canonical, or what is wrong, with `prefix` before each path. */
export function shapeSession(
  provider: Pick<ProviderRecord, 'type'>,
  fields: SessionFields,
  prefix: string,
  localAddresses: () => ReadonlySet<string>,
): SessionShape | FieldViolation[] {
  const found: FieldViolation[] = [];
  const refuse = (field: string, description: string) => found.push({ field: prefix + field, description });
  const { scheme, host, port, username, tlsInsecure } = fields;
  const kind = kindOf(provider.type);
  if (kind === 'static') {
    refuseStatic(fields, refuse);
  } else {
    for (const field of ['scheme', 'port', 'username'] as const) {
      if (fields[field] !== null) refuse(field, STATIC_ONLY);
    }
    if (fields.hasPassword) refuse('password', STATIC_ONLY);
    if (tlsInsecure) refuse('tlsInsecure', STATIC_ONLY);
    if (host !== null && kind !== 'local') refuse('host', "is the provider's, not the session's");
    if (host !== null && kind === 'local' && !isLocal(host, localAddresses())) {
      refuse('host', 'must be an address of this machine');
    }
  }
  if (found.length > 0) return found;
  const canonical = host === null ? null : canonicalHost(host);
  return { scheme: scheme as Scheme | null, host: canonical, port, username, tlsInsecure };
}

function refuseStatic(fields: SessionFields, refuse: (field: string, description: string) => void): void {
  const { scheme, username } = fields;
  for (const field of ['scheme', 'host', 'port'] as const) {
    if (fields[field] === null) refuse(field, 'is required at a PROVIDER_TYPE_STATIC, with scheme, host and port');
  }
  if (fields.hasPassword && username === null) refuse('password', 'needs a username');
  // RFC 7617 §2: the first colon ends the user-id.
  if (username?.includes(':') && (scheme === 'http' || scheme === 'https')) {
    refuse('username', 'must not hold a colon for http and https');
  }
  if (scheme === 'socks5' || scheme === 'socks5h') {
    if (Buffer.byteLength(username ?? '') > MAX_SOCKS5_BYTES) refuse('username', TOO_LONG_FOR_SOCKS5);
    if (fields.passwordBytes > MAX_SOCKS5_BYTES) refuse('password', TOO_LONG_FOR_SOCKS5);
  }
  if (fields.tlsInsecure && scheme !== 'https') refuse('tlsInsecure', 'is for the scheme https only');
}

/** Loopback is a whole network of addresses of this machine; the interfaces list one of them. */
function isLocal(host: string, localAddresses: ReadonlySet<string>): boolean {
  const address = canonicalAddress(host);
  return address !== null && (localAddresses.has(address) || address.startsWith('127.'));
}

/** The check of a provider's tokens; everything fits a provider without a format. */
export function tokenCheck(provider: Pick<ProviderRecord, 'tokenFormat'>): (token: string) => boolean {
  if (provider.tokenFormat === null) return () => true;
  const format = compileTokenFormat(provider.tokenFormat);
  return (token) => format?.fits(token) ?? false;
}
