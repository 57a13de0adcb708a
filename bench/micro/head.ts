/**
 * Time to read and to write one message head, as the gateway does on every
 * forwarded request. Fresh octets each time, as from a socket; what is read is
 * checked before anything is timed.
 */

import { CredentialEcho } from '../../gateway/credential-echo.ts';
import { parseReplyHead, type ReplyHead } from '../../gateway/http1/reply-head.ts';
import { isRefusal, parseRequestHead } from '../../gateway/http1/request-head.ts';
import { forwardedHead, replyHead } from '../../gateway/http1/write-head.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Route } from '../../src/core/model.ts';
import { type MicroOptions, printRows, type Row, rowOf } from '../lib/row.ts';

const BATCH = 20_000;
const REQUEST = Buffer.from(
  'GET http://www.example.test/some/path?x=1 HTTP/1.1\r\nHost: www.example.test\r\n' +
    `Proxy-Authorization: Basic ${Buffer.from(`default:sp_live_${'0'.repeat(48)}`).toString('base64')}\r\n` +
    'User-Agent: curl/8.5.0\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n',
);
const REPLY = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\nConnection: keep-alive\r\n' +
    'Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n\r\n',
);

const ROUTE = {
  authorization: `Basic ${Buffer.from('customer-zone-session:correct-horse-battery').toString('base64')}`,
  tunnelled: false,
} as Route;

/** Measures both readers, both writers, and the search of a reply for our credential. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const request = parseRequestHead(REQUEST, 0, defaultLimits);
  const reply = parseReplyHead(REPLY, 0, 'GET', defaultLimits);
  if (request === null || isRefusal(request) || request.target.host !== 'www.example.test') throw new Error('request');
  if (reply === null || reply === 'malformed' || reply.body !== 64) throw new Error('reply');
  const options = { minor: 1, decode: false, keepAlive: true, head: false };
  const rounds = quick ? 5 : 15;
  const echo = new CredentialEcho();
  if (echo.isIn(ROUTE, reply) || !echo.isIn(ROUTE, { ...reply, reason: ROUTE.authorization! })) throw new Error('echo');
  return [
    measure('head.request.read', 'read a request head', rounds, () => parseRequestHead(REQUEST, 0, defaultLimits)),
    measure('head.reply.read', 'read a reply head', rounds, () => parseReplyHead(REPLY, 0, 'GET', defaultLimits)),
    measure('head.reply.echo', 'look for our credential in a reply head', rounds, () =>
      echo.isIn(ROUTE, parseReplyHead(REPLY, 0, 'GET', defaultLimits) as ReplyHead),
    ),
    measure('head.request.write', 'write a request head', rounds, () =>
      octets(forwardedHead(request, 'Basic eDp5', false)),
    ),
    measure('head.reply.write', 'write a reply head', rounds, () => octets(replyHead(reply, 'A: b\r\n', options))),
  ];
}

/** Writing is done when the text is octets: until then it may be a rope of parts. */
function octets(text: string): number {
  return SCRATCH.latin1Write(text);
}
const SCRATCH = Buffer.alloc(4_096) as Buffer & { latin1Write(text: string): number };

function measure(id: string, name: string, rounds: number, work: () => unknown): Row {
  for (let i = 0; i < BATCH; i++) work();
  const values = Array.from({ length: rounds }, () => {
    const start = performance.now();
    for (let i = 0; i < BATCH; i++) work();
    return ((performance.now() - start) * 1e6) / BATCH;
  });
  return rowOf(id, name, 'ns', values);
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
