/**
 * The only writer of answers of our own: a cause becomes one HTTP response with
 * a fixed sentence. Nothing of the request or of the upstream's answer is in it
 * (E19). The reason phrase is the cause, because most clients show only that of
 * a refused CONNECT. A page of ours (`whoami.ts`) becomes a response here, too.
 */
import { CAUSES, type Cause, EXTENDED_STATUSES } from '../src/core/cause.ts';
import type { ErrorStatus } from '../src/core/entrance.ts';
import { sentenceOfFault } from '../src/core/selector-fault.ts';
import type { Exchange } from './exchange.ts';

const ALLOW = 'GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT';

/** Causes that pass by themselves: the client is told to come again. */
const RETRY_LATER: ReadonlySet<Cause> = new Set(['limit_reached', 'overloaded', 'draining']);

export interface AnswerOptions {
  /** Where it differs from the cause's own status. */
  readonly status?: number | undefined;
  /** The connection ends after this answer. */
  readonly close: boolean;
}

/** The number that a cause is told by. */
export function statusOf(cause: Cause, style: ErrorStatus): number {
  const { status } = CAUSES[cause];
  return style === 'standard' ? status : (EXTENDED_STATUSES[cause] ?? status);
}

/** The whole answer as latin1 text; `exchange` null: the request was never understood. */
export function answerOf(cause: Cause, exchange: Exchange, options: AnswerOptions): string {
  const row = CAUSES[cause];
  const status = options.status ?? row.status;
  const body = `${sentenceOf(cause, exchange)}\n`;
  let head =
    `HTTP/1.1 ${status} ${cause}\r\n` +
    'Content-Type: text/plain\r\n' +
    `Content-Length: ${body.length}\r\n` +
    'X-Content-Type-Options: nosniff\r\n' +
    'Cache-Control: no-store\r\n';
  if (status === 407) head += 'Proxy-Authenticate: Basic realm="sallyport"\r\n';
  if (status === 405) head += `Allow: ${ALLOW}\r\n`;
  if (RETRY_LATER.has(cause)) head += 'Retry-After: 1\r\n';
  head += identityLines(exchange, cause);
  head += options.close ? 'Connection: close\r\n\r\n' : 'Connection: keep-alive\r\n\r\n';
  return exchange.method === 'HEAD' ? head : head + body;
}

/** The cause's own; of a selector the one that names the key. Either is fixed. */
function sentenceOf(cause: Cause, { selectorFault }: Exchange): string {
  return cause === 'selector_invalid' && selectorFault !== null
    ? sentenceOfFault(selectorFault)
    : CAUSES[cause].sentence;
}

/** The answer to an OPTIONS about ourselves: what we allow. */
export function allowed(exchange: Exchange, close: boolean): string {
  const lines = `Allow: ${ALLOW}\r\nContent-Length: 0\r\n${identityLines(exchange, null)}`;
  return `HTTP/1.1 200 OK\r\n${lines}Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n`;
}

/** What a page of ours says (`whoami.ts`). */
export interface Page {
  readonly status: 200 | 404 | 405;
  readonly type: 'text/plain' | 'application/json';
  /** Ends in a newline. */
  readonly body: string;
  /** The methods that it has, where it was asked for with another. */
  readonly allow?: string;
}

const PHRASES = { 200: 'OK', 404: 'Not Found', 405: 'Method Not Allowed' } as const;

/** The whole answer as latin1 text: a page of ours, of what we know and not of what was sent. */
export function pageAnswer({ status, type, body, allow }: Page, exchange: Exchange, close: boolean): string {
  let head =
    `HTTP/1.1 ${status} ${PHRASES[status]}\r\n` +
    `Content-Type: ${type}\r\n` +
    `Content-Length: ${body.length}\r\n` +
    'X-Content-Type-Options: nosniff\r\n' +
    'Cache-Control: no-store\r\n';
  if (allow !== undefined) head += `Allow: ${allow}\r\n`;
  head += identityLines(exchange, null);
  head += close ? 'Connection: close\r\n\r\n' : 'Connection: keep-alive\r\n\r\n';
  return exchange.method === 'HEAD' ? head : head + body;
}

/** Whether a connection may outlive a refusal: not where its client may mean its octets otherwise, nor a fault of ours. */
export function mayGoOn(cause: Cause): boolean {
  return CAUSES[cause].fault !== 'client' && cause !== 'internal';
}

/** Our three lines on every answer: request id, session once resolved, and RFC 9209 status. */
export function identityLines(exchange: Exchange, cause: Cause | null): string {
  const { id, route } = exchange;
  const lines =
    route === null
      ? `Sallyport-Request-Id: ${id}\r\n`
      : `Sallyport-Request-Id: ${id}\r\nSallyport-Session: ${route.sessionId}\r\n`;
  if (cause === null) return `${lines}Proxy-Status: sallyport\r\n`;
  const { error } = CAUSES[cause];
  return `${lines}Proxy-Status: sallyport${error === null ? '' : `; error=${error}`}; details="${cause}"\r\n`;
}
