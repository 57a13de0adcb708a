/**
 * The requests of one rotating provider: which of them need a route of their own, the
 * mint of their tokens, and their routes. Made for one state of the provider and kept by
 * the index beside it; asked once a request, after the session was chosen.
 *
 * Invariant: equal requests get the same `Route` object while it is kept, as kept
 * connections are filed under it; no route outlives the state or the base it was made of.
 */
import type { LabelKey, ProviderState, Route } from '../model.ts';
import { TokenMint } from '../token-mint.ts';
import { compileDialect, type Dialect, type RequestFault, takesPlaceholder } from './dialect.ts';
import { type Asked, compileRequestRoute, isRoute, type RequestRoute, type RequestSeed } from './request-route.ts';
import { type OnRequestRouteRetired, RouteShelf } from './route-shelf.ts';

/** Routes kept for requests that may come again. */
const MAX_ROUTES = 10_000;
/** Routes of fresh tokens, which nothing asks for again: kept so that their connections are closed, and no others for them. */
const MAX_FRESH_ROUTES = 256;
/** In no value, as values are letters, digits and `_~.-`. */
const SEPARATOR = ' ';

export class RequestRoutes {
  /** Makes the tokens of requests that name none of the provider's sessions; null: each has its session's own. */
  readonly mint: TokenMint | null;
  readonly #provider: ProviderState;
  readonly #dialect: Dialect;
  readonly #routes: RouteShelf;
  readonly #fresh: RouteShelf;

  /** Use `requestRoutesOf`, which knows whether a provider needs any. */
  constructor(provider: ProviderState, dialect: Dialect, mint: TokenMint | null, onRetired: OnRequestRouteRetired) {
    this.#provider = provider;
    this.#dialect = dialect;
    this.mint = mint;
    this.#routes = new RouteShelf(MAX_ROUTES, onRetired);
    this.#fresh = new RouteShelf(MAX_FRESH_ROUTES, onRetired);
  }

  /** Routes kept now. */
  get size(): number {
    return this.#routes.size + this.#fresh.size;
  }

  /** Whether a request's value of this label goes into the templates, whatever labels the session has. */
  takes(key: LabelKey): boolean {
    return takesPlaceholder(this.#dialect, key);
  }

  /** The route of a request: `base` where it asks for nothing that the templates take. */
  routeFor(base: Route, seed: RequestSeed, asked: Asked): Route | RequestFault {
    return this.#routeOn(this.#routes, base, seed, asked);
  }

  /** The route of a request whose token is fresh, and is not expected to come again. */
  freshRoute(base: Route, seed: RequestSeed, asked: Asked & { readonly token: string }): Route | RequestFault {
    return this.#routeOn(this.#fresh, base, seed, asked);
  }

  /** A route as either of them makes it, for a request that is only thought of: it is not kept, and none loses its place. */
  foresee(base: Route, seed: RequestSeed, asked: Asked): Route | RequestFault {
    const key = this.#keyOf(seed, asked);
    if (typeof key !== 'string') return key;
    return key === '' ? base : compileRequestRoute(base, this.#provider, seed, asked, this.#dialect);
  }

  /** Whether a request's route is of this state of the provider. */
  made(route: Route): boolean {
    return 'dialect' in route && (route as RequestRoute).dialect === this.#dialect;
  }

  /** Retires the routes of a session whose own route is no longer `base`. */
  retire(base: Route): void {
    this.#routes.retire(base);
    this.#fresh.retire(base);
  }

  /** Retires all: the provider changed, stopped or is gone. */
  retireAll(): void {
    this.#routes.clear();
    this.#fresh.clear();
  }

  /** Whether a state asks for the very same routes as the one these were made for. */
  stillServe(state: ProviderState): boolean {
    return sameSource(this.#provider, state);
  }

  #routeOn(shelf: RouteShelf, base: Route, seed: RequestSeed, asked: Asked): Route | RequestFault {
    const key = this.#keyOf(seed, asked);
    if (typeof key !== 'string') return key;
    if (key === '') return base;
    const known = shelf.find(base, key);
    if (known !== undefined) {
      if (known.live === null) known.live = base.live;
      return known;
    }
    const route = compileRequestRoute(base, this.#provider, seed, asked, this.#dialect);
    if (isRoute(route)) shelf.add(route as RequestRoute, key);
    return route;
  }

  /** Each value in the order of the dialect and behind it a separator, then the token; empty when all are missing. */
  #keyOf(seed: RequestSeed, asked: Asked): string | RequestFault {
    const { spellings } = this.#dialect;
    const token = asked.token ?? '';
    let values = '';
    let isPlain = true;
    for (const spelling of spellings) {
      const value = spelling.spell(asked, seed.labels);
      if (typeof value !== 'string') return value;
      if (value !== '') isPlain = false;
      values += value + SEPARATOR;
    }
    return isPlain && token === '' ? '' : values + token;
  }
}

/**
 * What a provider's requests need from now on: `before` where nothing that it was made for has changed, else new ones,
 * and those before are retired. Null: every request has its session's own route.
 */
export function requestRoutesOf(
  state: ProviderState,
  before: RequestRoutes | null,
  onRetired: OnRequestRouteRetired,
): RequestRoutes | null {
  if (before?.stillServe(state)) return before;
  before?.retireAll();
  const dialect = state.type === 'gateway' ? compileDialect(state) : null;
  if (dialect === null) return null;
  const mints = state.mintTokens && takesPlaceholder(dialect, 'token');
  if (!mints && dialect.spellings.length === 0) return null;
  return new RequestRoutes(state, dialect, mints ? mintOf(state, dialect) : null, onRetired);
}

/** Null for a format that is none: the control plane lets no such one in, and no token would fit it. */
function mintOf({ workspaceId, id }: ProviderState, { tokenFormat }: Dialect): TokenMint | null {
  return tokenFormat === null ? null : new TokenMint({ workspaceId, providerId: id, format: tokenFormat });
}

/** Whether two states of a provider make the same routes of the same requests. */
function sameSource(a: ProviderState, b: ProviderState): boolean {
  return (
    a.type === b.type &&
    a.enabled === b.enabled &&
    a.endpoint?.scheme === b.endpoint?.scheme &&
    a.endpoint?.host === b.endpoint?.host &&
    a.endpoint?.port === b.endpoint?.port &&
    a.usernameTemplate === b.usernameTemplate &&
    a.passwordTemplate === b.passwordTemplate &&
    a.password === b.password &&
    a.tokenFormat === b.tokenFormat &&
    a.mintTokens === b.mintTokens &&
    JSON.stringify(a.parameters) === JSON.stringify(b.parameters)
  );
}
