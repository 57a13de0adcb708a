/** An HTTP upstream behind TLS: answers every head with 200, and keeps what it was told and how. */
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';

export interface TlsUpstream {
  readonly port: number;
  /** Of every handshake that was completed: the name asked for, the version, and whether a session was resumed. */
  readonly handshakes: { readonly servername: string | false; readonly version: string; readonly resumed: boolean }[];
  /** What was said inside of TLS, all connections. */
  received(): string;
  /** Connections that came, whatever became of them. */
  connections(): number;
  /** Connections that are there now. */
  open(): number;
  close(): Promise<void>;
}

export async function startTlsUpstream(options: TlsOptions, host = '127.0.0.1'): Promise<TlsUpstream> {
  const handshakes: TlsUpstream['handshakes'] = [];
  const sockets = new Set<Socket>();
  let text = '';
  let connections = 0;
  const server = createServer(options, (socket: TLSSocket) => {
    const version = socket.getProtocol() ?? '';
    handshakes.push({ servername: socket.servername ?? false, version, resumed: socket.isSessionReused() });
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const told = chunk.toString('latin1');
      if (!told.endsWith('\r\n\r\n')) return;
      socket.write(
        told.startsWith('CONNECT') ? 'HTTP/1.1 200 OK\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      );
    });
  });
  // A client that turns away from us is what is tested.
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    handshakes,
    received: () => text,
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
