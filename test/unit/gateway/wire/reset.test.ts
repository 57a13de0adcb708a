import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reset, resetTls } from '../../../../gateway/wire/reset.ts';
import { makeCertificate } from '../../../helpers/target.ts';

let servers: Server[];
let accepted: Promise<[Socket]>;

beforeEach(() => {
  servers = [];
});
afterEach(async () => {
  const [theirs] = await accepted;
  theirs.destroy();
  for (const server of servers) server.close();
});

async function listening(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Both ends of a connection; theirs reads nothing yet. */
async function connection(): Promise<{ ours: Socket; theirs: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  accepted = once(server, 'connection') as Promise<[Socket]>;
  const port = await listening(server);
  const ours = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(ours, 'connect');
  const [theirs] = await accepted;
  return { ours, theirs: theirs.pause() };
}

/** The code of the error that a socket meets when it reads and writes on. Rejects when its connection ends without one. */
function failureOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('close', () => reject(new Error('an end like any other')));
    socket.resume().write('x');
  });
}

/** What else the socket says until it closes. */
async function closed(socket: Socket): Promise<unknown[]> {
  const errors: unknown[] = [];
  socket.on('error', (error) => errors.push(error));
  await once(socket, 'close');
  return errors;
}

describe('a TCP socket', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['that does nothing', () => undefined],
    ['that was ended in this very turn', (socket) => socket.end()],
    ['that was ended with octets to write', (socket) => socket.end('x')],
    ['whose octets nobody takes', (socket) => socket.end(Buffer.alloc(20_000_000))],
    ['that is reset twice', (socket) => reset(socket.end())],
  ])('%s is reset, and closes', async (_, prepare) => {
    const { ours, theirs } = await connection();
    prepare(ours);
    const errors = closed(ours);
    reset(ours);
    expect(await errors).toEqual([]);
    expect(await failureOf(theirs)).toMatch(/^(?:ECONNRESET|EPIPE)$/);
  });

  test('whose shutdown is done, or that is gone, may be reset too', async () => {
    const { ours } = await connection();
    await new Promise<void>((resolve) => ours.end(resolve));
    const errors = closed(ours);
    reset(ours);
    expect(await errors).toEqual([]);
    reset(ours);
  });
});

describe('a TLS socket', () => {
  async function secured(): Promise<{ ours: Socket; carrier: Socket; theirs: Socket }> {
    const server = createTlsServer({ ...(await makeCertificate()), allowHalfOpen: true });
    accepted = once(server, 'secureConnection') as Promise<[Socket]>;
    const carrier = connect({ port: await listening(server), host: '127.0.0.1' });
    const ours = connectTls({ socket: carrier, rejectUnauthorized: false });
    await once(ours, 'secureConnect');
    const [theirs] = await accepted;
    return { ours, carrier, theirs };
  }

  test('is reset by what carries it', async () => {
    const { ours, carrier, theirs } = await secured();
    const seen = failureOf(theirs);
    const errors = closed(ours);
    resetTls(ours, carrier);
    expect(await errors).toEqual([]);
    expect(await seen).toBe('ECONNRESET');
  });

  test('whose farewell is out is reset too', async () => {
    const { ours, carrier, theirs } = await secured();
    await new Promise<void>((resolve) => ours.end(resolve));
    const errors = closed(ours);
    resetTls(ours, carrier);
    expect(await errors).toEqual([]);
    expect(await failureOf(theirs)).toMatch(/^(?:ECONNRESET|EPIPE)$/);
  });

  test('that is saying its farewell closes at once', async () => {
    const { ours, carrier } = await secured();
    ours.end();
    const errors = closed(ours);
    resetTls(ours, carrier);
    expect(await errors).toEqual([]);
  });
});
