/**
 * A wire tap: a TCP relay in front of a party that keeps every octet of both
 * directions, so that a test can say what a third party was, and was not, told.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RecordingRelay {
  readonly port: number;
  /** Every octet that went towards the party, all connections in order of arrival. */
  sent(): Buffer;
  /** Every octet that came back from it. */
  answered(): Buffer;
  close(): Promise<void>;
}

/** Relays to a port of this machine, from this address of it. */
export async function startRecordingRelay(toPort: number, localAddress = '127.0.0.1'): Promise<RecordingRelay> {
  const sent: Buffer[] = [];
  const answered: Buffer[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined); // the close that follows ends the other side
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((socket) => {
    const party = connect({ host: '127.0.0.1', port: toPort, localAddress });
    keep(socket);
    keep(party);
    socket.on('data', (chunk: Buffer) => sent.push(chunk));
    party.on('data', (chunk: Buffer) => answered.push(chunk));
    socket.pipe(party);
    party.pipe(socket);
    socket.once('close', () => party.destroy());
    party.once('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sent: () => Buffer.concat(sent),
    answered: () => Buffer.concat(answered),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
