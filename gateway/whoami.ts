/**
 * The page by which a client sees how the gateway sees it: what a plain request for
 * `http://whoami.sallyport.test/` gets in place of being forwarded, once it was admitted
 * and has its route. The client's connection asks; `respond.ts` writes the answer.
 *
 * Invariant: tells ids, names and rules, never a credential, a key's text, or where an
 * upstream is. The name ends in `.test` (RFC 6761 section 6.2): nobody's real target is hidden by it.
 */
import { keptUntil } from '../src/core/pool-index/kept.ts';
import type { Exchange } from './exchange.ts';
import type { RequestHead } from './http1/request-head.ts';
import type { Page } from './respond.ts';

const HOST = 'whoami.sallyport.test';
const PORT = 80;

/** Whether the gateway answers this request itself. */
export function isForWhoami({ kind, target }: Exchange): boolean {
  return kind === 'forward' && target !== null && target.port === PORT && target.host === HOST;
}

/** The page for a request that `isForWhoami`, or why there is none of this path or method. Its route is there. */
export function whoamiPage({ method, target, endToEnd }: RequestHead, exchange: Exchange): Page {
  const query = target.path.indexOf('?');
  const path = query === -1 ? target.path : target.path.slice(0, query);
  const isRoot = path === '' || path === '/';
  if (!isRoot && path !== '/json') return { status: 404, type: 'text/plain', body: 'There is no such page.\n' };
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, type: 'text/plain', body: 'This page answers GET and HEAD.\n', allow: 'GET, HEAD' };
  const facts = factsOf(exchange);
  return isRoot && !acceptsJson(endToEnd)
    ? { status: 200, type: 'text/plain', body: asText(facts) }
    : { status: 200, type: 'application/json', body: `${JSON.stringify(facts)}\n` };
}

type Facts = Readonly<Record<string, string | boolean | null>>;

function factsOf(exchange: Exchange): Facts {
  const { key, route, accountName, selector, budget } = exchange;
  const { pool } = budget!;
  const until = keptUntil(pool, selector!);
  return {
    requestId: exchange.id,
    clientAddress: exchange.client,
    apiKeyId: key!.id,
    identifiedBy: exchange.identifiedBy,
    workspaceId: key!.workspaceId,
    poolName: pool.state.name,
    poolId: pool.state.id,
    sessionId: route!.sessionId,
    account: accountName === '' ? null : accountName,
    stickyKey: exchange.hasStickyKey,
    chosenBy: exchange.chosenBy,
    until: until === null ? null : new Date(until).toISOString(),
  };
}

/** A line for each fact, by the same names; `-` for what there is none of. */
function asText(facts: Facts): string {
  let text = '';
  for (const [name, fact] of Object.entries(facts)) text += `${name}: ${fact ?? '-'}\n`;
  return text;
}

/** Whether an Accept line of these header lines names `application/json`. */
function acceptsJson(lines: string): boolean {
  for (const line of lines.split('\r\n')) {
    const text = line.toLowerCase();
    if (text.startsWith('accept:') && text.includes('application/json')) return true;
  }
  return false;
}
