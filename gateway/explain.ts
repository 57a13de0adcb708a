/**
 * What a request would meet, told without sending anything and without changing
 * whose turn it is: the phases of `admission.ts` in their order, with a look at the
 * index in place of a choice. A drain and the limits of a key are no part of it:
 * they belong to the moment and to who asks.
 */
import type { Cause } from '../src/core/cause.ts';
import type { ExplainQuery, Explanation } from '../src/core/observed.ts';
import { routeFor } from '../src/core/pool-index/choice.ts';
import { censusOf, foresee } from '../src/core/pool-index/foresee.ts';
import type { Pool } from '../src/core/pool-index/pool.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import { isSelectorFault, parseSelector, type Selector, type SelectorFault } from '../src/core/selector.ts';
import { nameOfFault } from '../src/core/selector-fault.ts';
import { refusalOfRoute } from './admission.ts';
import type { GatewayContext } from './context.ts';
import { authorityOf, parseAuthorityTarget } from './http1/target.ts';

type Surroundings = Pick<GatewayContext, 'directory' | 'ownAddresses' | 'addressGuard'>;

/** Nobody says how the target would be asked for: to this port in the clear, to any other with CONNECT. */
const PLAIN_PORT = 80;

/** The session that the next request like this would get and why, or the cause that it would end with. */
export function explain({ directory, ownAddresses, addressGuard }: Surroundings, query: ExplainQuery): Explanation {
  const target = parseAuthorityTarget(authorityIn(query));
  if (target === null) return refused('bad_request');
  const selector = parseSelector(query.username, null);
  if (isSelectorFault(selector)) return misunderstood(selector);
  const pool = directory.findPool(query.workspaceId, selector.pool);
  if (pool === undefined) return refused('pool_unknown');
  if (!pool.state.enabled) return refused('pool_disabled', pool, selector);
  if (ownAddresses.isOwn(target.host, target.port)) return refused('loop_detected', pool, selector);
  if (pool.targets?.denies(target, target.port !== PLAIN_PORT)) return refused('destination_denied', pool, selector);
  const foreseen = foresee(pool, selector, target.host);
  if (typeof foreseen === 'string') return refused(foreseen, pool, selector);
  const route = routeFor(pool, foreseen.member, foreseen.outcome, selector, true);
  if (route === 'selector_invalid' && pool.fault !== null) return misunderstood(pool.fault, pool, selector);
  if (typeof route === 'string') return refused(route, pool, selector);
  // Through a LOCAL session it is the target that this machine dials. What only DNS can tell is no part of this.
  const dialled = leadsToExit(route) ? target : route;
  const cause = refusalOfRoute(ownAddresses, route) ?? addressGuard.refusalOf(dialled.host, dialled.port);
  if (cause !== null) return refused(cause, pool, selector);
  return {
    poolId: pool.state.id,
    sessionId: foreseen.member.id,
    cause: null,
    reason: foreseen.outcome,
    runnerUpId: foreseen.runnerUp?.id ?? null,
    ...censusOf(pool, selector),
  };
}

/** `host:port`; an IPv6 address may come with or without its brackets. */
function authorityIn({ targetHost, targetPort }: ExplainQuery): string {
  return targetHost.startsWith('[') ? `${targetHost}:${targetPort}` : authorityOf(targetHost, targetPort);
}

/** The reason names the key; with a pool, it is the provider that would be chosen there which cannot be told the value. */
function misunderstood(fault: SelectorFault, pool?: Pool, selector?: Selector): Explanation {
  const name = nameOfFault(fault);
  const explanation = refused('selector_invalid', pool, selector);
  return name === null ? explanation : { ...explanation, reason: `selector_invalid:${name}` };
}

function refused(cause: Cause, pool?: Pool, selector?: Selector): Explanation {
  const known = pool !== undefined && selector !== undefined;
  const census = known ? censusOf(pool, selector) : { eligibleCount: 0, exclusions: [] };
  return { poolId: pool?.state.id ?? null, sessionId: null, cause, reason: cause, runnerUpId: null, ...census };
}
