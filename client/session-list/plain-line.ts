/**
 * A line of a plain list, in any of the shapes that vendors and tools write:
 *
 *   [scheme://] host:port
 *               host:port:user:password      user:password:host:port
 *               user:password@host:port      host:port@user:password
 *               host port user password      with blanks, commas, semicolons, bars or tabs, the scheme before or behind
 *
 * Of a URL, user name and password are percent-decoded; elsewhere they are taken as they stand.
 */
import { type Endpoint, endpointAt, type Problem, portOf, problem, schemeOf, withCredentials } from './endpoint.ts';

const SEPARATORS = /[\s,;|]+/;
/** An address of IPv6 with or without a port behind it, as far as it can be told from words with colons between them. */
const IPV6 = /^[0-9a-f]{1,4}:(?:[0-9a-f]{0,4}:){4,}[0-9a-f]{1,5}$|^[0-9a-f:]*::[0-9a-f:]*$/i;
const NO_PORT = 'there is no port: host:port is the least';

/** Reads one line that is neither empty nor a comment; `scheme` is what it has where it names none. */
export function parsePlainLine(line: string, scheme: string): Endpoint | Problem {
  const url = /^([a-z][a-z0-9+.()/-]*?):\/\/(.*)$/i.exec(line);
  if (url === null) return parseParts(line, scheme);
  const named = schemeOf(url[1]!);
  if (named === null) return problem('its scheme is none that an upstream can have');
  return parseParts(url[2]!.replace(/\/$/, ''), named, true);
}

function parseParts(text: string, scheme: string, isUrl = false): Endpoint | Problem {
  const fields = text.split(SEPARATORS).filter((field) => field !== '');
  if (fields.length > 1) return parseFields(fields, scheme);
  const at = text.lastIndexOf('@');
  return at === -1 ? parseColons(text, scheme) : parseAt(text.slice(0, at), text.slice(at + 1), scheme, isUrl);
}

/** Fields that stand apart. */
function parseFields(fields: readonly string[], scheme: string): Endpoint | Problem {
  const [first, ...rest] = fields;
  const leading = schemeOf(first!);
  if (leading !== null) return parseParts(rest.join(' '), leading);
  const trailing = rest.length > 1 || first!.includes(':') ? schemeOf(rest.at(-1)!) : null;
  if (trailing !== null) return parseParts(fields.slice(0, -1).join(' '), trailing);
  const place = splitPlace(first!);
  if (place !== null) return parseApart(place, scheme, rest);
  const [port = '', ...credentials] = rest;
  const number = portOf(port);
  if (number === null) return problem(NO_PORT);
  return parseApart({ host: bare(first!), port: number }, scheme, credentials);
}

/** What stands behind a place: nothing, `user:password`, or the two apart. */
function parseApart({ host, port }: Place, scheme: string, rest: readonly string[]): Endpoint | Problem {
  const endpoint = endpointAt(scheme, host, port);
  if (rest.length > 2) return problem('there are more fields than host, port, user name and password');
  const [user = '', password] = rest;
  if (password !== undefined) return withCredentials(endpoint, user, password);
  return withPair(endpoint, user);
}

/** `user:password@host:port`, or the other way round where only that makes a place. */
function parseAt(left: string, right: string, scheme: string, isUrl: boolean): Endpoint | Problem {
  const behind = splitPlace(right);
  const before = splitPlace(left);
  // A word with a number behind it may be a place or a user with such a password: a host has a dot in it as a rule.
  const isSwapped = behind === null || (before !== null && isLikely(before.host) && !isLikely(behind.host));
  const place = isSwapped ? before : behind;
  // The at sign may be one of a password behind colons.
  if (place === null) return parseColons(`${left}@${right}`, scheme);
  const pair = isSwapped ? right : left;
  return withPair(endpointAt(scheme, place.host, place.port), pair, isUrl ? decoded : undefined);
}

/** Parts with colons between them and nothing else. */
function parseColons(text: string, scheme: string): Endpoint | Problem {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) return parseBehindHost(bracketed[1]!, (bracketed[2] ?? '').split(':'), scheme);
  if (IPV6.test(text)) return problem('an IPv6 address needs brackets around it');
  const [first, ...rest] = text.split(':');
  if (rest.length === 0) return problem(NO_PORT);
  const host = rest.at(-2)!;
  const port = portOf(rest.at(-1)!);
  const mayEndInPlace = rest.length >= 3 && port !== null;
  const endsInPlace = mayEndInPlace && isLikely(host) && !isLikely(first!);
  if (portOf(rest[0]!) !== null && !endsInPlace) return parseBehindHost(first!, rest, scheme);
  // The password may hold colons.
  if (mayEndInPlace) return withCredentials(endpointAt(scheme, host, port), first!, rest.slice(0, -2).join(':'));
  return problem(NO_PORT);
}

/** `port`, `port:user`, `port:user:password`, where the password may hold colons. */
function parseBehindHost(host: string, [port, user = '', ...password]: readonly string[], scheme: string) {
  const number = portOf(port ?? '');
  if (host === '' || number === null) return problem(NO_PORT);
  return withCredentials(endpointAt(scheme, host, number), user, password.join(':'));
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** `host:port`; null for anything else. */
function splitPlace(text: string): Place | null {
  const colon = text.lastIndexOf(':');
  const host = bare(text.slice(0, Math.max(colon, 0)));
  const port = portOf(text.slice(colon + 1));
  // More than one colon is an address in brackets, or it is no place.
  const isHost = host !== '' && (!host.includes(':') || text.startsWith('['));
  return colon !== -1 && port !== null && isHost ? { host, port } : null;
}

/** Whether a word is rather a host than a user name. */
function isLikely(host: string): boolean {
  return host.includes('.') || host.includes(':') || host === 'localhost';
}

/** An address without the brackets around it. */
function bare(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

/** `user:password`, where the password may hold colons; `user` alone. */
function withPair(endpoint: Endpoint, pair: string, decode = (text: string) => text): Endpoint | Problem {
  const colon = pair.indexOf(':');
  if (colon === -1) return withCredentials(endpoint, decode(pair), '');
  return withCredentials(endpoint, decode(pair.slice(0, colon)), decode(pair.slice(colon + 1)));
}

/** RFC 3986 section 2.1; what is no such text stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
