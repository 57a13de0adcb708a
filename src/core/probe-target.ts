/**
 * The targets of probes, read where an operator writes one (`control/probe-policy.ts`):
 * `host:port` for a handshake, an URL for a request.
 *
 * Pure. A host is one of `destinations.ts`, so that a pool's rules on targets speak of it
 * in the same spelling, and what is answered holds nothing that breaks a line of a head.
 */
import { formatDestination, parseDestination } from './destinations.ts';
import type { ProbeTarget } from './model.ts';

const MAX_LENGTH = 2_048;
const NOT_AN_AUTHORITY = 'must be host:port, such as example.com:443 or [2001:db8::1]:443';
const NOT_AN_URL = 'must be an http or https URL, such as https://example.com/';
const TOO_MUCH = 'must be an URL without a user, a password and a fragment';

/** Reads the target of a handshake; the sentence that it breaks (which does not quote it) when it is none. */
export function parseProbeAuthority(text: string): ProbeTarget | string {
  const rule = parseDestination(text);
  // A slash is a network, of one address though it be.
  if (typeof rule === 'string' || rule.port === null || text.includes('/')) return NOT_AN_AUTHORITY;
  if (rule.kind === 'any' || (rule.kind === 'name' && !rule.itself)) return NOT_AN_AUTHORITY;
  const host = formatDestination({ ...rule, port: null });
  return { host, port: rule.port, secure: false, path: '' };
}

/** Reads the target of a request, its default port and path filled in; the sentence that it breaks when it is none. */
export function parseProbeUrl(text: string): ProbeTarget | string {
  // WHATWG's reader drops blanks, takes backslashes for slashes and any number of slashes for two.
  const scheme = /^(https?):\/\/[^\\/][^\\]*$/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || text.length > MAX_LENGTH || !/^[\x21-\x7e]+$/.test(text)) return NOT_AN_URL;
  const authority = /^[^/?#]*/.exec(text.slice(scheme.length + 3))![0];
  if (authority.includes('@') || text.includes('#')) return TOO_MUCH;
  const url = URL.parse(text);
  if (url === null) return NOT_AN_URL;
  const secure = scheme === 'https';
  const port = url.port === '' ? (secure ? '443' : '80') : url.port;
  const target = parseProbeAuthority(`${url.hostname}:${port}`);
  return typeof target === 'string' ? NOT_AN_URL : { ...target, secure, path: url.pathname + url.search };
}

/** The canonical spelling of a target: the same for every text that means the same. */
export function formatProbeTarget({ host, port, secure, path }: ProbeTarget): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  if (path === '') return `${bracketed}:${port}`;
  const shown = port === (secure ? 443 : 80) ? '' : `:${port}`;
  return `${secure ? 'https' : 'http'}://${bracketed}${shown}${path}`;
}
