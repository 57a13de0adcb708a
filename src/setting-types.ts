/**
 * The kinds of value that a setting can have: how each is read from text, and
 * the phrase that says what is allowed. Called by the table of `settings.ts`
 * only. `parse` answers undefined for anything it does not take; the caller
 * then builds "… is not <phrase>", so no parser can echo a secret.
 */
import { BlockList, isIP } from 'node:net';
import type { ListenAddress } from './config.ts';
import { formatDestination, parseDestination } from './core/destinations.ts';
import type { ApiKeyId } from './core/model.ts';
import { isSelectorFault, parseSelector } from './core/selector.ts';

export interface ValueType<T> {
  /** Completes the sentence "this is not …". */
  readonly phrase: string;
  readonly parse: (text: string) => T | undefined;
}

const DURATION_UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];
const SIZE_UNITS: readonly (readonly [unit: string, bytes: number])[] = [
  ['GiB', 1_073_741_824],
  ['MiB', 1_048_576],
  ['KiB', 1_024],
  ['B', 1],
];

/** Milliseconds in the largest unit that leaves a whole number: `90_000` is `90s`. */
export function formatDuration(ms: number): string {
  return formatIn(DURATION_UNITS, ms, '0s');
}

/** Bytes in the largest unit that leaves a whole number: `16_384` is `16KiB`. */
export function formatSize(bytes: number): string {
  return formatIn(SIZE_UNITS, bytes, '0B');
}

function formatIn(units: typeof DURATION_UNITS, amount: number, zero: string): string {
  for (const [unit, factor] of units) {
    if (amount >= factor && amount % factor === 0) return `${amount / factor}${unit}`;
  }
  return zero;
}

function quantity(units: typeof DURATION_UNITS, text: string): number | undefined {
  const match = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)([A-Za-z]*)$/.exec(text);
  if (!match) return undefined;
  const amount = Number(match[1]);
  // Zero needs no unit; any other bare number is a guess between seconds and milliseconds, and is refused.
  if (match[2] === '') return amount === 0 ? 0 : undefined;
  const factor = units.find(([unit]) => unit.toLowerCase() === match[2]!.toLowerCase())?.[1];
  return factor === undefined ? undefined : Math.round(amount * factor);
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

/** A duration in milliseconds, bounds included. */
export function duration(minMs: number, maxMs: number): ValueType<number> {
  return {
    phrase: `a duration between ${formatDuration(minMs)} and ${formatDuration(maxMs)}, such as 500ms, 30s, 15m or 24h`,
    parse: (text) => within(quantity(DURATION_UNITS, text), minMs, maxMs),
  };
}

/** A size in bytes, bounds included; a plain number is bytes. */
export function size(minBytes: number, maxBytes: number): ValueType<number> {
  return {
    phrase: `a size between ${formatSize(minBytes)} and ${formatSize(maxBytes)}, such as 16KiB`,
    parse: (text) => within(/^[0-9]{1,15}$/.test(text) ? Number(text) : quantity(SIZE_UNITS, text), minBytes, maxBytes),
  };
}

/** A whole number, bounds included. */
export function count(min: number, max: number): ValueType<number> {
  return {
    phrase: `a whole number between ${min} and ${max}`,
    parse: (text) => (/^[0-9]{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
  };
}

/** One of a closed list of words. */
export function choice<const T extends string>(words: readonly T[]): ValueType<T> {
  return { phrase: `one of ${words.join(', ')}`, parse: (text) => words.find((word) => word === text) };
}

/** `true` or `false`. */
export const toggle: ValueType<boolean> = {
  phrase: 'true or false',
  parse: (text) => ({ true: true, false: false })[text],
};

/** A path; made absolute by the caller. */
export const path: ValueType<string> = {
  phrase: 'a path',
  parse: (text) => (text.includes('\0') ? undefined : text),
};

/** Text that must match a pattern: keys and URLs. */
export function shaped(pattern: RegExp, phrase: string): ValueType<string> {
  return { phrase, parse: (text) => (pattern.test(text) ? text : undefined) };
}

function parseApiUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // Keys travel with the requests: in clear they do not leave this machine.
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback({ host, port: 0 }));
  if (!isSafe) return undefined;
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

/** The base URL of somebody's interface, which carries a key; answers it with a slash at its end. */
export const apiUrl: ValueType<string> = {
  phrase: 'an https URL without credentials, query or fragment (http for addresses of this machine)',
  parse: parseApiUrl,
};

/** Entries of a list; none of these needs more, and reading an address is not free. */
const MAX_LIST = 256;

/** The entries of a comma-separated list; undefined as soon as one is none. */
function parseList<T>(text: string, parse: (entry: string) => T | undefined): T[] | undefined {
  const entries = text.split(',', MAX_LIST + 1);
  if (entries.length > MAX_LIST) return undefined;
  const list: T[] = [];
  for (const entry of entries) {
    const value = parse(entry.trim());
    if (value === undefined) return undefined;
    list.push(value);
  }
  return list;
}

function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, bracketed, plain] = match;
  const port = Number(match[3]);
  if (port > 65_535) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed.toLowerCase(), port } : undefined;
  return /^[A-Za-z0-9]/.test(plain!) ? { host: plain!.toLowerCase(), port } : undefined;
}

/** `host:port`, IPv6 in brackets. */
export const listen: ValueType<ListenAddress> = {
  phrase: 'an address and port, such as 127.0.0.1:7070 or [::1]:7070',
  parse: parseListen,
};

/** One or more `host:port`, comma-separated. */
export const listenList: ValueType<readonly ListenAddress[]> = {
  phrase: 'a comma-separated list of at most 256 addresses and ports, such as 127.0.0.1:3128,[::1]:3128',
  parse: (text) => parseList(text, parseListen),
};

const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** One or more host names without a port, comma-separated; in lower case. */
export const hostNameList: ValueType<readonly string[]> = {
  phrase: 'a comma-separated list of at most 256 host names without a port, such as sallyport,sallyport.internal',
  parse: (text) => parseList(text, (entry) => (HOST_NAME.test(entry.toLowerCase()) ? entry.toLowerCase() : undefined)),
};

function parseDnsServer(text: string): string | undefined {
  // A zone has no meaning without its interface, which may be gone when a question is sent.
  if (text.includes('%')) return undefined;
  if (isIP(text) === 6) return `[${text}]`;
  const match = /^(?:\[([^\]]*)\]|([0-9.]+))(?::([1-9][0-9]{0,4}))?$/.exec(text);
  if (!match) return undefined;
  const [, ipv6, ipv4 = '', port = '53'] = match;
  const isAddress = ipv6 === undefined ? isIP(ipv4) === 4 : isIP(ipv6) === 6;
  return isAddress && Number(port) <= 65_535 ? text : undefined;
}

/** One or more addresses of DNS servers, with a port or without, comma-separated; answered as `node:dns` takes them. */
export const dnsServerList: ValueType<readonly string[]> = {
  phrase:
    'a comma-separated list of at most 256 addresses with or without a port, such as 192.0.2.53,[2001:db8::53]:5353',
  parse: (text) => parseList(text, parseDnsServer),
};

function parseNetwork(text: string): string | undefined {
  const rule = parseDestination(text);
  return typeof rule === 'string' || rule.kind !== 'network' || rule.port !== null
    ? undefined
    : formatDestination(rule);
}

/** A network of clients, in its one spelling. */
export const network: ValueType<string> = {
  phrase: 'an address or a network without bits behind its prefix, such as 10.1.0.0/16 or fd00::/8',
  parse: parseNetwork,
};

/** One or more networks, comma-separated, each in its one spelling. */
export const networkList: ValueType<readonly string[]> = {
  phrase:
    'a list of at most 256 addresses and networks without bits behind their prefix, such as 10.1.0.0/16 or fd00::/8',
  parse: (text) => parseList(text, parseNetwork),
};

/** The id of an API key: a UUID, as logs have it, or base64, as JSON has it. */
export const apiKeyId: ValueType<ApiKeyId> = {
  phrase: 'the id of an API key, such as 018f8c20-0000-7000-8000-00000000000a',
  parse: (text) => {
    const digits = /^[A-Za-z0-9+/]{22}==$/.test(text)
      ? Buffer.from(text, 'base64').toString('hex')
      : text.toLowerCase();
    const groups = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/.exec(digits);
    return groups === null ? undefined : (groups.slice(1).join('-') as ApiKeyId);
  },
};

/** A proxy username without its key. */
export const selectorText: ValueType<string> = {
  phrase: 'a selector, as in a proxy username: a pool and what else is asked of it, such as default-session-a',
  parse: (text) => (isSelectorFault(parseSelector(text, null)) ? undefined : text),
};

/** `host:port` as text, IPv6 in brackets. */
export function formatListen({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach the address. Names other than `localhost` count as reachable from outside. */
export function isLoopback({ host }: ListenAddress): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  if (family === 0) return false;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
