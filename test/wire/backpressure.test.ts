/**
 * A party that stops reading stops the other one (F11, E24): what the gateway
 * holds for it stays small, in each direction, through tunnels and plain requests.
 */
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { eventually, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const CONNECTIONS = 4;
/** Far more than the kernel's buffers between three sockets take. */
const OFFERED = 96 << 20;
const ALLOWED = CONNECTIONS * (2 << 20);
const BLOCK = Buffer.alloc(64 << 10, 'b');

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** Writes blocks as fast as the socket takes them; `sent` counts what it took. */
function flood(socket: Socket, meter: { sent: number }): void {
  let left = OFFERED;
  const push = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= BLOCK.length;
      meter.sent += BLOCK.length;
      if (!socket.write(BLOCK)) return void socket.once('drain', push);
    }
  };
  push();
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use by this process: heap, and buffers outside it. */
function held(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Waits until the flood stands still: nothing more was taken for a while. */
async function standstill(meter: { sent: number }): Promise<void> {
  for (let last = -1, still = 0; still < 8; ) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    still = meter.sent === last ? still + 1 : 0;
    last = meter.sent;
  }
}

const OK = 'HTTP/1.1 200 OK\r\n';
const length = `Content-Length: ${OFFERED}`;

test.each([
  ['a reply to a client', 'down', 'GET http://a.test/', [], `${OK}${length}\r\n\r\n`],
  ['a tunnel towards a client', 'down', 'CONNECT a.test:443', [], `${OK}\r\n`],
  ['a body to an upstream', 'up', 'POST http://a.test/', [length], ''],
  ['a tunnel towards an upstream', 'up', 'CONNECT a.test:443', [], `${OK}\r\n`],
] as const)('%s that does not read', async (_, direction, line, lines, reply) => {
  const meter = { sent: 0 };
  let begun = 0;
  upstream.behave(({ socket, text }) => {
    if (!text.includes('\r\n\r\n') || socket.isPaused()) return;
    begun++;
    if (reply !== '') socket.write(reply);
    if (direction === 'down') flood(socket, meter);
    else socket.pause();
  });
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawClient.connect(rig.port)));
  const before = held();
  for (const client of clients) {
    client.send(rig.head(line, lines));
    if (direction === 'down') client.socket.pause();
    else if (line.startsWith('POST')) flood(client.socket, meter);
    else {
      await client.until((c) => c.text.includes('\r\n\r\n'));
      flood(client.socket, meter);
    }
  }
  await standstill(meter);
  expect(begun).toBe(CONNECTIONS);
  expect(meter.sent).toBeGreaterThan(0);
  expect(meter.sent).toBeLessThan(CONNECTIONS * OFFERED);
  // What was read and passed on is freed a little after the collection.
  await eventually(`less than ${ALLOWED} bytes are held`, () => held() - before < ALLOWED);
  for (const client of clients) client.socket.resetAndDestroy();
  for (const { socket } of upstream.connections) socket.destroy();
  upstream.reset();
});
