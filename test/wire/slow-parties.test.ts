/** Parties that are slow, not gone: they get all of what is theirs, and a deadline names the one who is late. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { eventually, RawClient, type RecordingUpstream, startRecordingUpstream, turns } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig({ limits: { bodyIdleMs: 100, firstByteTimeoutMs: 500 } });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

/** About how many octets two sockets on loopback hold while the reader stands still. */
async function kernelHolds(): Promise<number> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.pause()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const writer = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
  const block = Buffer.alloc(65_536);
  let taken = 0;
  for (let still = 0; still < 20; still++) {
    while (writer.writableLength === 0) {
      writer.write(block);
      taken += block.length;
      still = 0;
    }
    await turns(2);
  }
  server.close();
  for (const socket of [writer, ...accepted]) socket.destroy();
  return taken;
}

test('a reader that stands still for longer than the lingering time gets all of a reply that ends the connection', async () => {
  const about = await kernelHolds();
  // Around the point where the last octets wait in the gateway and not in the kernel.
  const sizes = Array.from({ length: 17 }, (_, i) => about + (i - 12) * 16_384);
  upstream.behave(({ socket }, chunk) => {
    const size = Number(/\/(\d+) /.exec(chunk.toString('latin1'))![1]);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    socket.write(Buffer.alloc(size, 'x'));
  });
  const readers = await Promise.all(
    sizes.map(async (size) => {
      const client = await RawClient.connect(rig.port);
      client.send(rig.head(`GET http://a.test/${size}`, ['Connection: close'])).socket.pause();
      return { client, size };
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  for (const { client } of readers) client.socket.resume();
  for (const { client, size } of readers) {
    await client.untilEnd(10_000);
    expect(client.text.length - client.text.indexOf('\r\n\r\n') - 4).toBe(size);
    client.close();
  }
});

test('an upstream that takes no more of a body is late, not the client', async () => {
  upstream.behave(({ socket }) => socket.pause());
  const client = await RawClient.connect(rig.port);
  const body = Buffer.alloc(32 << 20);
  client.send(rig.head('POST http://a.test/', [`Content-Length: ${body.length}`])).send(body);
  await client.until((c) => c.text.includes('\r\n\r\n'), 10_000);
  expect(client.text).toMatch(/^HTTP\/1\.1 504 first_byte_timeout\r\n/);
  client.close();
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
});
