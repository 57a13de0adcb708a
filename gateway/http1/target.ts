/**
 * Request targets: absolute-form (RFC 9112 section 3.2.2) and authority-form
 * (section 3.2.3). Decided once, here; what goes upstream is written from these
 * parts, never copied from the client's line.
 *
 * A host is a registered name of LDH labels (and `_`, which real names have),
 * an IPv4 address in any spelling that a resolver would take for one, made
 * canonical (`127.1`, `0x7f.1` → `127.0.0.1`), or `[IPv6]`, made canonical.
 */
import { isIPv6 } from 'node:net';
import { ownCopy } from '../../src/core/own-copy.ts';

export interface Target {
  /** Lower-case name, dotted IPv4, or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query of an absolute-form target byte for byte; empty for authority-form. */
  readonly path: string;
}

/** The gateway itself: `OPTIONS *`, or an OPTIONS that may not be forwarded. Compared by identity. */
export const OURSELVES: Target = { host: '', port: 0, path: '*' };

const MAX_HOST = 253;
const HTTP_PREFIX = 'http://';
/** A dot, counted from the digit 0. */
const DOT = 0x2e - 0x30;

/** An authority as it was written, and the target that it was found to be. */
export interface KnownAuthority {
  readonly text: string;
  readonly target: Target;
}

/** What is remembered of authorities between two targets: the last one. */
export interface AuthorityMemo {
  authority: KnownAuthority | null;
}

/** Parses `http://host[:port][/path][?query]`; null unless it is exactly that. */
export function parseAbsoluteTarget(text: string, memo: AuthorityMemo | null = null): Target | null {
  if (!text.startsWith(HTTP_PREFIX) && text.slice(0, 7).toLowerCase() !== HTTP_PREFIX) return null;
  if (text.includes('#')) return null;
  const authority = findAuthority(text, memo);
  if (authority === null) return null;
  const { host, port } = authority.target;
  const rest = text.slice(7 + authority.text.length);
  return { host, port, path: rest.charCodeAt(0) === 0x3f ? `/${rest}` : rest };
}

/** The authority of an absolute-form target: what it means is found out once where it comes again and again. */
function findAuthority(text: string, memo: AuthorityMemo | null): KnownAuthority | null {
  const known = memo?.authority ?? null;
  if (known !== null && text.startsWith(known.text, 7) && endsAuthority(text, 7 + known.text.length)) return known;
  let end = 7;
  while (!endsAuthority(text, end)) end++;
  const found = text.slice(7, end);
  const target = parseAuthority(found, 80);
  if (target === null) return null;
  if (memo === null) return { text: found, target };
  memo.authority = { text: ownCopy(found), target };
  return memo.authority;
}

/** Whether the authority of an absolute-form target, or of an authority-form one, ends at this index at the latest. */
export function endsAuthority(target: string, at: number): boolean {
  if (at >= target.length) return true;
  const c = target.charCodeAt(at);
  return c === 0x2f || c === 0x3f;
}

/** Parses `host:port` of a CONNECT; the port is required. */
export function parseAuthorityTarget(text: string): Target | null {
  return parseAuthority(text, 0);
}

/** Whether this is `host[:port]`, as in a Host field. */
export function isAuthority(text: string): boolean {
  return parseAuthority(text, 80) !== null;
}

/** `host[:port]`; `defaultPort` 0 makes the port required. */
function parseAuthority(text: string, defaultPort: number): Target | null {
  let hostEnd = text.length;
  let port = defaultPort;
  const colon = text.lastIndexOf(':');
  if (colon !== -1 && colon > text.lastIndexOf(']')) {
    hostEnd = colon;
    // RFC 3986 allows an empty port ("http://a.test:/"), authority-form does not.
    if (colon + 1 < text.length || defaultPort === 0) port = parsePort(text.slice(colon + 1));
  }
  if (port === 0) return null;
  const host = canonicalHost(text.slice(0, hostEnd));
  return host === null ? null : { host, port, path: '' };
}

/** A port 1–65535 in canonical decimal, else 0. */
function parsePort(text: string): number {
  if (text.length === 0 || text.length > 5) return 0;
  let port = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    port = port * 10 + digit;
  }
  if (text.charCodeAt(0) === 0x30 || port > 65_535) return 0;
  return port;
}

/** The one spelling of a host that we use from here on, which may outlive its head (`ownCopy`); null for what is no host. */
export function canonicalHost(text: string): string | null {
  if (text.charCodeAt(0) === 0x5b) {
    if (text.charCodeAt(text.length - 1) !== 0x5d) return null;
    const inner = text.slice(1, -1);
    // A zone id (%eth0) has no meaning beyond this machine: refused.
    if (!isIPv6(inner) || inner.includes('%')) return null;
    return new URL(`http://[${inner}]`).hostname.slice(1, -1);
  }
  const name = text.charCodeAt(text.length - 1) === 0x2e ? text.slice(0, -1) : text;
  if (!isRegName(name)) return null;
  // `toLowerCase` copies.
  return endsInNumber(name) ? canonicalIpv4(name) : name.toLowerCase();
}

/** Dot-separated labels of 1–63 letters, digits, `-`, `_`. */
function isRegName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_HOST) return false;
  let label = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c === 0x2e) {
      if (label === 0) return false;
      label = 0;
      continue;
    }
    const letter = c | 0x20;
    const legal = (letter >= 0x61 && letter <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x5f;
    if (!legal || ++label > 63) return false;
  }
  return label > 0;
}

/** The WHATWG URL "ends in a number" check: such a host is an IPv4 address or nothing. */
function endsInNumber(name: string): boolean {
  const end = name.charCodeAt(name.length - 1) | 0x20;
  // Only a digit, a hexadecimal letter or the x of a bare 0x can end a number: most names are told here.
  if ((end < 0x30 || end > 0x39) && (end < 0x61 || end > 0x66) && end !== 0x78) return false;
  const last = name.slice(name.lastIndexOf('.') + 1);
  return /^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/.test(last);
}

function canonicalIpv4(name: string): string | null {
  if (isDottedQuad(name)) return ownCopy(name);
  return URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname : null;
}

/** Four numbers to 255 in canonical decimal, with dots between them. */
function isDottedQuad(name: string): boolean {
  let numbers = 0;
  let value = -1;
  for (let i = 0; i <= name.length; i++) {
    const digit = i === name.length ? DOT : name.charCodeAt(i) - 0x30;
    if (digit === DOT) {
      if (value === -1 || ++numbers > 4) return false;
      value = -1;
    } else if (digit < 0 || digit > 9 || value === 0) return false;
    else {
      value = value === -1 ? digit : value * 10 + digit;
      if (value > 255) return false;
    }
  }
  return numbers === 4;
}

/** `host:port` as it stands in a CONNECT line, with brackets around IPv6. */
export function authorityOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The value of `Host` for an http target: the default port left out (RFC 9110 section 4.2.3). */
export function hostFieldOf(target: Target): string {
  if (target.port !== 80) return authorityOf(target.host, target.port);
  return target.host.includes(':') ? `[${target.host}]` : target.host;
}
