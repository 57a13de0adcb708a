/**
 * What a provider of each type is made of: the rules between its fields. Used by
 * connect and update; field rules were applied before.
 *
 *   STATIC, LOCAL    a name and a target pool
 *   GATEWAY          endpoint, templates, token format, credentials
 *   vendor types     credentials; the rest is built in, and kept in the row as it was then
 */
import type { Scheme } from '../../src/core/model.ts';
import type { FieldViolation } from '../domain-error.ts';
import type { ConnectProviderRequest, UpdateProviderRequest } from '../gen/proxies/v1/proxies_pb.ts';
import { canonicalHost } from '../host.ts';
import { hasPlaceholder } from '../provider-template.ts';
import { asksForUsername, type ProviderAccount, readAccount } from '../providers/account.ts';
import { kindOf, vendorOf } from '../providers/vendors.ts';
import { Secret } from '../secrets/secret.ts';
import type { ProviderRecord } from '../store/providers.ts';

/** The fields of a provider's record that a vendor has built in. */
export type ProviderSource = Pick<
  ProviderRecord,
  'scheme' | 'host' | 'port' | 'usernameTemplate' | 'passwordTemplate' | 'tokenFormat'
>;

type Asked = Pick<
  ConnectProviderRequest | UpdateProviderRequest,
  'endpoint' | 'usernameTemplate' | 'passwordTemplate' | 'tokenFormat' | 'credentials' | 'mintTokens'
>;

const SOURCE_FIELDS = ['endpoint', 'usernameTemplate', 'passwordTemplate', 'tokenFormat'] as const;

/** The fields of a request that a provider of this type does not take. */
export function refusedFields(type: string, asked: Asked): FieldViolation[] {
  if (type === 'gateway') return [];
  const vendor = vendorOf(type);
  const description = vendor === null ? 'is for PROVIDER_TYPE_GATEWAY only' : 'is built in at a vendor type';
  const refused: FieldViolation[] = SOURCE_FIELDS.filter((field) => asked[field] !== undefined).map((field) => ({
    field,
    description,
  }));
  if (vendor === null && asked.credentials !== undefined) refused.push({ field: 'credentials', description });
  if (kindOf(type) !== 'gateway' && asked.mintTokens !== undefined) {
    refused.push({ field: 'mintTokens', description: 'is for rotating gateways only' });
  }
  return refused;
}

/** What a vendor has built in; all null for a type that is none, or whose endpoints are listed. */
export function builtInSource(type: string): ProviderSource {
  const gateway = vendorOf(type)?.gateway;
  return {
    scheme: gateway?.endpoint.scheme ?? null,
    host: gateway?.endpoint.host ?? null,
    port: gateway?.endpoint.port ?? null,
    usernameTemplate: gateway?.usernameTemplate ?? null,
    passwordTemplate: gateway?.passwordTemplate ?? null,
    tokenFormat: gateway?.tokenFormat ?? null,
  };
}

/** A source with what a request says of it: absent keeps, empty clears. */
export function askedSource(before: ProviderSource, asked: Asked): ProviderSource {
  const { endpoint } = asked;
  return {
    scheme: (endpoint?.scheme as Scheme | undefined) ?? before.scheme,
    host: endpoint === undefined ? before.host : canonicalHost(endpoint.host),
    port: endpoint?.port ?? before.port,
    usernameTemplate: (asked.usernameTemplate ?? before.usernameTemplate) || null,
    passwordTemplate: (asked.passwordTemplate ?? before.passwordTemplate) || null,
    tokenFormat: (asked.tokenFormat ?? before.tokenFormat) || null,
  };
}

/** What is wrong between the fields of a source; the credentials are looked at by `readCredentials`. */
export function sourceViolations(type: string, source: ProviderSource, hasCredentials: boolean): FieldViolation[] {
  if (vendorOf(type) !== null) {
    return hasCredentials ? [] : [{ field: 'credentials', description: 'is required at a vendor type' }];
  }
  return type === 'gateway' ? gatewayViolations(source, hasCredentials) : [];
}

function gatewayViolations(source: ProviderSource, hasCredentials: boolean): FieldViolation[] {
  const found: FieldViolation[] = [];
  const { scheme, usernameTemplate, passwordTemplate } = source;
  if (scheme === null) found.push({ field: 'endpoint', description: 'is required' });
  if (usernameTemplate === null) found.push({ field: 'usernameTemplate', description: 'is required' });
  const uses = (name: Parameters<typeof hasPlaceholder>[1]) =>
    hasPlaceholder(usernameTemplate, name) || hasPlaceholder(passwordTemplate, name);
  if (usernameTemplate !== null && !uses('token')) {
    found.push({ field: 'usernameTemplate', description: 'this or passwordTemplate must hold {token}' });
  }
  // Checked on the template: what is filled in later is a token, a label or the account's own name.
  if (usernameTemplate?.includes(':') && scheme?.startsWith('http')) {
    found.push({ field: 'usernameTemplate', description: 'must not hold a colon for http and https' });
  }
  if (!hasCredentials && (uses('username') || uses('password'))) {
    found.push({ field: 'credentials', description: 'is required by the templates' });
  }
  return found;
}

/** The credentials of a request as a secret and as the account that they are, or what is wrong with them. */
export function readCredentials(
  type: string,
  source: ProviderSource,
  bytes: Uint8Array,
): { readonly secret: Secret; readonly account: ProviderAccount } | FieldViolation {
  const text = Buffer.from(bytes).toString();
  const form = { type, ...source };
  // What is no UTF-8 does not come back as the same bytes.
  const account = Buffer.from(text).equals(bytes) ? readAccount(form, text) : 'must be UTF-8';
  if (typeof account === 'string') return { field: 'credentials', description: account };
  return { secret: new Secret(text), account };
}

/** What is wrong with stored credentials under changed templates; null when they still are what is asked for. */
export function storedMisfit(type: string, source: ProviderSource, stored: Secret): FieldViolation | null {
  const form = { type, ...source };
  if (typeof readAccount(form, stored.reveal()) !== 'string') return null;
  const shape = asksForUsername(form) ? 'username:password' : 'a password';
  return { field: 'credentials', description: `must be given again, as ${shape}: the templates ask for it` };
}
