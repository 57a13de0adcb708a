/**
 * The phases between a request's head and its relay, in order, each with its
 * error exit: authenticate → select → admit → resolve. Synchronous from the
 * first line to the last (no await before the dial), and nothing waits for SQLite.
 * Where they are entered a fault of ours ends: it is the request's, not the process's.
 */
import type { Cause } from '../src/core/cause.ts';
import { errorChain } from '../src/core/error-chain.ts';
import { FIELD } from '../src/core/log.ts';
import { Histogram, RESOLVE_BUCKETS } from '../src/core/metrics.ts';
import type { Route } from '../src/core/model.ts';
import type { Pool } from '../src/core/pool-index/pool.ts';
import { resolve } from '../src/core/pool-index/resolve.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import { isSelectorFault } from '../src/core/selector.ts';
import { networkOfPeer } from './client-network.ts';
import type { GatewayContext } from './context.ts';
import { type Identity, isRejection, type Rejection } from './credentials.ts';
import type { Exchange } from './exchange.ts';
import { OURSELVES, type Target } from './http1/target.ts';
import type { OwnAddresses } from './own-addresses.ts';

/** Who has read a request: the connection of a client. */
export interface Entrant<Request> {
  /** Takes it through the phases and starts its relay; else answers the cause for which not. */
  enter(request: Request, exchange: Exchange): Cause | null;
}

/**
 * Lets a request in, up to the start of its relay; answers the cause of a refusal, which the caller tells: `internal`
 * when we throw. What the relay holds by then the caller has to abort. A throw anywhere else is fatal (R15), and so is
 * one here behind the request's end: whatever is broken then is not this request.
 */
export function enterPhases<Request>(
  context: GatewayContext,
  entrant: Entrant<Request>,
  request: Request,
  exchange: Exchange,
): Cause | null {
  try {
    return entrant.enter(request, exchange);
  } catch (fault) {
    if (exchange.finished) throw fault;
    const { id, stage } = exchange;
    context.log.error(
      { [FIELD.requestId]: id, [FIELD.stage]: stage, [FIELD.error]: errorChain(fault) },
      'a request met a fault of ours',
    );
    return 'internal';
  }
}

/**
 * Takes a request of whoever `identity` says through the phases: null when `exchange.route` is set and
 * may be dialled, or left null for a request to ourselves; else the cause.
 */
export function admit(
  context: GatewayContext,
  identity: Identity | Rejection,
  target: Target,
  exchange: Exchange,
): Cause | null {
  exchange.stage = 'authenticate';
  if (isRejection(identity)) return turnDown(context, identity, exchange);
  const { key, selector } = identity;
  exchange.key = key;
  exchange.identifiedBy = identity.by;
  if (target === OURSELVES) return null;

  exchange.stage = 'select';
  if (isSelectorFault(selector)) {
    // The answer and the log line name the key.
    exchange.selectorFault = selector;
    return 'selector_invalid';
  }
  exchange.accountName = selector.account ?? '';
  exchange.hasStickyKey = selector.session !== null;
  const pool = context.directory.findPool(key.workspaceId, selector.pool);
  if (pool === undefined) return 'pool_unknown';
  exchange.budget = context.retryBudgets.of(pool);
  exchange.pool = context.counters.pool(pool.state);
  exchange.policy = pool.state.policy;
  if (!pool.state.enabled) return 'pool_disabled';

  exchange.stage = 'admit';
  if (exchange.kind === 'connect' && !context.takesTunnels) return 'draining';
  // Whoever dials it, we would meet ourselves, or our control port (K24).
  if (context.ownAddresses.isOwn(target.host, target.port)) return 'loop_detected';
  if (pool.targets?.denies(target, exchange.kind === 'connect')) return 'destination_denied';
  exchange.slots = context.caps.admit(key);
  if (exchange.slots === null) return 'limit_reached';

  exchange.stage = 'resolve';
  exchange.selector = selector;
  const route = resolveTimed(context, pool, exchange, target.host);
  exchange.chosenBy = pool.outcome;
  exchange.moved = pool.moved;
  if (typeof route === 'string') {
    exchange.selectorFault = pool.fault;
    return route;
  }
  exchange.place(route, pool.trial);
  const cause = exchange.kind === 'connect' ? openTunnel(context, exchange) : null;
  return cause ?? refusalOfRoute(context.ownAddresses, route);
}

/** Counts who was not identified; answers the cause that it is told. */
export function turnDown(context: GatewayContext, { reason }: Rejection, exchange: Exchange): Cause {
  context.counters.authFailure(reason);
  if (reason === 'missing') return 'auth_required';
  return context.throttle.failed(networkOfPeer(exchange.client)) ? 'limit_reached' : 'auth_failed';
}

/** What a request that was admitted meets when an upgrade may make a tunnel of it: what a CONNECT meets. */
export function admitUpgrade(context: GatewayContext, exchange: Exchange): Cause | null {
  return context.takesTunnels ? openTunnel(context, exchange) : 'draining';
}

function openTunnel(context: GatewayContext, exchange: Exchange): Cause | null {
  const cause = context.caps.openTunnel(exchange.route!.live!, exchange.policy);
  exchange.tunnelled = cause === null;
  return cause;
}

/** Why a route that was chosen is not dialled; null: it is. */
export function refusalOfRoute(ownAddresses: OwnAddresses, route: Route): Cause | null {
  // The exit of LOCAL routes is ours and meant.
  return !leadsToExit(route) && ownAddresses.isOwn(route.host, route.port) ? 'loop_detected' : null;
}

/** The session of the next attempt of an exchange, never one that it was through already; or why there is none. */
export function resolveTimed(
  { clock, resolveSeconds }: GatewayContext,
  pool: Pool,
  exchange: Exchange,
  targetHost: string,
): Route | Cause {
  const before = clock.monotonicMs();
  const route = resolve(pool, exchange.selector!, targetHost, exchange.tried);
  const ms = clock.monotonicMs() - before;
  exchange.resolveMs += ms;
  let histogram = resolveSeconds.get(pool.outcome);
  if (histogram === undefined) {
    histogram = new Histogram(RESOLVE_BUCKETS);
    resolveSeconds.set(pool.outcome, histogram);
  }
  histogram.observe(ms / 1_000);
  return route;
}
