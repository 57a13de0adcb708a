/**
 * What every kind of list comes to: one upstream, as BulkCreateSessions takes it. The service judges
 * what is in it; here it is only found out which part of a line is which.
 *
 * Invariant: no `problem` quotes a part of a line, which may be a password.
 */

/** One upstream of a list. `token` is null where the list names none. */
export interface Endpoint {
  readonly token: string | null;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** Why a line is no upstream, in words for whoever wrote it. */
export interface Problem {
  readonly problem: string;
}

export function isProblem(value: object): value is Problem {
  return 'problem' in value;
}

export function problem(text: string): Problem {
  return { problem: text };
}

/** Spellings of the schemes that an upstream can have. */
const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http', 'http'],
  ['https', 'https'],
  ['socks4', 'socks4'],
  ['socks4a', 'socks4a'],
  ['socks5', 'socks5'],
  ['socks5h', 'socks5h'],
  ['socks', 'socks5'],
  ['connect', 'http'],
  ['http(s)', 'http'],
  ['http/https', 'http'],
  ['http/s', 'http'],
]);

/** The scheme that a word means; null for none. */
export function schemeOf(word: string): string | null {
  return SCHEMES.get(word.trim().toLowerCase()) ?? null;
}

/** A port, 1–65535 in decimal; null for anything else. */
export function portOf(text: string): number | null {
  if (!/^[0-9]{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : null;
}

/** An upstream with nothing but its place. */
export function endpointAt(scheme: string, host: string, port: number): Endpoint {
  return { token: null, scheme, host, port, username: null, password: null, labels: {} };
}

/** The same with credentials; empty ones are none. A problem where a password has no user name. */
export function withCredentials(endpoint: Endpoint, username: string, password: string): Endpoint | Problem {
  if (username === '' && password !== '') return problem('there is a password, and no user name before it');
  return { ...endpoint, username: username === '' ? null : username, password: password === '' ? null : password };
}

const MAX_TOKEN = 256;

/**
 * The name of a session whose list gives it none: the same for the same upstream and user name, so that a list that is
 * imported again makes nothing twice. Never of the password. A problem where that is no token.
 */
export function tokenFor({ token, scheme, host, port, username }: Endpoint): string | Problem {
  if (token !== null) return token;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const user = username === null ? '' : `${encodeURIComponent(username)}@`;
  const made = `${scheme === 'http' ? '' : `${scheme}://`}${user}${authority}`;
  return made.length <= MAX_TOKEN ? made : problem('its user name is too long to name it by: give it a token');
}
