/**
 * Whether a request whose attempt failed gets another one, over another session:
 * the only place that decides it. `tunnel.ts` and `forward.ts` ask when an attempt has
 * ended and nothing was promised to the client, nor anything sent upstream that must not
 * be sent twice; what they make of the answer is their own.
 *
 *   attempt ─▶ served
 *      └─ cause ─▶ cures moving it? ─▶ attempts, time and budget left? ─▶ another session? ─▶ attempt …
 *                         └──────────────────────┴─────────────────────────────┴─ no: the client is told the cause
 */
import { CAUSES, type Cause } from '../src/core/cause.ts';
import type { PoolPolicyState } from '../src/core/model.ts';
import type { Selector } from '../src/core/selector.ts';
import { refusalOfRoute, resolveTimed } from './admission.ts';
import type { GatewayContext } from './context.ts';
import type { Exchange } from './exchange.ts';

/** Safe and idempotent methods (RFC 9110 section 9.2.2): asked twice of a target, they do what they do once. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PROPFIND', 'REPORT', 'SEARCH']);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/**
 * Gives the exchange its next route, after an attempt that ended with `cause`; false: there is none, and the cause is
 * the request's. Whatever the exchange held of the old route's session is released then, and held of the new one's.
 */
export function moveOn(context: GatewayContext, exchange: Exchange, cause: Cause): boolean {
  if (!CAUSES[cause].moves || !mayMove(exchange)) return false;
  if (context.clock.monotonicMs() >= deadlineOf(exchange)) return false;
  const budget = exchange.budget!;
  exchange.endRetry();
  if (!budget.take()) return false;
  const { host } = exchange.target!;
  const route = resolveTimed(context, budget.pool, exchange, host);
  if (typeof route !== 'string') {
    const { trial, moved, outcome } = budget.pool;
    exchange.moved ??= moved;
    exchange.chosenBy = outcome;
    if (refusalOfRoute(context.ownAddresses, route) === null && exchange.move(route, trial, cause)) return true;
    // It was chosen, and is not tried after all.
    context.health.abandoned(route, host, trial);
  }
  budget.give();
  return false;
}

/** When an attempt that begins now must be open at the latest, in monotonic ms; never, where no other can follow it. */
export function openBy(exchange: Exchange): number {
  const another = mayMove(exchange) && exchange.budget!.pool.size > exchange.placements;
  return another ? deadlineOf(exchange) : Number.POSITIVE_INFINITY;
}

function mayMove(exchange: Exchange): boolean {
  const { policy, selector, placements } = exchange;
  return placements < policy.maxAttempts && !isBound(selector!, policy);
}

/** Whether it would rather fail than move. */
function isBound({ session, account, strict }: Selector, policy: PoolPolicyState): boolean {
  return (session !== null || account !== null) && (strict ?? policy.strict);
}

/** Of all attempts together. The phases before the first take microseconds. */
function deadlineOf({ startedAt, policy }: Exchange): number {
  return startedAt + policy.failoverDeadlineMs;
}
