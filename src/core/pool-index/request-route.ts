/**
 * Compiles a rotating session's route for one request: its own token or a minted one,
 * and what the client asked for, in the provider's templates. Called by
 * `request-routes.ts`, which keeps what is asked for again.
 *
 * Invariant: all that a request decides is a token of the provider's format and values
 * that its dialect spelled, so no client can add a parameter, a colon, `@`, CR or LF.
 */
import type { ProviderState, Route, SessionLabels } from '../model.ts';
import { type AskedValues, compileDialect, type Dialect, type RequestFault } from './dialect.ts';
import { carried, type RouteSeed } from './route.ts';

/** What a request asks of a rotating provider. */
export interface Asked extends AskedValues {
  /** A minted token; null: the session's own. */
  readonly token: string | null;
}

/** What a request's route is made of, beside its session's own route. */
export type RequestSeed = RouteSeed & { readonly labels: SessionLabels | null };

/** A route of one request: as its session's own, `base`, but for the credentials. */
export interface RequestRoute extends Route {
  readonly base: Route;
  /** The dialect that it was spelled in: another object once the provider has changed. */
  readonly dialect: Dialect;
}

const BAD_TOKEN: RequestFault = { invalid: 'session' };
/** RFC 1929 §2: one octet tells the length of each. */
const MAX_SOCKS5_BYTES = 255;

/** The session's own route that a route was made of: the route itself, unless it is a request's. */
export function baseOf(route: Route): Route {
  return 'base' in route ? (route as RequestRoute).base : route;
}

/** Whether an answer is a route, and no fault. */
export function isRoute(answer: Route | RequestFault): answer is Route {
  return !('invalid' in answer);
}

/** The route of a request, with the live state of `base`; `base` itself where its provider has no credentials to fill. */
export function compileRequestRoute(
  base: Route,
  provider: ProviderState,
  seed: RequestSeed,
  asked: Asked,
  dialect: Dialect | null = compileDialect(provider),
): Route | RequestFault {
  if (dialect === null) return base;
  const { account, tokenFormat, username, password } = dialect;
  if (asked.token !== null && !(tokenFormat?.fits(asked.token) ?? false)) return BAD_TOKEN;
  const values: Record<string, string> = { ...account, token: asked.token ?? seed.token };
  for (const spelling of dialect.spellings) {
    const value = spelling.spell(asked, seed.labels);
    if (typeof value !== 'string') return value;
    values[spelling.name] = value;
  }
  const pair = { username: username.fill(values), password: password.fill(values) };
  const route: RequestRoute = { ...base, ...carried(base.scheme, pair), base, dialect };
  if (!tooLong(route)) return route;
  // With nothing asked it is the template or a label that is too long, and the dial will say so.
  const asker = dialect.spellings.find((spelling) => spelling.isAsked(asked));
  return asker === undefined ? route : { invalid: asker.key };
}

/** Refused here, as the dial would blame the credential of everybody. */
function tooLong({ scheme, credentials }: Route): boolean {
  if (credentials === null || !scheme.startsWith('socks5')) return false;
  return credentials.username.length > MAX_SOCKS5_BYTES || credentials.password.length > MAX_SOCKS5_BYTES;
}
