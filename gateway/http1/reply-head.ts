/**
 * The strict reader of response heads, from upstreams that may be hostile:
 * octets in, a checked `ReplyHead` or 'malformed' out. As strict as the request
 * reader: whoever frames loosely is not relayed (U08–U15).
 */
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type FieldSection, hasOption, parseContentLength, parseFields } from './fields.ts';
import type { ReplyMemo } from './head-memo.ts';
import { hasStrayOctet, isFieldValue } from './octets.ts';

/** How a response body ends: after so many bytes, by its last chunk, or with the connection. */
export type ReplyFraming = number | 'chunked' | 'close';

export interface ReplyHead {
  readonly status: number;
  readonly minor: number;
  /** The reason phrase, octets as they came; may be empty. */
  readonly reason: string;
  readonly body: ReplyFraming;
  /** The upstream lets the connection be used again. */
  readonly keepAlive: boolean;
  /** Header lines that travel on, each with its CRLF; framing fields are written anew. */
  readonly endToEnd: string;
  /** The protocol of a 101 that is whole, in lower case; else null. */
  readonly upgrade: string | null;
  readonly contentLength: string | null;
  readonly size: number;
  /** What every client gets of it alike, once that was written (`write-head.ts`): a reply that comes again has it. */
  start: string | null;
}

const MALFORMED = 'malformed';

/**
 * Reads the head at the start of `buffer`; null: more octets are needed.
 * `method` is the request's: it decides whether a body follows (RFC 9112 section 6.3).
 * `memo`: what this upstream said last.
 */
export function parseReplyHead(
  buffer: Buffer,
  searchFrom: number,
  method: string,
  limits: GatewayLimits,
  memo: ReplyMemo | null = null,
): ReplyHead | typeof MALFORMED | null {
  const known = memo?.find(buffer, method);
  if (known) return known;
  const headEnd = buffer.indexOf('\r\n\r\n', Math.max(0, searchFrom - 3), 'latin1');
  if (headEnd === -1) {
    if (buffer.length >= limits.maxHeadBytes) return MALFORMED;
    // Garbage is told at once, not at a deadline: no CRLF CRLF would make it valid.
    return startsLikeReply(buffer) && !hasStrayOctet(buffer, Math.max(0, searchFrom - 1)) ? null : MALFORMED;
  }
  if (headEnd + 4 > limits.maxHeadBytes) return MALFORMED;
  const text = buffer.toString('latin1', 0, headEnd + 2);
  const lineEnd = text.indexOf('\r\n');
  const status = statusOf(text, lineEnd);
  if (status === 0 || !isFieldValue(buffer, 12, lineEnd)) return MALFORMED;
  const fields = parseFields(buffer, text, lineEnd + 2, limits.maxHeadLines);
  if (typeof fields === 'string') return MALFORMED;
  const minor = text.charCodeAt(7) - 0x30;
  const body = replyFramingOf(method, status, minor, fields);
  if (body === MALFORMED) return MALFORMED;
  const { connection } = fields;
  const reply: ReplyHead = {
    status,
    minor,
    reason: text.slice(13, lineEnd),
    body,
    keepAlive:
      body !== 'close' && (minor === 1 ? !hasOption(connection, 'close') : hasOption(connection, 'keep-alive')),
    endToEnd: fields.endToEnd,
    upgrade: status === 101 && hasOption(connection, 'upgrade') ? (fields.upgrade?.toLowerCase() ?? null) : null,
    contentLength: fields.contentLength,
    size: headEnd + 4,
    start: null,
  };
  memo?.put(buffer, method, reply);
  return reply;
}

/**
 * The status of `HTTP/1.x SP 3DIGIT SP reason`, 100 to 599; 0 for anything else.
 * The last SP is often left out with the reason (U14).
 */
function statusOf(text: string, lineEnd: number): number {
  const minor = text.charCodeAt(7);
  if (!text.startsWith('HTTP/1.') || (minor !== 0x30 && minor !== 0x31) || text.charCodeAt(8) !== 0x20) return 0;
  if (lineEnd !== 12 && text.charCodeAt(12) !== 0x20) return 0;
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status >= 100 && status <= 599 ? status : 0;
}

/** Whether what has come so far can still become a status line. */
function startsLikeReply(buffer: Buffer): boolean {
  const expected = 'HTTP/1.';
  const n = Math.min(buffer.length, expected.length);
  return buffer.toString('latin1', 0, n) === expected.slice(0, n);
}

function replyFramingOf(
  method: string,
  status: number,
  minor: number,
  fields: FieldSection,
): ReplyFraming | typeof MALFORMED {
  const { contentLength, transferEncoding } = fields;
  // RFC 9110 section 9.3.6: framing fields in a 2xx to CONNECT mean nothing; the tunnel starts after the head.
  if (method === 'CONNECT' && status >= 200 && status < 300) return 0;
  if (fields.repeated) return MALFORMED;
  let framing: ReplyFraming = 'close';
  if (transferEncoding !== null) {
    if (contentLength !== null || transferEncoding.toLowerCase() !== 'chunked' || minor === 0) return MALFORMED;
    framing = 'chunked';
  } else if (contentLength !== null) {
    framing = parseContentLength(contentLength);
    if (framing === -1) return MALFORMED;
  }
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  return framing;
}
