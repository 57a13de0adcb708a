/**
 * What has to hold of every reader of octets, beside that it does not throw: the verdict
 * is the same wherever the octets are cut, it takes no more than it got, lets no end of
 * line through, and reads what the writer makes of its result as the same again.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Handshake } from '../../gateway/handshake.ts';
import { BodyReader } from '../../gateway/http1/framing.ts';
import { HeadMemo } from '../../gateway/http1/head-memo.ts';
import { parseReplyHead, type ReplyHead } from '../../gateway/http1/reply-head.ts';
import { isRefusal, parseRequestHead, type RequestHead } from '../../gateway/http1/request-head.ts';
import { OURSELVES } from '../../gateway/http1/target.ts';
import { forwardedHead, replyHead } from '../../gateway/http1/write-head.ts';
import { parseGreeting, parseSocksRequest, parseUsernamePassword } from '../../gateway/socks5.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Random } from './random.ts';
import { checkRequest } from './rfc-checker.ts';

/** Answers the rule that an input broke, or null. `random` decides where it is cut. */
export type ParserCheck = (octets: Buffer, random: Random) => string | null;

/** For what our own writers made, which may be longer than what they were made of. */
const WIDE = { ...defaultLimits, maxHeadBytes: 65_536, maxHeadLines: 1_000 };
const AUTHORIZATION = 'Basic dXNlci0xOnBhc3MtMQ==';
const NO_CONTROLS = /^[^\0\r\n]*$/;
/** Whole lines, and in them neither an end of line nor a NUL. */
const LINES = /^(?:[^\0\r\n]+\r\n)*$/;

/** Most verdicts are constants, and the very same object. */
export function same(a: unknown, b: unknown): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

export function checkRequestHead(octets: Buffer, random: Random): string | null {
  const whole = parseRequestHead(octets, 0, defaultLimits);
  const at = random.below(octets.length + 1);
  const early = at === 0 ? null : parseRequestHead(octets.subarray(0, at), 0, defaultLimits);
  if (early === null) {
    if (!same(parseRequestHead(octets, at, defaultLimits), whole)) return `another head when cut at ${at}`;
  } else if (whole === null || isRefusal(early) !== isRefusal(whole)) return `another verdict when cut at ${at}`;
  else if (!isRefusal(early) && !same(early, whole)) return `another head when cut at ${at}`;
  if (!remembersAlike(octets)) return 'another head where the fields before are remembered';
  if (whole === null || isRefusal(whole)) return null;
  return faultOfHead(whole, octets);
}

/** Whether a connection that has seen these octets before, and these fields under another line, reads them as one that has not. */
function remembersAlike(octets: Buffer): boolean {
  const memo = new HeadMemo();
  const other = Buffer.concat([Buffer.from('GET http://other.test/ HTTP/1.0'), octets.subarray(octets.indexOf(0x0d))]);
  for (const input of [octets, octets, other, octets, other]) {
    const alone = parseRequestHead(input, 0, defaultLimits);
    if (!same(parseRequestHead(input, 0, defaultLimits, memo), alone)) return false;
  }
  return true;
}

function faultOfHead(head: RequestHead, octets: Buffer): string | null {
  const { method, target, endToEnd, size } = head;
  if (size > octets.length || octets.toString('latin1', size - 4, size) !== '\r\n\r\n') return 'takes too much';
  if (!LINES.test(endToEnd) || !NO_CONTROLS.test(target.host + target.path)) return 'lets a line end through';
  if (target === OURSELVES || method === 'CONNECT') return null;
  const emitted = forwardedHead(head, AUTHORIZATION, false);
  const again = parseRequestHead(Buffer.from(emitted, 'latin1'), 0, WIDE);
  if (again === null || isRefusal(again)) return 'does not read what it writes';
  // What it takes from the first OPTIONS it takes from the second one, too: a hop.
  const hop = method === 'OPTIONS' && /(?:^|\n)max-forwards:/i.test(endToEnd);
  const kept = hop || again.endToEnd === endToEnd;
  const path = target.path === '' && method !== 'OPTIONS' ? '/' : target.path;
  const sameTarget = again.target === OURSELVES || same(again.target, { ...target, path });
  if (!kept || !sameTarget || again.method !== method || again.body !== head.body)
    return 'reads another request than it wrote';
  const inTunnel = checkRequest(forwardedHead({ ...head, body: 0 }, null, true), 0);
  return typeof inTunnel === 'object' && 'refused' in inTunnel ? `writes for a tunnel: ${inTunnel.refused}` : null;
}

export function checkReplyHead(octets: Buffer, random: Random): string | null {
  const method = random.pick(['GET', 'HEAD', 'CONNECT']);
  const whole = parseReplyHead(octets, 0, method, defaultLimits);
  const at = random.below(octets.length + 1);
  const early = at === 0 ? null : parseReplyHead(octets.subarray(0, at), 0, method, defaultLimits);
  const second = early ?? parseReplyHead(octets, at, method, defaultLimits);
  if (!same(second, whole)) return `another verdict when cut at ${at}`;
  if (whole === null || whole === 'malformed') return null;
  if (whole.size > octets.length) return 'takes too much';
  if (!LINES.test(whole.endToEnd) || !NO_CONTROLS.test(whole.reason)) return 'lets a line end through';
  return whole.status < 200 || method === 'CONNECT' ? null : faultOfReply(whole, method);
}

function faultOfReply(reply: ReplyHead, method: string): string | null {
  const options = { minor: 1, decode: false, keepAlive: true, head: method === 'HEAD' };
  const again = parseReplyHead(Buffer.from(replyHead(reply, '', options), 'latin1'), 0, method, WIDE);
  if (again === null || again === 'malformed') return 'does not read what it writes';
  const { status, reason, endToEnd, body } = again;
  const unchanged =
    status === reply.status && reason === reply.reason && endToEnd === reply.endToEnd && body === reply.body;
  return unchanged ? null : 'reads another reply than it wrote';
}

/** The outcome of a body that comes in pieces: what travels on, and how it ended. */
function readBody(octets: Buffer, cuts: readonly number[], framing: number | 'chunked', keepFraming: boolean) {
  const reader = new BodyReader(framing, keepFraming);
  let out = '';
  let consumed = 0;
  let event = 'more';
  let from = 0;
  for (const end of [...cuts, octets.length]) {
    // An empty piece of a socket does not exist.
    if (end <= from) continue;
    event = reader.read(octets.subarray(from, end), (piece) => {
      out += piece.toString('latin1');
    });
    consumed += reader.consumed;
    if (event !== 'more') break;
    from = end;
  }
  return { out, consumed, event };
}

export function checkBody(octets: Buffer, random: Random): string | null {
  if (octets.length === 0) return null;
  const framing = random.oneIn(4) ? 1 + random.below(octets.length + 5) : 'chunked';
  const cuts = Array.from({ length: random.below(6) }, () => random.below(octets.length)).sort((a, b) => a - b);
  const whole = readBody(octets, [], framing, true);
  const pieces = readBody(octets, cuts, framing, true);
  if (whole.event !== pieces.event || whole.consumed !== pieces.consumed) return `another end when cut at ${cuts}`;
  if (whole.consumed > octets.length) return 'takes too much';
  if (whole.event !== 'malformed' && whole.out !== pieces.out) return `another body when cut at ${cuts}`;
  if (framing !== 'chunked') return null;
  const data = readBody(octets, cuts, framing, false);
  const emitted = Buffer.from(pieces.out, 'latin1');
  const again = readBody(emitted, [], framing, false);
  const complete = again.event === 'done' && again.consumed === emitted.length;
  if (complete !== (whole.event === 'done')) return 'what travels on ends in another way';
  if (complete && again.out !== data.out) return 'what travels on is another body';
  return complete ? faultOfChunks(octets.toString('latin1', 0, whole.consumed), data.out) : null;
}

/** What we took for a whole body has to be one by the grammar, and the same. */
function faultOfChunks(octets: string, body: string): string | null {
  const text = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${octets}`;
  const read = checkRequest(text, 0, true);
  if (typeof read === 'string') return 'ends before its end';
  if ('refused' in read) return `takes what the RFC does not: ${read.refused}`;
  return read.body === body && read.end === text.length ? null : 'is another body by the RFC';
}

/** A handshake's verdict on an answer, whole and in two pieces. */
export function checkHandshake(make: () => Handshake): ParserCheck {
  const verdictOn = (pieces: readonly Buffer[]) => {
    const handshake = make();
    let failed: string | null = null;
    handshake.begin({ send: () => undefined, fail: (cause) => (failed = cause) });
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      const verdict = failed ?? handshake.read(piece);
      if (verdict === null) continue;
      // What comes after the verdict belongs to the tunnel.
      const later =
        verdict === 'open'
          ? Buffer.concat([handshake.rest ?? Buffer.alloc(0), ...pieces.slice(pieces.indexOf(piece) + 1)])
          : null;
      return { verdict, rest: later?.toString('latin1') ?? null };
    }
    return { verdict: null, rest: null };
  };
  return (octets, random) => {
    const at = random.below(octets.length + 1);
    const whole = verdictOn([octets]);
    if (!same(verdictOn([octets.subarray(0, at), octets.subarray(at)]), whole)) {
      return `another verdict when cut at ${at}`;
    }
    return whole.rest !== null && !octets.toString('latin1').endsWith(whole.rest) ? 'makes tunnel octets up' : null;
  };
}

export function checkSocksClient(octets: Buffer, random: Random): string | null {
  const at = random.below(octets.length + 1);
  for (const parse of [parseGreeting, parseUsernamePassword, parseSocksRequest]) {
    const whole = parse(octets);
    const early = parse(octets.subarray(0, at));
    if (early !== null && !same(early, whole)) return `another verdict when cut at ${at}`;
    if (whole !== null && 'size' in whole && whole.size > octets.length) return 'takes too much';
    if (whole !== null && 'target' in whole && !/^[a-z0-9._:-]+$/.test(whole.target.host)) return 'is no host';
  }
  return null;
}
