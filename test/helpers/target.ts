/**
 * Targets: what a client wants to reach, over http and https on loopback. They
 * answer with the path and record every header line that reached them.
 */
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { generate } from 'selfsigned';

export interface Target {
  readonly port: number;
  readonly url: string;
  /** `METHOD path` and header lines of each request, in order. */
  readonly seen: string[];
  close(): Promise<void>;
}

/** A self-signed certificate for localhost and 127.0.0.1, made anew for each run. */
export async function makeCertificate(): Promise<{ key: string; cert: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], { algorithm: 'sha256', keySize: 2_048 });
  return { key: made.private, cert: made.cert };
}

/** Over https with a certificate. `host` is an address of loopback, `at` a port in place of any free one. */
export async function startTarget(
  certificate: { key: string; cert: string } | null = null,
  host = '127.0.0.1',
  at = 0,
): Promise<Target> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push([`${request.method} ${request.url}`, ...pairs(request.rawHeaders)].join('\n'));
    request.resume();
    request.once('end', () => response.end(`hello ${request.url}\n`));
  };
  const server: Server = certificate === null ? createHttp(answer) : createHttps(certificate, answer);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${certificate === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function pairs(raw: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines;
}
