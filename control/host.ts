/**
 * One spelling per host: names in lower case, addresses in canonical form without
 * brackets. Called when sessions and providers are written, so that everything
 * after compares hosts as text.
 *
 * Invariant: whatever a resolver would take for an address is an address here. A
 * spelling that only some resolvers read as one (`127.1`, `0x7f.1`, `2130706433`,
 * leading zeros, full-width digits) is refused, not guessed at.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** A label: letters, digits, hyphens inside, and the underscore that real names have. RFC 1123 §2.1. */
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A last label that the WHATWG URL rules take for the end of an IPv4 address. */
const NUMERIC_LABEL = /^(\d+|0x[0-9a-f]*)$/;

/** The canonical spelling of a host name or address, or null when it is none. */
export function canonicalHost(text: string): string | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIPv6(bare)) return canonicalIpv6(bare);
  if (bare !== text) return null;
  if (isIPv4(text)) return text;
  const name = text.toLowerCase().replace(/\.$/, '');
  // ASCII only: an international name comes in its xn-- form, so that two spellings never mean one host.
  if (name.length > 253 || !/^[\x21-\x7e]+$/.test(text)) return null;
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label))) return null;
  return NUMERIC_LABEL.test(labels.at(-1) ?? '') ? null : name;
}

/** The canonical spelling of an IP literal, or null for names and anything else. */
export function canonicalAddress(text: string): string | null {
  const host = canonicalHost(text);
  return host !== null && (isIPv4(host) || isIPv6(host)) ? host : null;
}

/** RFC 5952 form; null for scoped addresses, which mean nothing on another machine. */
function canonicalIpv6(address: string): string | null {
  if (address.includes('%')) return null;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * The canonical spelling of a target's host, or null when it is none. Clients send a gateway whatever a resolver
 * would take, so here, as there, `127.1` is an address: 127.0.0.1.
 */
export function canonicalTarget(text: string): string | null {
  const host = canonicalHost(text);
  if (host !== null || !/^[0-9a-fx.]{1,253}$/i.test(text)) return host;
  const address = URL.parse(`http://${text.replace(/\.$/, '')}`)?.hostname;
  return address !== undefined && isIPv4(address) ? address : null;
}
