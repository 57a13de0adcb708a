/**
 * Which targets a rule of a pool's `destinations` speaks of: one grammar, read when
 * an operator writes the rule and when the gateway compiles it.
 *
 *   entry  = host [ ":" port ] | ":" port
 *   host   = name            the host of this name and every host below it
 *          | "." name        every host below it
 *          | address | address "/" prefix      IPv6 in brackets where a port follows
 *
 * Pure. A name is never taken for an address nor the other way round, so what an
 * upstream will resolve is checked as a name.
 */
import { formatAddress, isMapped, parseAddress, parseIpv6 } from './address.ts';

/** One entry, read. `port` null speaks of every port. */
export type DestinationRule =
  | { readonly kind: 'any'; readonly port: number }
  | { readonly kind: 'name'; readonly name: string; readonly itself: boolean; readonly port: number | null }
  | {
      readonly kind: 'network';
      /** 4 or 16 bytes, no bit set behind the prefix. */
      readonly bytes: readonly number[];
      /** In bits. */
      readonly prefix: number;
      readonly port: number | null;
    };

/** Where a request wants to go: a canonical name in lower case or an address without brackets. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
/** A last label that some resolvers take for the end of an IPv4 address. */
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;
const MAX_NAME = 253;

const NOT_A_HOST = 'must be a host name, an address, a network or a port, such as example.com, 203.0.113.0/24 or :25';
const NOT_A_PORT = 'must have a port of 1–65535 behind the colon';
const NOT_A_PREFIX = 'must have a prefix of 0–32 bits, or 0–128 for IPv6, behind the slash';
const LOOSE_BITS = 'must have no bit set behind the prefix of its network';

/** Reads one entry; the sentence that it breaks (which does not quote it) when it is none. */
export function parseDestination(entry: string): DestinationRule | string {
  const { host, port: portText } = split(entry);
  const port = portText === null ? null : parsePort(portText);
  if (Number.isNaN(port)) return NOT_A_PORT;
  if (host === '') return port === null ? NOT_A_HOST : { kind: 'any', port };
  if (host.includes('/')) return parseNetwork(host, port);
  const bytes = parseAddress(host);
  if (bytes !== null) return { kind: 'network', bytes, prefix: bytes.length * 8, port };
  return parseName(host, port);
}

/** The canonical spelling of a rule: the same for every entry that means the same. */
export function formatDestination(rule: DestinationRule): string {
  const suffix = rule.port === null ? '' : `:${rule.port}`;
  if (rule.kind === 'any') return suffix;
  if (rule.kind === 'name') return `${rule.itself ? '' : '.'}${rule.name}${suffix}`;
  const isWhole = rule.prefix === rule.bytes.length * 8;
  const network = `${formatAddress(rule.bytes)}${isWhole ? '' : `/${rule.prefix}`}`;
  return rule.bytes.length === 16 && suffix !== '' ? `[${network}]${suffix}` : network + suffix;
}

/**
 * Compiles rules to a test of whether any speaks of a target. The test costs one look-up a label of a name, or one
 * a distinct prefix length for an address, however many rules there are.
 */
export function compileDestinations(rules: readonly DestinationRule[]): (target: Destination) => boolean {
  const anyHost = new Set<number>();
  const byKey = new Map<string, Set<number | null>>();
  const prefixes = { 4: new Set<number>(), 16: new Set<number>() };
  const put = (key: string, port: number | null) => {
    const ports = byKey.get(key);
    if (ports === undefined) byKey.set(key, new Set([port]));
    else ports.add(port);
  };
  for (const rule of rules) {
    if (rule.kind === 'any') anyHost.add(rule.port);
    else if (rule.kind === 'network') {
      prefixes[rule.bytes.length as 4 | 16].add(rule.prefix);
      put(networkKey(rule.bytes, rule.prefix), rule.port);
    } else {
      put(`.${rule.name}`, rule.port);
      if (rule.itself) put(rule.name, rule.port);
    }
  }
  const speaksOf = (key: string, port: number) => {
    const ports = byKey.get(key);
    return ports !== undefined && (ports.has(null) || ports.has(port));
  };
  return ({ host, port }) => {
    if (anyHost.has(port)) return true;
    const bytes = parseAddress(host);
    if (bytes !== null) {
      for (const prefix of prefixes[bytes.length as 4 | 16]) if (speaksOf(networkKey(bytes, prefix), port)) return true;
      return false;
    }
    if (speaksOf(host, port)) return true;
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      if (speaksOf(host.slice(dot), port)) return true;
    }
    return false;
  };
}

/** Takes the port off the end; the colons of an IPv6 address without brackets are its own. */
function split(entry: string): { host: string; port: string | null } {
  // The colon is looked for ahead: between two runs that may hold it, colons without a bracket cost their number squared.
  const bracketed = /^\[(?=[^\]]*:)([^\]]*)\](?::(.*))?$/.exec(entry);
  if (bracketed !== null) return { host: bracketed[1]!, port: bracketed[2] ?? null };
  const colon = entry.indexOf(':');
  const isPort = colon !== -1 && entry.indexOf(':', colon + 1) === -1;
  return isPort ? { host: entry.slice(0, colon), port: entry.slice(colon + 1) } : { host: entry, port: null };
}

/** NaN for what is no port. */
function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : Number.NaN;
}

function parseName(host: string, port: number | null): DestinationRule | string {
  const itself = !host.startsWith('.');
  const name = (itself ? host : host.slice(1)).toLowerCase().replace(/\.$/, '');
  // ASCII before case folding: toLowerCase turns the Kelvin sign into a k.
  const valid = /^[\x21-\x7e]+$/.test(host) && name.length <= MAX_NAME && NAME.test(name) && !NUMERIC_END.test(name);
  return valid ? { kind: 'name', name, itself, port } : NOT_A_HOST;
}

function parseNetwork(host: string, port: number | null): DestinationRule | string {
  const slash = host.indexOf('/');
  const base = host.slice(0, slash);
  const prefixText = host.slice(slash + 1);
  // A network of mapped addresses has its prefix counted in IPv6's 128 bits.
  const wide = parseIpv6(base);
  const bytes = wide ?? parseAddress(base);
  if (bytes === null) return NOT_A_HOST;
  const prefix = /^(0|[1-9]\d{0,2})$/.test(prefixText) ? Number(prefixText) : Number.NaN;
  if (!(prefix <= bytes.length * 8)) return NOT_A_PREFIX;
  if (!masked(bytes, prefix).every((byte, i) => byte === bytes[i])) return LOOSE_BITS;
  if (isMapped(bytes) && prefix >= 96) return { kind: 'network', bytes: bytes.slice(12), prefix: prefix - 96, port };
  return { kind: 'network', bytes, prefix, port };
}

function masked(bytes: readonly number[], prefix: number): number[] {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * i))) & 0xff);
}

/** The same text for every address of a network, and for no other network's. No name is spelled so: none holds a slash. */
export function networkKey(bytes: readonly number[], prefix: number): string {
  return `${masked(bytes, prefix).join('.')}/${prefix}`;
}
