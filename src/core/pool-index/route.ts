/**
 * Compiles a session into its `Route`: address and credentials, ready for its scheme.
 * Called by the index when a session or its provider changes, never per request.
 * Templates (`../template.ts`): `{token}`, `{username}` and `{password}` are filled here;
 * any other placeholder has no value at this point, and an optional segment with one vanishes.
 * What a single request asks of a rotating provider is filled in by `request-route.ts`.
 */
import type {
  Endpoint,
  PoolId,
  ProviderState,
  Route,
  Scheme,
  SessionId,
  SessionState,
  SocksCredentials,
} from '../model.ts';
import { SCHEMES } from '../model.ts';
import { fillTemplate } from '../template.ts';

/** The embedded exit that LOCAL sessions dial: where it listens, and the credential that names a session to it. */
export interface LocalExit {
  readonly host: string;
  readonly port: number;
  /** The whole `Proxy-Authorization` value for one session; `localAddress` null lets the system choose. */
  authorizationFor(sessionId: SessionId, localAddress: string | null, poolId: PoolId): string;
}

/** A credential as text. */
export type Pair = Readonly<Record<'username' | 'password', string>>;

/** What a route of a GATEWAY or LOCAL session is made of: all but the provider's part. */
export interface RouteSeed {
  readonly id: SessionId;
  readonly poolId: PoolId;
  readonly token: string;
  readonly localAddress: string | null;
}

/** The route of a session as written, or null when its endpoint (or the embedded exit) is missing. */
export function compileRoute(
  session: SessionState,
  provider: ProviderState,
  localExit: LocalExit | null,
): Route | null {
  if (provider.type !== 'static') return compileProviderRoute(session, provider, localExit);
  if (session.endpoint === null) return null;
  const { username, password } = session;
  const pair = username === null && password === null ? null : { username: username ?? '', password: password ?? '' };
  return route(session, provider, session.endpoint, pair, session.tlsInsecure);
}

/** The route of a session whose endpoint the provider has; null without one. A STATIC provider has none to give. */
export function compileProviderRoute(
  seed: RouteSeed,
  provider: ProviderState,
  localExit: LocalExit | null,
): Route | null {
  if (provider.type === 'gateway') {
    return provider.endpoint === null ? null : route(seed, provider, provider.endpoint, rotating(seed.token, provider));
  }
  if (provider.type !== 'local' || localExit === null) return null;
  const { host, port } = localExit;
  const authorization = localExit.authorizationFor(seed.id, seed.localAddress, seed.poolId);
  // The embedded exit speaks CONNECT only.
  return { ...route(seed, provider, { scheme: 'http', host, port }, null), authorization, tunnelled: true };
}

/** Whether a route is that of a LOCAL session: of all that is tunnelled, the embedded exit alone is spoken to in http. */
export function leadsToExit(route: Route): boolean {
  return route.tunnelled && route.scheme === 'http';
}

/** Whether two routes lead to the same place with the same credentials. */
export function sameRoute(a: Route, b: Route): boolean {
  return (
    a.scheme === b.scheme &&
    a.host === b.host &&
    a.port === b.port &&
    a.authorization === b.authorization &&
    a.credentials?.username === b.credentials?.username &&
    a.credentials?.password === b.credentials?.password &&
    a.tlsInsecure === b.tlsInsecure &&
    a.sessionId === b.sessionId &&
    a.poolId === b.poolId &&
    a.providerId === b.providerId
  );
}

function route(
  seed: RouteSeed,
  provider: ProviderState,
  endpoint: Endpoint,
  pair: Pair | null,
  tlsInsecure = false,
): Route {
  const scheme = shared(endpoint.scheme);
  return {
    sessionId: seed.id,
    poolId: seed.poolId,
    providerId: provider.id,
    scheme,
    host: endpoint.host,
    port: endpoint.port,
    tunnelled: isSocks(scheme),
    ...(pair === null ? NO_CREDENTIALS : carried(scheme, pair)),
    tlsInsecure,
    live: null,
  };
}

/** One string for each scheme: a clone from the other thread would bring its own copy for each of a million sessions. */
function shared(scheme: Scheme): Scheme {
  return SCHEMES[SCHEMES.indexOf(scheme)] ?? scheme;
}

/** What a rotating provider's sessions share of their credentials: the templates, and the account to put into them. */
export interface Rotation {
  readonly usernameTemplate: string;
  readonly passwordTemplate: string;
  readonly account: Pair;
}

/** The rotation of a provider: its credential is `username:password` once a template asks for `{username}`, else all password. Null without any. */
export function rotationOf(provider: ProviderState): Rotation | null {
  const { password: credential } = provider;
  if (provider.usernameTemplate === null && provider.passwordTemplate === null && credential === null) return null;
  const usernameTemplate = provider.usernameTemplate ?? '{username}';
  const passwordTemplate = provider.passwordTemplate ?? '{password}';
  const account = { username: '', password: credential ?? '' };
  if (usernameTemplate.includes('{username}') || passwordTemplate.includes('{username}')) {
    const colon = account.password.indexOf(':');
    if (colon >= 0) {
      account.username = account.password.slice(0, colon);
      account.password = account.password.slice(colon + 1);
    }
  }
  return { usernameTemplate, passwordTemplate, account };
}

function rotating(token: string, provider: ProviderState): Pair | null {
  const rotation = rotationOf(provider);
  if (rotation === null) return null;
  const { usernameTemplate, passwordTemplate, account } = rotation;
  const values = { ...account, token };
  return { username: fillTemplate(usernameTemplate, values), password: fillTemplate(passwordTemplate, values) };
}

const NO_CREDENTIALS = { authorization: null, credentials: null };

/** A credential as a route of this scheme has it. */
export function carried(scheme: Scheme, pair: Pair): Pick<Route, 'authorization' | 'credentials'> {
  return isSocks(scheme)
    ? { authorization: null, credentials: octetsOf(pair) }
    : { authorization: basic(pair), credentials: null };
}

function isSocks(scheme: Scheme): boolean {
  return scheme !== 'http' && scheme !== 'https';
}

/** RFC 7617: `user-id ":" password`, as UTF-8 bytes. */
function basic({ username, password }: Pair): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function octetsOf({ username, password }: Pair): SocksCredentials {
  const octets = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  return { username: octets(username), password: octets(password) };
}
