/**
 * A vendor's account interface on loopback: what its routes answer, and every way in
 * which such a service can misbehave. `webshare-stand-in.ts` and `proxyline-stand-in.ts` have the routes.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What happens in place of an answer. */
export type Misbehaviour =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | 'hang'
  | 'hang in the body'
  | 'huge'
  | 'cut';

export interface StandInRoutes {
  /** Path below the base → what it answers as JSON, null for 404. */
  answer(path: string, query: URLSearchParams): unknown;
  /** Whether the request carries the right key. */
  isAllowed(request: IncomingMessage, query: URLSearchParams): boolean;
}

export interface VendorStandIn {
  /** Base URL with a slash at its end. */
  readonly url: string;
  /** Path and query of each request, in order. */
  readonly asked: string[];
  /** Asked before each answer; null answers as usual. */
  misbehave: (path: string, query: URLSearchParams) => Misbehaviour | null;
  close(): Promise<void>;
}

export async function startVendorStandIn(base: string, routes: StandInRoutes): Promise<VendorStandIn> {
  const sockets = new Set<Socket>();
  const standIn = { url: '', asked: [] as string[], misbehave: (() => null) as VendorStandIn['misbehave'] };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const path = url.pathname.slice(base.length);
    standIn.asked.push(`${path}${url.search}`);
    const wrong = standIn.misbehave(path, url.searchParams);
    if (wrong !== null) return misbehaveWith(wrong, response);
    if (!routes.isAllowed(request, url.searchParams)) return json(response, 403, { detail: 'Invalid token.' });
    const answer = routes.answer(path, url.searchParams);
    return answer === null ? json(response, 404, { detail: 'Not found.' }) : json(response, 200, answer);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`;
  return Object.assign(standIn, {
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function misbehaveWith(wrong: Misbehaviour, response: ServerResponse): void {
  if (wrong === 'hang') return;
  if (wrong === 'cut') {
    response.socket?.destroy();
    return;
  }
  if (typeof wrong === 'object') {
    response.writeHead(wrong.status, wrong.headers).end(wrong.body);
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  if (wrong === 'hang in the body') {
    response.write('{"results": [');
    return;
  }
  // More than anybody should read, for as long as somebody does.
  const piece = Buffer.alloc(65_536, 0x20);
  const pour = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', pour);
  pour();
}
