/** A drain (F10): announced, waited for, then cut; at its end nothing is open, tunnels included. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream((recorded, chunk) =>
    (recorded.text.startsWith('CONNECT') ? echoTunnel : answerOk)(recorded, chunk),
  );
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

async function openTunnels(n: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: n }, () => RawClient.connect(rig.port)));
  await Promise.all(
    clients.map((c) => c.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'))),
  );
  return clients;
}

test('announced: keep-alive answers close, tunnels are opened until they are refused, open ones go on', async () => {
  const [tunnel] = await openTunnels(1);
  rig.gateway.announceDrain();
  const [another] = await openTunnels(1);
  expect(another!.text).toMatch(/^HTTP\/1\.1 200 /);
  rig.gateway.refuseTunnels();
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('GET http://a.test/')).untilEnd();
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n\r\nok$/);
  const late = await RawClient.connect(rig.port);
  await late.send(rig.head('CONNECT a.test:443')).untilEnd();
  expect(late.text).toMatch(/^HTTP\/1\.1 503 draining\r\n[\s\S]*\r\nRetry-After: \d+\r\n/);
  await tunnel!.send('still here').until((c) => c.text.endsWith('still here'));
  for (const one of [tunnel!, another!, client, late]) one.close();
});

test('tunnels end at the end of the grace, and then nothing is left', async () => {
  const tunnels = await openTunnels(20);
  const drained = rig.gateway.drain(300);
  const started = performance.now();
  await tunnels[0]!.send('last words').until((c) => c.text.endsWith('last words'));
  await expect(RawClient.connect(rig.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await Promise.all(tunnels.map((c) => c.untilEnd()));
  expect(performance.now() - started).toBeGreaterThanOrEqual(290);
  for (const tunnel of tunnels) tunnel.close();
  await drained;
  expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, inFlight: 0, tunnels: 0 });
  await eventually('the upstream sides are over', () =>
    upstream.connections.every(({ socket, text }) => socket.destroyed || !text.startsWith('CONNECT')),
  );
  expect(rig.counted('draining')).toBe(20);
});

test('a connection that has been idle ends at once; one that was just busy, or is new, may still send a request', async () => {
  const get = rig.head('GET http://a.test/');
  const old = await RawClient.connect(rig.port);
  await old.send(get).until((c) => c.text.endsWith('ok'));
  const answeredAt = performance.now();
  await eventually('it has been idle for a while', () => performance.now() - answeredAt > 800);
  const busy = await RawClient.connect(rig.port);
  await busy.send(get).until((c) => c.text.endsWith('ok'));
  const fresh = await RawClient.connect(rig.port);
  const silent = await RawClient.connect(rig.port);
  const drained = rig.gateway.drain(5_000);
  const started = performance.now();
  await old.untilEnd(1_000);
  expect(performance.now() - started).toBeLessThan(250);
  for (const client of [busy, fresh]) {
    client.text = '';
    expect(await client.send(get).untilEnd()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n\r\nok$/);
  }
  await silent.untilEnd(2_000);
  for (const client of [old, busy, fresh, silent]) client.close();
  await drained;
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('clients that hold on to their side are reset; the drain does not wait for them', async () => {
  const tunnels = await openTunnels(5);
  const started = performance.now();
  await rig.gateway.drain(50);
  expect(performance.now() - started).toBeLessThan(2_500);
  expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, tunnels: 0 });
  for (const tunnel of tunnels) tunnel.close();
});

test('a request under way is finished within the grace', async () => {
  let finish = (): void => undefined;
  upstream.behave(({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
    finish = () => socket.write('lf');
  });
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ha'));
  const drained = rig.gateway.drain(5_000);
  finish();
  await client.untilEnd();
  expect(client.text).toMatch(/half$/);
  client.close();
  await drained;
});

test('close() cuts everything at once, on both sides', async () => {
  const tunnels = await openTunnels(3);
  const waiting = await RawClient.connect(rig.port);
  upstream.behave(() => undefined);
  waiting.send(rig.head('GET http://a.test/'));
  await eventually('the request is upstream', () => upstream.received().includes('GET'));
  await rig.gateway.close();
  await eventually('all is over', () => [...tunnels, waiting].every((c) => c.closed || c.ended));
  await eventually('upstream too', () => upstream.connections.every(({ socket }) => socket.destroyed));
  for (const one of [...tunnels, waiting]) one.close();
});
