/**
 * The targets of the matrix: http and https, on 127.0.0.1 and on [::1]. The first
 * segment of a path says what they do, the last one is the cell that asked; each
 * request is recorded as it arrived, with how it ended.
 *
 *   /hello  /echo  /status/204  /etag  /redirect  /large/<bytes>/length|chunked  /endless  and WebSocket echo
 */
import { createHash } from 'node:crypto';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { WebSocketServer } from 'ws';

/** One request as a target saw it. */
export interface Visit {
  readonly scheme: 'http' | 'https';
  /** Address that it came from: that of an exit. */
  readonly from: string;
  /** Number of the connection that it came in on, over all targets. */
  readonly connection: number;
  readonly method: string;
  readonly path: string;
  /** Header lines as they came, `name: value`. */
  readonly lines: readonly string[];
  /** It asked for 100 Continue and got it from here. */
  readonly continued: boolean;
  bodyBytes: number;
  bodySha256: string;
  /** `cut`: the connection ended before the answer did. */
  outcome: 'open' | 'whole' | 'cut';
}

export interface Targets {
  readonly http: string;
  readonly https: string;
  /** The same two on [::1]. */
  readonly http6: string;
  readonly https6: string;
  /** Every request of this cell so far, in order of arrival. */
  visits(cell: string): Visit[];
  close(): Promise<void>;
}

const BLOCK = 65_536;

/** So many octets in blocks, no two of them alike, the same every time. */
export function* largeBody(bytes: number): Generator<Buffer> {
  const pattern = Buffer.alloc(BLOCK);
  for (let i = 0; i < BLOCK; i++) pattern[i] = (i * 2_654_435_761) >>> 24;
  for (let at = 0; at < bytes; at += BLOCK) {
    const block = Buffer.from(pattern.subarray(0, Math.min(BLOCK, bytes - at)));
    block.writeUInt32BE(at / BLOCK);
    yield block;
  }
}

/** SHA-256 in hex of all the pieces. */
export function sha256(pieces: Iterable<Buffer | string>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Starts all four. */
export async function startTargets(certificate: { key: string; cert: string }): Promise<Targets> {
  const visits: Visit[] = [];
  const sockets = new Map<Socket, number>();
  const numbers = { next: 1 };
  const webSockets = new WebSocketServer({ noServer: true });
  webSockets.on('connection', (webSocket) => {
    webSocket.on('message', (data, binary) => webSocket.send(data, { binary }));
  });

  const start = async (scheme: 'http' | 'https', host: string, urls: { https: string }): Promise<Started> => {
    const answer = (continued: boolean) => (request: IncomingMessage, response: ServerResponse) => {
      const visit = visitOf(scheme, sockets.get(request.socket) ?? 0, request, continued);
      visits.push(visit);
      response.once('close', () => {
        visit.outcome = response.writableFinished ? 'whole' : 'cut';
      });
      if (continued) response.writeContinue();
      void serve(request, response, visit, urls.https);
    };
    const server = scheme === 'http' ? createHttp() : createHttps(certificate);
    server.on('request', answer(false)).on('checkContinue', answer(true));
    server.on(scheme === 'http' ? 'connection' : 'secureConnection', (socket: Socket) => {
      sockets.set(socket, numbers.next++);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => undefined); // shows as a cut
    });
    server.on('upgrade', (request, socket, head) => {
      const visit = visitOf(scheme, sockets.get(request.socket) ?? 0, request, false);
      visits.push(visit);
      socket.once('close', () => {
        visit.outcome = 'whole';
      });
      webSockets.handleUpgrade(request, socket, head, (webSocket) => webSockets.emit('connection', webSocket));
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  };

  const urls = { https: '' };
  const started = {
    http: await start('http', '127.0.0.1', urls),
    https: await start('https', '127.0.0.1', urls),
    http6: await start('http', '::1', urls),
    https6: await start('https', '::1', urls),
  };
  urls.https = started.https.url;
  return {
    http: started.http.url,
    https: started.https.url,
    http6: started.http6.url,
    https6: started.https6.url,
    visits: (cell) => visits.filter(({ path }) => path.endsWith(`/${cell}`)),
    close: async () => {
      const closed = Promise.all(Object.values(started).map((server) => server.close()));
      for (const socket of sockets.keys()) socket.destroy();
      await closed;
    },
  };
}

interface Started {
  readonly url: string;
  close(): Promise<void>;
}

function visitOf(scheme: 'http' | 'https', connection: number, request: IncomingMessage, continued: boolean): Visit {
  const { rawHeaders, method = '', url = '' } = request;
  const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
  const from = request.socket.remoteAddress ?? '';
  const body = { bodyBytes: 0, bodySha256: '', outcome: 'open' } as const;
  return { scheme, from, connection, method, path: url, lines, continued, ...body };
}

/** Reads the body to its end, then answers by the path. */
async function serve(request: IncomingMessage, response: ServerResponse, visit: Visit, https: string): Promise<void> {
  const [, what = '', ...rest] = visit.path.split('/');
  const hash = createHash('sha256');
  try {
    for await (const chunk of request) {
      visit.bodyBytes += chunk.length;
      hash.update(chunk);
    }
    visit.bodySha256 = hash.digest('hex');
    switch (what) {
      case 'status':
        return void response.writeHead(Number(rest[0])).end();
      case 'etag':
        return void response.writeHead(request.headers['if-none-match'] === '"e"' ? 304 : 200, { ETag: '"e"' }).end();
      case 'redirect':
        return void response.writeHead(302, { Location: `${https}/hello/${rest.at(-1)}` }).end('moved\n');
      case 'large': {
        const bytes = Number(rest[0]);
        if (rest[1] === 'length') response.setHeader('Content-Length', bytes);
        return await pipeline(Readable.from(largeBody(bytes)), response);
      }
      case 'endless':
        return await pipeline(Readable.from(largeBody(Number.MAX_SAFE_INTEGER)), response);
      default: {
        const text = what === 'echo' ? visit.bodySha256 : `hello ${visit.path}`;
        const fields = { 'Content-Type': 'text/plain', 'Content-Length': text.length };
        return void response.writeHead(200, fields).end(text);
      }
    }
  } catch {
    // The client went away in the middle: 'close' has recorded the cut.
  }
}
