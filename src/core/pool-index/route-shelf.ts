/**
 * A bounded set of requests' routes, found by the session's own route and by what was
 * asked, least recently used first out. Two of them serve a provider (`request-routes.ts`).
 *
 *   base route ──▶ what was asked ──▶ route ◀── order of use
 *
 * Invariant: a route leaves both sides at once, and is told of exactly once.
 */
import { LRUCache } from 'lru-cache';
import type { Route } from '../model.ts';
import type { RequestRoute } from './request-route.ts';

/**
 * Why a route is not handed out any more: others took its room, and whatever uses it may end in peace; or it is no
 * longer true, as its session, its provider or its account changed.
 */
export type RetiredBecause = 'evicted' | 'changed';

export type OnRequestRouteRetired = (route: Route, because: RetiredBecause) => void;

export class RouteShelf {
  readonly #byBase = new Map<Route, Map<string, RequestRoute>>();
  /** What was asked, by route. */
  readonly #used: LRUCache<RequestRoute, string>;

  /** Of `bound` routes. */
  constructor(bound: number, onRetired: OnRequestRouteRetired) {
    this.#used = new LRUCache({
      // A bound by size, of one each: a bound by `max` would take the memory of all of them in advance.
      maxSize: bound,
      sizeCalculation: () => 1,
      dispose: (asked, route, reason) => {
        this.#forget(route, asked);
        onRetired(route, reason === 'evict' ? 'evicted' : 'changed');
      },
    });
  }

  get size(): number {
    return this.#used.size;
  }

  /** The route of this base for what is asked, used now. */
  find(base: Route, asked: string): RequestRoute | undefined {
    const route = this.#byBase.get(base)?.get(asked);
    if (route !== undefined) this.#used.get(route);
    return route;
  }

  /** Adds a route that `find` has just not found. */
  add(route: RequestRoute, asked: string): void {
    const siblings = this.#byBase.get(route.base);
    if (siblings === undefined) this.#byBase.set(route.base, new Map([[asked, route]]));
    else siblings.set(asked, route);
    this.#used.set(route, asked);
  }

  /** Retires every route of a session's own route that changed. */
  retire(base: Route): void {
    for (const route of [...(this.#byBase.get(base)?.values() ?? [])]) this.#used.delete(route);
  }

  /** Retires all. */
  clear(): void {
    this.#used.clear();
  }

  #forget(route: RequestRoute, asked: string): void {
    const siblings = this.#byBase.get(route.base);
    siblings?.delete(asked);
    if (siblings?.size === 0) this.#byBase.delete(route.base);
  }
}
