/**
 * What the gateway must do with a stream, by its own reader: which requests it
 * accepts, what they mean, and how often it answers. The judges then say whether
 * what it emitted means the same.
 *
 * `acceptedByRfc` reads the same stream with the independent checker, so that a
 * reader of ours that misread its input is found as well as a writer that does.
 */
import { Credentials } from '../../gateway/credentials.ts';
import { BodyReader } from '../../gateway/http1/framing.ts';
import { isRefusal, parseRequestHead, type RequestHead } from '../../gateway/http1/request-head.ts';
import { authorityOf, hostFieldOf, OURSELVES } from '../../gateway/http1/target.ts';
import { SOCKS_VERSION } from '../../gateway/socks5.ts';
import { systemClock } from '../../src/core/clock.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { ApiKeyState } from '../../src/core/model.ts';
import { isSelectorFault } from '../../src/core/selector.ts';
import type { FieldLine, Meaning } from './meaning.ts';
import { checkRequest, valuesOf } from './rfc-checker.ts';

/** A request as it goes upstream. */
export interface ExpectedRequest extends Meaning {
  /** Those of its fields that are the client's; the others are ours. */
  readonly endToEnd: readonly FieldLine[];
}

export interface Expectation {
  /** What reaches the upstream complete, in order. */
  readonly requests: readonly ExpectedRequest[];
  /** Answers that the client gets: of the upstream, of ours, refusals. */
  readonly answers: number;
  /** The stream stops in the middle of something that was begun. */
  readonly unfinished: boolean;
}

/** The credential that the gateway sends to the upstream of the fuzz. */
export const UPSTREAM_CREDENTIAL = `Basic ${Buffer.from('user-1:pass-1').toString('base64')}`;
/** Methods whose requests state a length even when it is 0 (RFC 9110 section 8.6). */
const STATES_LENGTH = new Set(['POST', 'PUT', 'PATCH']);
const MAX_LEADING_CRLF = 2;

/** Reads streams as the gateway does that has this key. */
export class GatewayReader {
  readonly #credentials: Credentials;

  constructor(key: ApiKeyState) {
    const keys = { findKey: (hash: string) => (hash === key.hash ? key : undefined), findKeyById: () => undefined };
    this.#credentials = new Credentials(keys, systemClock);
  }

  expect(stream: string): Expectation {
    const requests: ExpectedRequest[] = [];
    let answers = 0;
    let rest = Buffer.from(stream, 'latin1');
    const over = (unfinished: boolean): Expectation => ({ requests, answers, unfinished });
    // What speaks SOCKS is told by its first octet, and none of it is HTTP.
    if (rest[0] === SOCKS_VERSION) return over(true);
    for (;;) {
      rest = afterEmptyLines(rest);
      if (rest.length === 0) return over(false);
      const head = parseRequestHead(rest, 0, defaultLimits);
      if (head === null) return over(true);
      answers++;
      if (isRefusal(head)) return over(false);
      rest = rest.subarray(head.size);
      if (!this.#admits(head)) return over(false);
      if (head.target === OURSELVES) {
        if (head.body !== 0 || !head.keepAlive) return over(false);
        continue;
      }
      if (head.method === 'CONNECT') {
        requests.push(meaningOfConnect(head, rest.toString('latin1')));
        return over(false);
      }
      // Too large a body is refused for the length that it declares.
      if (typeof head.body === 'number' && head.body > defaultLimits.maxBodyBytes) return over(false);
      const body = bodyOf(head, rest);
      if (body === 'malformed') return over(true);
      if (body === null) {
        answers--;
        return over(true);
      }
      requests.push(meaningOf(head, body.octets));
      rest = rest.subarray(body.taken);
      // What comes behind an upgrade that was not granted may have been meant for the other protocol.
      if (!head.keepAlive || head.upgrade !== null) return over(false);
    }
  }

  #admits(head: RequestHead): boolean {
    const identity = this.#credentials.identify(head.proxyAuthorization, head.proxySelector, null);
    if ('reason' in identity) return false;
    if (head.target === OURSELVES) return true;
    const { selector } = identity;
    // No session of the pool has a label, or a provider by any name.
    const isServed = !isSelectorFault(selector) && selector.labels === null && selector.provider === null;
    return isServed && selector.pool === 'default';
  }
}

/** As the gateway's connection forgives them. */
function afterEmptyLines(octets: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  let rest = octets;
  for (let i = 0; i < MAX_LEADING_CRLF && rest[0] === 13 && rest[1] === 10; i++) rest = rest.subarray(2);
  return rest.length === 1 && rest[0] === 13 ? rest.subarray(1) : rest;
}

/** null: it does not end here. */
function bodyOf(head: RequestHead, rest: Buffer): { octets: string; taken: number } | 'malformed' | null {
  if (head.body === 0) return { octets: '', taken: 0 };
  if (rest.length === 0) return null;
  const reader = new BodyReader(head.body, false);
  let octets = '';
  const event = reader.read(rest, (piece) => {
    octets += piece.toString('latin1');
  });
  if (event === 'more') return null;
  return event === 'done' ? { octets, taken: reader.consumed } : 'malformed';
}

function meaningOf(head: RequestHead, body: string): ExpectedRequest {
  const { method, target } = head;
  const host = hostFieldOf(target);
  const path = target.path === '' && method !== 'OPTIONS' ? '/' : target.path;
  const endToEnd = linesOf(head.endToEnd);
  const fields: FieldLine[] = [['Host', host], ...endToEnd];
  if (head.body === 'chunked') fields.push(['Transfer-Encoding', 'chunked']);
  else if (head.body > 0 || STATES_LENGTH.has(method)) fields.push(['Content-Length', String(head.body)]);
  if (head.expectContinue) fields.push(['Expect', '100-continue']);
  if (head.upgrade !== null) fields.push(['Connection', 'Upgrade'], ['Upgrade', head.upgrade]);
  fields.push(['Proxy-Authorization', UPSTREAM_CREDENTIAL]);
  return { method, target: `http://${host}${path}`, fields, endToEnd, body };
}

function meaningOfConnect(head: RequestHead, early: string): ExpectedRequest {
  const authority = authorityOf(head.target.host, head.target.port);
  const fields: FieldLine[] = [
    ['Host', authority],
    ['Proxy-Authorization', UPSTREAM_CREDENTIAL],
  ];
  return { method: 'CONNECT', target: authority, fields, endToEnd: [], body: early };
}

function linesOf(endToEnd: string): FieldLine[] {
  return endToEnd
    .split('\r\n')
    .slice(0, -1)
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
    });
}

/** RFC 9110 section 7.6.1 and what the gateway keeps to itself. */
const HOP_BY_HOP = new Set([
  'host', 'content-length', 'transfer-encoding', 'connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'upgrade',
  'http2-settings', 'expect', 'proxy-authorization', 'proxy-authenticate', 'proxy-authentication-info', 'proxy-selector',
]); // biome-ignore format: one list

/** What the independent checker says the gateway accepted: method, end-to-end fields and body of as many requests, or the fault it finds. */
export function acceptedByRfc(stream: string, count: number): readonly Meaning[] | string {
  const accepted: Meaning[] = [];
  let pos = 0;
  while (accepted.length < count) {
    for (let i = 0; i < MAX_LEADING_CRLF && stream.startsWith('\r\n', pos); i++) pos += 2;
    const read = checkRequest(stream, pos, true);
    if (read === 'partial') return `request ${accepted.length + 1} is not complete`;
    if ('refused' in read) return `request ${accepted.length + 1} is no request: ${read.refused}`;
    pos = read.end;
    // What the gateway answers itself it does not pass on.
    if (read.method === 'OPTIONS' && (read.target === '*' || endsHere(read.fields))) continue;
    // Of a CONNECT nothing but the target goes on.
    const fields = read.method === 'CONNECT' ? [] : endToEndOf(read.fields);
    accepted.push({ ...read, fields: read.method === 'OPTIONS' ? oneHopLess(fields) : fields });
  }
  return accepted;
}

function endsHere(fields: readonly FieldLine[]): boolean {
  return /^0+$/.test(valuesOf(fields, 'max-forwards')[0] ?? '');
}

/** RFC 9110 section 7.6.2. */
function oneHopLess(fields: readonly FieldLine[]): readonly FieldLine[] {
  const first = fields.findIndex(([name, value]) => name.toLowerCase() === 'max-forwards' && /^[0-9]+$/.test(value));
  return fields.map(([name, value], i) =>
    i === first ? [name, String(Math.min(Number(value) - 1, 999_999_999))] : [name, value],
  );
}

/** The fields of a request that have to arrive. */
function endToEndOf(fields: readonly FieldLine[]): readonly FieldLine[] {
  const nominated = valuesOf(fields, 'connection').flatMap((value) =>
    value.split(',').map((option) => option.trim().toLowerCase()),
  );
  const gone = new Set([...HOP_BY_HOP, ...nominated]);
  return fields.filter(([name]) => !gone.has(name.toLowerCase()));
}
