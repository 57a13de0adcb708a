/**
 * The strict reader of request heads: octets in, a checked `RequestHead` or the
 * cause of its refusal out. Synchronous and pure; the client connection calls it
 * each time more of a head has arrived.
 *
 * One parser decides: everything the gateway does with a request follows from
 * this result, and what is sent upstream is written from it (E1, E4).
 */
import type { Cause } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type FieldSection, hasOption, parseContentLength, parseFields } from './fields.ts';
import { forwardedOnce } from './max-forwards.ts';
import { hasBareLineEnd, isToken, isVisible } from './octets.ts';
import { canonicalHost, OURSELVES, parseAbsoluteTarget, parseAuthorityTarget, type Target } from './target.ts';

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

/** Methods of the IANA registry that a proxy may forward; TRACE is refused (405), the rest unknown (501). */
const METHODS = new Set([
  'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY',
  'MOVE', 'LOCK', 'UNLOCK', 'REPORT', 'SEARCH', 'MKCALENDAR', 'ACL', 'BIND', 'UNBIND', 'REBIND', 'MKACTIVITY',
  'CHECKOUT', 'MERGE', 'LINK', 'UNLINK', 'PURGE', 'QUERY',
]); // biome-ignore format: one list

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
 * is not scanned again from its start.
 */
export function parseRequestHead(
  buffer: Buffer,
  searchFrom: number,
  limits: GatewayLimits,
): RequestHead | Refusal | null {
  const headEnd = buffer.indexOf('\r\n\r\n', Math.max(0, searchFrom - 3), 'latin1');
  if (headEnd === -1) return refuseEarly(buffer, searchFrom, limits);
  if (headEnd + 4 > limits.maxHeadBytes) return tooLarge(buffer, limits);
  const text = buffer.toString('latin1', 0, headEnd + 2);
  const lineEnd = text.indexOf('\r\n');
  const line = parseRequestLine(buffer, text, lineEnd);
  if ('cause' in line) return line;
  const fields = parseFields(buffer, text, lineEnd + 2, limits.maxHeadLines);
  if (fields === 'too_many') return HEAD_TOO_LARGE;
  if (fields === 'malformed') return BAD;
  return assemble(line, fields, headEnd + 4);
}

/** What can be told of a head that is not complete: too long, or already not HTTP. */
function refuseEarly(buffer: Buffer, searchFrom: number, limits: GatewayLimits): Refusal | null {
  const first = buffer[0]!;
  // A method starts with a token character: anything else (TLS, SOCKS, a banner) is not HTTP.
  if (first < 0x21 || first > 0x7e) return BAD;
  if (buffer.length > MAX_METHOD && buffer.subarray(0, MAX_METHOD + 1).indexOf(0x20) === -1) return BAD;
  // RFC 9112 section 2.2 lets a server take a bare LF for a line's end: we do not, and say so at once.
  if (hasBareLineEnd(buffer, Math.max(0, searchFrom - 1))) return BAD;
  if (buffer.length >= limits.maxHeadBytes) return tooLarge(buffer, limits);
  const lineEnd = buffer.indexOf('\r\n', 0, 'latin1');
  if (lineEnd === -1) return null;
  const line = parseRequestLine(buffer, buffer.toString('latin1', 0, lineEnd + 2), lineEnd);
  return 'cause' in line ? line : null;
}

/** RFC 9112 section 3: 414 when it is the request line that takes up the room, 431 for the fields. */
function tooLarge(buffer: Buffer, limits: GatewayLimits): Refusal {
  const lineEnd = buffer.indexOf('\r\n', 0, 'latin1');
  return lineEnd === -1 || lineEnd > limits.maxHeadBytes / 2 ? LINE_TOO_LONG : HEAD_TOO_LARGE;
}

interface RequestLine {
  readonly method: string;
  /** The target as it came. */
  readonly raw: string;
  readonly target: Target;
  readonly minor: number;
}

function parseRequestLine(octets: Uint8Array, text: string, lineEnd: number): RequestLine | Refusal {
  const methodEnd = text.indexOf(' ');
  const targetEnd = text.indexOf(' ', methodEnd + 1);
  if (methodEnd <= 0 || targetEnd === -1 || targetEnd > lineEnd) return BAD;
  const version = text.slice(targetEnd + 1, lineEnd);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    return /^HTTP\/[0-9]\.[0-9]$/.test(version) ? VERSION : BAD;
  }
  const method = text.slice(0, methodEnd);
  if (!METHODS.has(method)) {
    if (method === 'TRACE') return TRACE;
    return isToken(method, 0, Math.min(method.length, MAX_METHOD + 1)) && method.length <= MAX_METHOD ? METHOD : BAD;
  }
  if (!isVisible(octets, methodEnd + 1, targetEnd)) return BAD;
  const raw = text.slice(methodEnd + 1, targetEnd);
  const target = parseTarget(method, raw);
  return target === null ? BAD : { method, raw, target, minor: version === 'HTTP/1.1' ? 1 : 0 };
}

function parseTarget(method: string, raw: string): Target | null {
  if (method === 'CONNECT') return parseAuthorityTarget(raw);
  // Asterisk-form (RFC 9112 section 3.2.4) asks about the server as a whole, and that is us.
  return method === 'OPTIONS' && raw === '*' ? OURSELVES : parseAbsoluteTarget(raw);
}

function assemble(line: RequestLine, fields: FieldSection, size: number): RequestHead | Refusal {
  const { method, minor } = line;
  if (fields.repeated) return BAD;
  // RFC 9112 section 3.2: a 1.1 request has exactly one Host; 1.0 clients (Python ≤ 3.11's CONNECT) send none.
  if (fields.host === null ? minor === 1 : !isHostField(fields.host, line.raw)) return BAD;
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
    proxyAuthorization: fields.proxyAuthorization,
    proxySelector: fields.proxySelector,
    endToEnd: onward ?? fields.endToEnd,
    size,
  };
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

/** Whether an http target's authority ends at this index. */
function isAuthorityEnd(target: string, at: number): boolean {
  const c = target.charCodeAt(at);
  return at === target.length || c === 0x2f || c === 0x3f;
}

/** `uri-host [":" port]`: checked although the target decides, as a bad one is a sign of confusion (P5). */
function isHostField(value: string, target: string): boolean {
  // Nearly always it is the authority of a target that was found good a moment ago.
  if (target.startsWith(value, HTTP_PREFIX_LENGTH) && isAuthorityEnd(target, HTTP_PREFIX_LENGTH + value.length))
    return value !== '';
  const colon = value.lastIndexOf(':');
  const hasPort = colon !== -1 && colon > value.lastIndexOf(']');
  if (hasPort && !/^[0-9]{0,5}$/.test(value.slice(colon + 1))) return false;
  return canonicalHost(hasPort ? value.slice(0, colon) : value) !== null;
}
