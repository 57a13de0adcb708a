/**
 * The strict reader of request heads: octets in, a checked `RequestHead` or the
 * cause of its refusal out. Synchronous and pure; the client connection calls it
 * each time more of a head has arrived.
 *
 * One parser decides: everything the gateway does with a request follows from
 * this result, and what is sent upstream is written from it (E1, E4). Where the
 * octets were cut into packets changes nothing: a head that is refused before it
 * is complete is refused with the same cause once it is.
 */
import type { Cause } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type FieldSection, hasOption, parseContentLength, parseFields } from './fields.ts';
import type { HeadMemo } from './head-memo.ts';
import { forwardedOnce } from './max-forwards.ts';
import { hasStrayOctet, isToken, isVisible, tokenEnd } from './octets.ts';
import {
  endsAuthority,
  isAuthority,
  OURSELVES,
  parseAbsoluteTarget,
  parseAuthorityTarget,
  type Target,
} from './target.ts';

/** How a body is delimited: its length in bytes (0: none), or chunked. */
export type BodyFraming = number | 'chunked';

export interface RequestHead {
  readonly method: string;
  /** 0 or 1: the minor version of HTTP/1. */
  readonly minor: number;
  readonly target: Target;
  readonly body: BodyFraming;
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  /** The protocol that the client wants to go on in, in lower case; null unless it is one that may be asked for. */
  readonly upgrade: string | null;
  readonly proxyAuthorization: string | null;
  readonly proxySelector: string | null;
  /** Header lines that travel on, each with its CRLF: byte for byte, in order. */
  readonly endToEnd: string;
  /** Octets of the whole head, the final empty line included. */
  readonly size: number;
}

/** A refusal; `status` only where it differs from the cause's own. */
export interface Refusal {
  readonly cause: Cause;
  readonly status?: number;
}

/** Methods that pass: those that Node's parser knows (P14). TRACE is refused (405), the rest is unknown (501). */
const METHODS = [
  'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY',
  'MOVE', 'LOCK', 'UNLOCK', 'REPORT', 'SEARCH', 'MKCALENDAR', 'ACL', 'BIND', 'UNBIND', 'REBIND', 'MKACTIVITY',
  'CHECKOUT', 'MERGE', 'LINK', 'UNLINK', 'PURGE', 'QUERY', 'M-SEARCH', 'NOTIFY', 'SUBSCRIBE', 'UNSUBSCRIBE', 'SOURCE',
]; // biome-ignore format: one list
/** The same by length: few of one length begin alike. */
const METHODS_BY_LENGTH = Array.from({ length: Math.max(...METHODS.map(({ length }) => length)) + 1 }, (_, length) =>
  METHODS.filter((method) => method.length === length),
);

/** What a client may upgrade to (E12); to anything else, h2c above all, nobody here does (B54). */
const UPGRADES = new Set(['websocket']);

/** Octets of a method, registered or not. */
const MAX_METHOD = 64;

const HTTP_PREFIX_LENGTH = 'http://'.length;

const BAD: Refusal = { cause: 'bad_request' };
const HEAD_TOO_LARGE: Refusal = { cause: 'head_too_large' };
const LINE_TOO_LONG: Refusal = { cause: 'head_too_large', status: 414 };
const VERSION: Refusal = { cause: 'version_unsupported' };
const METHOD: Refusal = { cause: 'method_unsupported' };
const TRACE: Refusal = { cause: 'method_unsupported', status: 405 };
const EXPECT: Refusal = { cause: 'expect_unsupported' };
const NOT_IMPLEMENTED: Refusal = { cause: 'bad_request', status: 501 };

export function isRefusal(value: RequestHead | Refusal): value is Refusal {
  return 'cause' in value;
}

/**
 * Reads the head at the start of `buffer`. null: more octets are needed.
 * `searchFrom` is where the last call left off, so that a head that dribbles in
 * is not scanned again from its start. `memo`: that of the connection.
 */
export function parseRequestHead(
  buffer: Buffer,
  searchFrom: number,
  limits: GatewayLimits,
  memo: HeadMemo | null = null,
): RequestHead | Refusal | null {
  if (memo !== null && memo.length > 0) {
    const known = parseWithKnownFields(buffer, limits, memo);
    if (known !== null) return known;
  }
  const headEnd = buffer.indexOf('\r\n\r\n', Math.max(0, searchFrom - 3), 'latin1');
  if (headEnd === -1 || headEnd + 4 > limits.maxHeadBytes) return refuseEarly(buffer, searchFrom, limits);
  const text = buffer.toString('latin1', 0, headEnd + 2);
  const lineEnd = text.indexOf('\r\n');
  const line = parseRequestLine(buffer, text, lineEnd, memo);
  if ('cause' in line) return line;
  const fields = parseFields(buffer, text, lineEnd + 2, limits.maxHeadLines);
  // An octet that stands nowhere in a head may have been seen before the lines were counted: it comes first here too.
  if (fields === 'too_many') return hasStrayOctet(buffer.subarray(0, headEnd), lineEnd) ? BAD : HEAD_TOO_LARGE;
  if (fields === 'malformed') return BAD;
  memo?.put(buffer, lineEnd + 2, headEnd + 4, fields);
  return assemble(line, fields, headEnd + 4);
}

/** A head whose fields are those of the one before; null: they are not, or that is not told at one look. */
function parseWithKnownFields(buffer: Buffer, { maxHeadBytes }: GatewayLimits, memo: HeadMemo) {
  const lineEnd = buffer.indexOf(0x0d);
  if (lineEnd === -1 || buffer[lineEnd + 1] !== 0x0a || lineEnd + 2 + memo.length > maxHeadBytes) return null;
  const fields = memo.find(buffer, lineEnd + 2);
  if (fields === null) return null;
  const line = parseRequestLine(buffer, buffer.toString('latin1', 0, lineEnd + 2), lineEnd, memo);
  return 'cause' in line ? line : assemble(line, fields, lineEnd + 2 + memo.length);
}

/** What can be told of a head that is not complete within the octets it may have: not HTTP already, or too long. */
function refuseEarly(buffer: Buffer, searchFrom: number, limits: GatewayLimits): Refusal | null {
  const { maxHeadBytes } = limits;
  const octets = buffer.length > maxHeadBytes ? buffer.subarray(0, maxHeadBytes) : buffer;
  // A method and a blank start every request: anything else (TLS, a banner, noise) is not HTTP.
  const methodEnd = methodEndOf(octets);
  if (methodEnd === 0 || (methodEnd < octets.length && octets[methodEnd] !== 0x20)) return BAD;
  const lineEnd = octets.indexOf('\r\n', 0, 'latin1');
  // The line is judged when it is complete, and only then.
  if (lineEnd !== -1 && lineEnd + 2 > searchFrom) {
    const line = parseRequestLine(octets, octets.toString('latin1', 0, lineEnd + 2), lineEnd, null);
    if ('cause' in line) return line;
  }
  // RFC 9112 section 2.2 lets a server take a bare LF for a line's end: we do not, and say so at once.
  if (hasStrayOctet(octets, Math.max(0, searchFrom - 1))) return BAD;
  if (octets.length < maxHeadBytes) return null;
  // RFC 9112 section 3: 414 when it is the request line that takes up the room, 431 for the fields.
  return lineEnd === -1 || lineEnd > maxHeadBytes / 2 ? LINE_TOO_LONG : HEAD_TOO_LARGE;
}

/** Where the method ends; 0 when there is none, or none that is short enough. */
function methodEndOf(octets: Uint8Array): number {
  const end = tokenEnd(octets, 0);
  return end > MAX_METHOD ? 0 : end;
}

interface RequestLine {
  readonly method: string;
  /** The target as it came. */
  readonly raw: string;
  readonly target: Target;
  readonly minor: number;
}

function parseRequestLine(
  octets: Uint8Array,
  text: string,
  lineEnd: number,
  memo: HeadMemo | null,
): RequestLine | Refusal {
  const methodEnd = methodEndOf(octets);
  if (methodEnd === 0 || octets[methodEnd] !== 0x20) return BAD;
  const targetEnd = text.indexOf(' ', methodEnd + 1);
  if (targetEnd === -1 || targetEnd > lineEnd || !isVisible(octets, methodEnd + 1, targetEnd)) return BAD;
  const minor = minorVersionOf(text, targetEnd + 1, lineEnd);
  if (minor === -1) return /^HTTP\/[0-9]\.[0-9]$/.test(text.slice(targetEnd + 1, lineEnd)) ? VERSION : BAD;
  const method = knownMethod(octets, methodEnd);
  if (method === null) return text.startsWith('TRACE ') ? TRACE : METHOD;
  const raw = text.slice(methodEnd + 1, targetEnd);
  const target = parseTarget(method, raw, memo);
  return target === null ? BAD : { method, raw, target, minor };
}

/** 0 or 1 where text[start, end) is a version of HTTP/1 that we speak; else -1. */
function minorVersionOf(text: string, start: number, end: number): number {
  if (end - start !== 8 || !text.startsWith('HTTP/1.', start)) return -1;
  const minor = text.charCodeAt(start + 7) - 0x30;
  return minor === 0 || minor === 1 ? minor : -1;
}

/** The method that the first octets spell, as the one text that we have of it; null where it does not pass. */
function knownMethod(octets: Uint8Array, length: number): string | null {
  for (const method of METHODS_BY_LENGTH[length] ?? []) {
    let i = 0;
    while (i < length && octets[i] === method.charCodeAt(i)) i++;
    if (i === length) return method;
  }
  return null;
}

function parseTarget(method: string, raw: string, memo: HeadMemo | null): Target | null {
  if (method === 'CONNECT') return parseAuthorityTarget(raw);
  // Asterisk-form (RFC 9112 section 3.2.4) asks about the server as a whole, and that is us.
  return method === 'OPTIONS' && raw === '*' ? OURSELVES : parseAbsoluteTarget(raw, memo);
}

function assemble(line: RequestLine, fields: FieldSection, size: number): RequestHead | Refusal {
  const { method, minor } = line;
  if (fields.repeated) return BAD;
  // RFC 9112 section 3.2: a 1.1 request has exactly one Host; 1.0 clients (Python ≤ 3.11's CONNECT) send none.
  if (fields.host === null ? minor === 1 : !isHostField(fields.host, line)) return BAD;
  const body = bodyFramingOf(method, minor, fields);
  if (typeof body === 'object') return body;
  let expectContinue = false;
  // RFC 9110 section 10.1.1: an expectation of a 1.0 client is ignored.
  if (fields.expect !== null && minor === 1) {
    if (fields.expect.toLowerCase() !== '100-continue') return EXPECT;
    expectContinue = body !== 0;
  }
  const { connection } = fields;
  const onward = method === 'OPTIONS' ? forwardedOnce(fields.endToEnd) : fields.endToEnd;
  return {
    method,
    minor,
    target: onward === null ? OURSELVES : line.target,
    body,
    keepAlive: minor === 1 ? !hasOption(connection, 'close') : hasOption(connection, 'keep-alive'),
    expectContinue,
    upgrade: fields.upgrade === null ? null : upgradeOf(method, minor, body, fields),
    proxyAuthorization: fields.proxyAuthorization,
    proxySelector: fields.proxySelector,
    endToEnd: onward ?? fields.endToEnd,
    size,
  };
}

/** RFC 9110 section 7.8: not for a 1.0 client, nor without the connection option; a wish that is not granted is no error. */
function upgradeOf(method: string, minor: number, body: BodyFraming, fields: FieldSection): string | null {
  const protocol = fields.upgrade!.toLowerCase();
  const asked = method === 'GET' && minor === 1 && body === 0 && hasOption(fields.connection, 'upgrade');
  return asked && UPGRADES.has(protocol) ? protocol : null;
}

/** RFC 9112 section 6.3, with every doubtful case refused. */
function bodyFramingOf(method: string, minor: number, fields: FieldSection): BodyFraming | Refusal {
  const { contentLength, transferEncoding } = fields;
  let body: BodyFraming = 0;
  if (transferEncoding !== null) {
    if (contentLength !== null || minor === 0) return BAD;
    if (transferEncoding.toLowerCase() !== 'chunked') {
      return isUnknownCoding(transferEncoding) ? NOT_IMPLEMENTED : BAD;
    }
    body = 'chunked';
  } else if (contentLength !== null) {
    body = parseContentLength(contentLength);
    if (body === -1) return BAD;
  }
  // A body on these is where framings get lost between implementations (F1): refused, as `docs/divergence.md` says.
  if (body !== 0 && (method === 'GET' || method === 'HEAD' || method === 'CONNECT')) return BAD;
  return body;
}

/** One unregistered coding is 501 (RFC 9112 section 6.1); a registered one without chunked behind it is a framing error. */
function isUnknownCoding(coding: string): boolean {
  return isToken(coding, 0, coding.length) && !/^(?:gzip|x-gzip|deflate|compress|x-compress|identity)$/i.test(coding);
}

/** `uri-host [":" port]`: checked although the target decides, as a bad one is a sign of confusion (P5). */
function isHostField(value: string, line: RequestLine): boolean {
  // Nearly always it is the authority of a target that was found good a moment ago.
  const { raw } = line;
  const start = line.method === 'CONNECT' ? 0 : HTTP_PREFIX_LENGTH;
  if (raw.startsWith(value, start) && endsAuthority(raw, start + value.length)) {
    return value !== '' && !value.includes('/') && !value.includes('?');
  }
  return isAuthority(value);
}
