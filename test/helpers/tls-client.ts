/** A raw client that speaks to the gateway through TLS. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { RawClient } from './wire.ts';

export interface TlsClient {
  readonly client: RawClient;
  readonly socket: TLSSocket;
  /** The TCP socket beneath. */
  readonly carrier: Socket;
}

/** Connects, with the handshake done; rejects when that fails. The certificate is not checked unless `options` say so. */
export async function connectOverTls(port: number, options: ConnectionOptions = {}): Promise<TlsClient> {
  const carrier = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  const socket = connectTls({ socket: carrier, rejectUnauthorized: false, allowHalfOpen: true, ...options } as never);
  carrier.on('error', () => undefined); // the socket above has it too
  const client = RawClient.over(socket);
  await once(socket, 'secureConnect');
  return { client, socket, carrier };
}
