/** TLS upstreams that fail in the handshake: always upstream_tls, in time, with nothing left behind; and ends of good ones. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { makeCertificate } from '../helpers/target.ts';
import { converse, eventually, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;
let certificate: Awaited<ReturnType<typeof makeCertificate>>;

beforeAll(async () => {
  certificate = await makeCertificate();
});
beforeEach(async () => {
  rig = await startGatewayRig({
    limits: { connectTimeoutMs: 10_000, upstreamTlsTimeoutMs: 100 },
    upstreamAuthorities: [certificate.cert],
  });
  upstream = await startRecordingUpstream();
  rig.put(1, 1, { endpoint: { scheme: 'https', host: '127.0.0.1', port: upstream.port } });
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

test.each([
  ['answers in plain HTTP', ({ socket }) => socket.write('HTTP/1.1 400 x\r\n\r\n')],
  ['ends', ({ socket }) => socket.end()],
  ['resets', ({ socket }) => socket.resetAndDestroy()],
  ['says nothing', () => undefined],
  ['sends an alert', ({ socket }) => socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 40]))],
  ['stops in the middle of its hello', ({ socket }) => socket.write(Buffer.from('160303007a0200007603', 'hex'))],
  ['sends noise', ({ socket }) => socket.write(Buffer.alloc(64, 0xaa))],
] as [string, Parameters<RecordingUpstream['behave']>[0]][])(
  'an upstream that %s, whether its certificate counts or not',
  async (_, behaviour) => {
    upstream.behave(behaviour);
    for (const tlsInsecure of [false, true]) {
      rig.put(1, 1, { endpoint: { scheme: 'https', host: '127.0.0.1', port: upstream.port }, tlsInsecure });
      for (const line of ['GET http://a.test/', 'CONNECT a.test:443']) {
        const client = await converse(rig.port, rig.head(line, ['Connection: close']));
        expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_tls\r\n/);
      }
    }
    // A hello is all that went there: no head and no credential in the clear.
    expect(upstream.received()).not.toMatch(/HTTP|Basic|a\.test/);
    await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
    await eventually('upstream too', () => upstream.connections.every(({ socket }) => socket.destroyed));
  },
);

test.each([
  ['a tunnel', 'CONNECT a.test:443', ''],
  ['a body', 'POST http://a.test/', 'Content-Length: 9'],
])('a client that breaks off %s resets the upstream', async (_, line, field) => {
  const server = createServer(certificate).listen(0, '127.0.0.1');
  await once(server, 'listening');
  rig.put(1, 1, { endpoint: { scheme: 'https', host: 'localhost', port: (server.address() as AddressInfo).port } });
  const client = await RawClient.connect(rig.port);
  client.send(rig.head(line, field === '' ? [] : [field]));
  const [theirs] = (await once(server, 'secureConnection')) as [TLSSocket];
  const failed = once(theirs, 'error');
  theirs.once('data', () => theirs.write('HTTP/1.1 200 OK\r\n\r\n'));
  await client.until((c) => c.text.includes('\r\n\r\n'));
  client.socket.resetAndDestroy();
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  server.close();
});
