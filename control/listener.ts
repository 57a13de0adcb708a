/**
 * One cleartext port for HTTP/1.1 (curl) and HTTP/2 with prior knowledge (gRPC).
 * Node's servers speak one of the two, so a socket is given to the right one by
 * its first bytes: the HTTP/2 preface begins with `PRI` (RFC 9113 §3.4), which is
 * no HTTP/1 method. Called by `server.ts`.
 *
 *   net.Server ── first 3 bytes, within headTimeoutMs ──┬─ "PRI" → http2 server
 *                                                       └─ else  → http1 server
 * Invariant: every socket is known here until it closes, so that close() ends.
 */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer as createNet, type Socket } from 'node:net';

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface ListenOptions {
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  /** A socket must have sent a request head within this, milliseconds. */
  readonly headTimeoutMs: number;
  /** A request must be complete within this, milliseconds. */
  readonly requestTimeoutMs: number;
  /** An idle connection is kept this long, milliseconds. */
  readonly idleTimeoutMs: number;
}

export const LISTEN_TIMEOUTS = { headTimeoutMs: 10_000, requestTimeoutMs: 60_000, idleTimeoutMs: 60_000 } as const;

/** Connections of a control port; a client with more is broken or hostile. */
const MAX_CONNECTIONS = 1_000;
const MAX_STREAMS = 128;
const PREFACE_START = 'PRI';

export interface Listener {
  readonly port: number;
  /** Stops accepting, lets calls under way finish for `graceMs`, then cuts. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** Listens; rejects with the system's error when the address cannot be had. */
export async function startListener(listener: RequestListener, options: ListenOptions): Promise<Listener> {
  const { headTimeoutMs, requestTimeoutMs, idleTimeoutMs } = options;
  const checkEveryMs = Math.min(1_000, headTimeoutMs);
  const http1 = createHttp1(
    {
      headersTimeout: headTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
    },
    listener,
  );
  // It never listens itself, but only on this event does Node begin to enforce its timeouts.
  http1.emit('listening');
  const http2 = createHttp2({ settings: { maxConcurrentStreams: MAX_STREAMS, enablePush: false } }, listener as never);
  const sessions = new Set<ServerHttp2Session>();
  http2.on('session', (session) => {
    sessions.add(session);
    session.setTimeout(idleTimeoutMs, () => session.close());
    session.once('close', () => sessions.delete(session));
  });
  http2.on('stream', (stream) => stream.setTimeout(requestTimeoutMs, () => stream.close()));
  // A broken session closes its socket by itself; there is no caller to tell.
  http2.on('sessionError', () => {});

  const sockets = new Set<Socket>();
  const server = createNet({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    sniff(socket, headTimeoutMs, (isHttp2) => (isHttp2 ? http2 : http1).emit('connection', socket));
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve(server.off('error', reject) && undefined));
  });

  let closing: Promise<void> | null = null;
  return {
    port: (server.address() as AddressInfo).port,
    close(graceMs) {
      closing ??= new Promise((resolve) => {
        const cut = setTimeout(() => cutAll(sockets), graceMs);
        server.close(() => {
          clearTimeout(cut);
          // Ends its timer; it has no sockets left.
          http1.close();
          resolve();
        });
        for (const session of sessions) session.close();
        http1.closeIdleConnections();
      });
      return closing;
    },
  };
}

function cutAll(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.destroy();
}

/** Calls back once the first bytes tell the protocol, with those bytes back in the socket. */
function sniff(socket: Socket, timeoutMs: number, decide: (isHttp2: boolean) => void): void {
  const giveUp = () => socket.destroy();
  let seen: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const head = seen.subarray(0, PREFACE_START.length).toString('latin1');
    if (seen.length < PREFACE_START.length && PREFACE_START.startsWith(head)) return;
    socket.off('data', onData).off('end', giveUp).off('error', giveUp).setTimeout(0).off('timeout', giveUp);
    socket.pause();
    socket.unshift(seen);
    decide(head === PREFACE_START);
    // The HTTP/1 server listens for data but leaves a paused socket as it is; the HTTP/2 session reads the buffer itself.
    if (head !== PREFACE_START) socket.resume();
  };
  socket.on('data', onData).on('end', giveUp).on('error', giveUp).setTimeout(timeoutMs).on('timeout', giveUp);
}
