/**
 * The writer of heads: what goes upstream and what goes back to the client is
 * composed here from parsed parts and end-to-end lines, with framing fields
 * always our own (E1, E2). Results are latin1 text, one character an octet.
 */
import type { ReplyHead } from './reply-head.ts';
import type { RequestHead } from './request-head.ts';
import { hostFieldOf } from './target.ts';

/** Methods whose requests carry a Content-Length even when it is 0 (RFC 9110 section 8.6). */
const EXPECT_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * The request as it goes upstream. `originForm`: inside a tunnel to the target
 * itself; otherwise absolute-form, with `authorization` as Proxy-Authorization.
 * `Host` is made from the target; what the client sent is ignored (RFC 9112 section 3.2.2).
 * `own`: further lines of ours, each with its CRLF.
 */
export function forwardedHead(head: RequestHead, authorization: string | null, originForm: boolean, own = ''): string {
  const { method, target, body } = head;
  const host = hostFieldOf(target);
  let uri = originForm ? target.path : `http://${host}${target.path}`;
  // RFC 9112 section 3.2.4: an OPTIONS without a path means `*` at the last hop; all else means `/`.
  if (target.path === '') {
    if (method !== 'OPTIONS') uri += '/';
    else if (originForm) uri = '*';
  }
  let text = `${method} ${uri} HTTP/1.1\r\nHost: ${host}\r\n${head.endToEnd}${own}`;
  if (body === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  else if (body > 0 || EXPECT_BODY.has(method)) text += `Content-Length: ${body}\r\n`;
  if (head.expectContinue) text += 'Expect: 100-continue\r\n';
  if (head.upgrade !== null) text += upgradeLines(head.upgrade);
  if (authorization !== null) text += `Proxy-Authorization: ${authorization}\r\n`;
  return `${text}\r\n`;
}

/** An interim response as it goes to the client; `own`: further lines of ours. */
export function interimHead(reply: ReplyHead, own: string): string {
  return `HTTP/1.1 ${reply.status} ${reply.reason}\r\n${reply.endToEnd}${own}\r\n`;
}

/** A 101 as it goes to the client: the last that is HTTP on its connection. */
export function switchingHead(reply: ReplyHead, protocol: string, own: string): string {
  return interimHead(reply, `${upgradeLines(protocol)}${own}`);
}

function upgradeLines(protocol: string): string {
  return `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
}

export interface ReplyOptions {
  /** Minor version of the client's request. */
  readonly minor: number;
  /** Chunks are taken off: the end of the connection ends the body. */
  readonly decode: boolean;
  readonly keepAlive: boolean;
  /** The request was HEAD: the length of what is not sent is still told. */
  readonly head: boolean;
}

/** A final response as it goes to the client; `own`: further lines of ours. */
export function replyHead(reply: ReplyHead, own: string, options: ReplyOptions): string {
  reply.start ??= replyStart(reply, options.head);
  let text = reply.start;
  if (reply.body === 'chunked' && !options.decode) text += 'Transfer-Encoding: chunked\r\n';
  text += own;
  if (!options.keepAlive) text += 'Connection: close\r\n';
  else if (options.minor === 0) text += 'Connection: keep-alive\r\n';
  return `${text}\r\n`;
}

/** The lines of a response that are the same for whoever is answered by it. */
function replyStart({ status, reason, endToEnd, body, contentLength }: ReplyHead, toHead: boolean): string {
  const start = `HTTP/1.1 ${status} ${reason}\r\n${endToEnd}`;
  // A body has a length where it has an end: not one in chunks, nor one up to the end of the connection.
  const ofBody = typeof body === 'number' && status !== 204 ? String(body) : null;
  const length = toHead || status === 304 ? contentLength : ofBody;
  return length === null ? start : `${start}Content-Length: ${length}\r\n`;
}
