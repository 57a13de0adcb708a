import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { SMALL_BODY } from '../../../bench/lib/payload.ts';
import { Steady } from '../../../bench/load/steady.ts';

const GOOD = `HTTP/1.1 200 OK\r\nContent-Length: ${SMALL_BODY.length}\r\n\r\n${SMALL_BODY}`;
const PER_SECOND = 500;

let server: Server;

afterEach(() => new Promise((resolve) => server.close(resolve)));

/** A gateway that does with each request whatever `answer` does. */
async function steadyOver(answer: (socket: Socket, request: number) => void): Promise<Steady> {
  let requests = 0;
  server = createServer((socket) => {
    socket.on('data', () => answer(socket, requests++)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const subject = { port, authorizations: ['Basic eA=='], pid: null, upstreamPid: process.pid };
  return new Steady({ kind: 'begin-steady', subject, connections: 1, perSecond: PER_SECOND, warmSeconds: 0 });
}

test('a request that waits for a connection is timed from when its turn came', async () => {
  const waited = Promise.withResolvers<void>();
  const steady = await steadyOver((socket, request) => {
    const reply = () => socket.write(GOOD);
    if (request > 0) reply();
    // The one connection is held while fifty others come due.
    else setTimeout(() => waited.resolve(void reply()), (50 / PER_SECOND) * 1_000);
  });
  await steady.begin();
  await waited.promise;
  const { work, failures, latency } = await steady.end();
  expect(failures).toBe(0);
  expect(work).toBeGreaterThan(25);
  // Had only the exchange counted, each but the first would be a fraction of a millisecond.
  expect(latency?.p50).toBeGreaterThan(0.005);
});

test('anything but the right answer is a failure, and in no time', async () => {
  const seen = Promise.withResolvers<void>();
  const steady = await steadyOver((socket, request) => {
    socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
    if (request === 2) seen.resolve();
  });
  await steady.begin();
  await seen.promise;
  const { work, failures, latency } = await steady.end();
  expect(work).toBe(0);
  expect(failures).toBeGreaterThanOrEqual(3);
  expect(latency?.p50).toBeNaN();
});
