/**
 * The upstream proxy and the target behind it, in one process (`node upstream.ts`).
 * Prints `{"port"}` and lives until stdin closes. The lines `down` and `up` on stdin
 * make it reset whatever is connected and connects, and serve again.
 *
 *   absolute-form, CONNECT   only with a known `Proxy-Authorization`, else 407; counted per credential
 *   GET …/bytes/N            N bytes of a repeating pattern, as fast as the reader takes them
 *   POST …/digest            the SHA-256 of its body, in hex
 *   any other POST           read and dropped, then the count of its body's octets (`postAnswer`)
 *   anything else            the small answer, keep-alive
 *   GET /__stats             (origin-form, outside a tunnel) the counts so far, as JSON
 *
 * Made to cost little rather than to be strict: it reads only what the bench's
 * own candidates send, one request at a time per connection.
 */

import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { BodyReader } from './body.ts';
import { basic, UPSTREAM_CREDENTIALS } from './credentials.ts';
import { PATTERN, postAnswer, SMALL_BODY } from './payload.ts';

const replyOf = (body: string) =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const SMALL_REPLY = Buffer.from(replyOf(SMALL_BODY));
const CONNECTED = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n');
const DENIED = Buffer.from(
  'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="bench"\r\nContent-Length: 0\r\n\r\n',
);
const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
const MAX_HEAD_BYTES = 65_536;
/** Looked through for the end of a head at a time: what follows it may be a large body. */
const HEAD_PIECE_BYTES = 4_096;

/** What the upstream has seen; `byCredential` counts accepted requests and CONNECTs by username. */
export interface UpstreamStats {
  forwarded: number;
  connected: number;
  inTunnel: number;
  /** Origin-form outside a tunnel: a gateway that goes around its upstream shows here. */
  direct: number;
  denied: number;
  byCredential: Record<string, number>;
}

const stats: UpstreamStats = { forwarded: 0, connected: 0, inTunnel: 0, direct: 0, denied: 0, byCredential: {} };
const usernames = new Map(UPSTREAM_CREDENTIALS.map((each) => [basic(each), each.username]));

/** One client connection: the head not yet complete, the body not yet read, the reply not yet written. */
class Connection {
  private readonly socket: Socket;
  private head = '';
  /** Reads the body under way; null between requests. */
  private body: BodyReader | null = null;
  /** The reply to it, made when it is whole. */
  private replyToBody: (octets: number) => string = postAnswer;
  private tunnel = false;
  private bytesToSend = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('drain', () => this.sendBytes());
    socket.on('error', () => socket.destroy()); // a load generator cuts its streams; nothing to learn from it
  }

  private read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at = this.body ? this.readBody(chunk, at) : this.readHead(chunk, at);
  }

  private readHead(chunk: Buffer, at: number): number {
    const before = this.head.length;
    this.head += chunk.toString('latin1', at, Math.min(chunk.length, at + HEAD_PIECE_BYTES));
    const end = this.head.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end === -1) {
      if (this.head.length > MAX_HEAD_BYTES) this.socket.destroy();
      return at + this.head.length - before;
    }
    const head = this.head.slice(0, end);
    this.head = '';
    this.answer(head);
    return at + end + 4 - before;
  }

  private readBody(chunk: Buffer, at: number): number {
    const body = this.body!;
    const next = body.read(chunk, at);
    if (body.done) this.finishBody(body);
    return next;
  }

  private finishBody({ broken, octets }: BodyReader): void {
    this.body = null;
    if (broken) this.socket.end(BAD_REQUEST);
    else this.socket.write(replyOf(this.replyToBody(octets)));
  }

  private answer(head: string): void {
    const [method = '', target = ''] = head.split(' ', 2);
    if (this.tunnel) {
      stats.inTunnel++;
      this.serve(method, target, head);
    } else if (target.charCodeAt(0) === 0x2f) {
      if (target === '/__stats') {
        const body = JSON.stringify(stats);
        this.socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
      } else {
        stats.direct++;
        this.socket.end(BAD_REQUEST);
      }
    } else if (!this.admit(head)) {
      stats.denied++;
      this.socket.write(DENIED);
    } else if (method === 'CONNECT') {
      stats.connected++;
      this.tunnel = true;
      this.socket.write(CONNECTED);
    } else {
      stats.forwarded++;
      this.serve(method, target, head);
    }
  }

  private admit(head: string): boolean {
    const username = usernames.get(/\r\nproxy-authorization:[ \t]*([^\r]+)/i.exec(head)?.[1] ?? '');
    if (username === undefined) return false;
    stats.byCredential[username] = (stats.byCredential[username] ?? 0) + 1;
    return true;
  }

  private serve(method: string, target: string, head: string): void {
    if (method === 'POST') {
      this.awaitBody(head, target.endsWith('/digest'));
      return;
    }
    const at = target.indexOf('/bytes/');
    if (at === -1) {
      this.socket.write(SMALL_REPLY);
      return;
    }
    this.bytesToSend = Number(target.slice(at + 7));
    this.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${this.bytesToSend}\r\n\r\n`);
    this.sendBytes();
  }

  private awaitBody(head: string, digests: boolean): void {
    const hash = digests ? createHash('sha256') : null;
    this.replyToBody = hash ? () => hash.digest('hex') : postAnswer;
    this.body = new BodyReader(head, (piece) => hash?.update(piece));
    if (this.body.done) this.finishBody(this.body);
  }

  private sendBytes(): void {
    while (this.bytesToSend > 0 && !this.socket.destroyed) {
      const piece = this.bytesToSend < PATTERN.length ? PATTERN.subarray(0, this.bytesToSend) : PATTERN;
      this.bytesToSend -= piece.length;
      if (!this.socket.write(piece)) return;
    }
  }
}

const open = new Set<Socket>();
let down = false;

const server = createServer((socket) => {
  if (down) {
    socket.resetAndDestroy();
    return;
  }
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  new Connection(socket);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(JSON.stringify({ port: address.port }));
});
for await (const line of createInterface({ input: process.stdin })) {
  down = line === 'down';
  if (down) for (const socket of open) socket.resetAndDestroy();
}
process.exit(0);
