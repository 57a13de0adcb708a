/**
 * The phases between a request's head and its relay, in order, each with its
 * error exit: authenticate → select → admit → resolve. Synchronous from the
 * first line to the last (no await before the dial), and nothing waits for SQLite.
 */
import type { Cause } from '../src/core/cause.ts';
import { Histogram, RESOLVE_BUCKETS } from '../src/core/metrics.ts';
import type { Route } from '../src/core/model.ts';
import type { Pool } from '../src/core/pool-index/pool.ts';
import { resolve } from '../src/core/pool-index/resolve.ts';
import type { GatewayContext } from './context.ts';
import { isRejection } from './credentials.ts';
import type { Exchange } from './exchange.ts';
import type { RequestHead } from './http1/request-head.ts';
import { OURSELVES } from './http1/target.ts';
import type { OwnAddresses } from './own-addresses.ts';

/**
 * Takes a request through the phases: null when `exchange.route` is set and may be
 * dialled, or left null for a request to ourselves; else the cause.
 */
export function admit(context: GatewayContext, head: RequestHead, exchange: Exchange): Cause | null {
  exchange.stage = 'authenticate';
  const identity = context.credentials.identify(head.proxyAuthorization, head.proxySelector);
  if (isRejection(identity)) {
    context.counters.authFailure(identity.reason);
    return identity.reason === 'missing' ? 'auth_required' : 'auth_failed';
  }
  const { key, selector } = identity;
  exchange.key = key;
  if (head.target === OURSELVES) return null;

  exchange.stage = 'select';
  if (selector === null) return 'selector_invalid';
  const pool = context.directory.findPool(key.workspaceId, selector.pool);
  if (pool === undefined) return 'pool_unknown';
  exchange.poolId = pool.state.id;
  exchange.poolName = pool.state.name;
  exchange.pool = context.counters.pool(pool.state);
  if (!pool.state.enabled) return 'pool_disabled';

  exchange.stage = 'admit';
  if (context.draining && exchange.kind === 'connect') return 'draining';
  // Whoever dials it, we would meet ourselves, or our control port (K24).
  if (context.ownAddresses.isOwn(head.target.host, head.target.port)) return 'loop_detected';
  if (!context.caps.admit(key)) return 'limit_reached';
  exchange.admitted = true;

  exchange.stage = 'resolve';
  const route = timedResolve(context, pool, selector.session, exchange);
  if (route === null) return 'pool_empty';
  exchange.place(route);
  return refusalOfRoute(context.ownAddresses, route);
}

/** Why a route that was chosen is not dialled; null: it is. */
export function refusalOfRoute(ownAddresses: OwnAddresses, route: Route): Cause | null {
  if (ownAddresses.isOwn(route.host, route.port) && !route.tunnelled) return 'loop_detected';
  // SOCKS sessions are stored and resolve, but this gateway does not dial them yet.
  return route.scheme === 'http' || route.scheme === 'https' ? null : 'session_unavailable';
}

function timedResolve(context: GatewayContext, pool: Pool, stickyKey: string | null, exchange: Exchange): Route | null {
  const { clock, resolveSeconds } = context;
  const before = clock.monotonicMs();
  const route = resolve(pool, stickyKey);
  const ms = clock.monotonicMs() - before;
  exchange.resolveMs = ms;
  let histogram = resolveSeconds.get(pool.outcome);
  if (histogram === undefined) {
    histogram = new Histogram(RESOLVE_BUCKETS);
    resolveSeconds.set(pool.outcome, histogram);
  }
  histogram.observe(ms / 1_000);
  return route;
}
