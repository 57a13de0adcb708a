/**
 * What was opened is closed: descriptors, requests under way and deadlines are
 * back where they were after many tunnels, and after many upstreams that failed.
 */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream(echoTunnel);
  rig.put(1, upstream.port);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** Open descriptors of this process; elsewhere than on Linux, handles that keep it alive. */
function descriptors(): number {
  if (process.platform === 'linux') return readdirSync('/proc/self/fd').length;
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
}

const NO_SLOTS = { connections: 0, turnedAway: 0, sockets: 0, requests: 0, tunnels: 0, dials: 0, members: 0 };
const NOTHING = {
  ...{ clientConnections: 0, inFlight: 0, placed: 0, tunnels: 0, probes: 0, idleUpstreams: 0, deadlines: 0 },
  slots: NO_SLOTS,
};

test('2,000 tunnels, opened, held and closed in every way', { timeout: 60_000 }, async () => {
  const before = descriptors();
  const clients: RawClient[] = [];
  for (let i = 0; i < 20; i++) {
    const more = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(rig.port)));
    await Promise.all(
      more.map((c) => c.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'))),
    );
    clients.push(...more);
  }
  expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 2_000, inFlight: 2_000, tunnels: 2_000 });
  expect(descriptors()).toBe(before + 8_000);
  const sides = upstream.connections.map(({ socket }) => socket);
  for (const [i, client] of clients.entries()) {
    const side = sides[i]!;
    if (i % 4 === 0) client.socket.end();
    else if (i % 4 === 1) client.socket.resetAndDestroy();
    else if (i % 4 === 2) side.resetAndDestroy();
    else side.end();
  }
  // Tunnels that the upstream ended wait for their client to end too.
  await eventually('half of them are gone', () => rig.gateway.holdings().tunnels <= 1_000, 20_000);
  for (const client of clients) client.socket.end();
  await eventually('no tunnel is left', () => rig.gateway.holdings().tunnels === 0, 20_000);
  await eventually('the descriptors are back', () => descriptors() === before, 20_000);
  await eventually('nothing is held', () => rig.gateway.holdings().deadlines === 0, 15_000);
  expect(rig.gateway.holdings()).toEqual(NOTHING);
});

test('10,000 upstreams that refuse', { timeout: 60_000 }, async () => {
  const gone = await startRecordingUpstream();
  await gone.close();
  rig.put(1, gone.port);
  const before = descriptors();
  const request = rig.head('GET http://a.test/');
  const lanes = Array.from({ length: 20 }, async () => {
    const client = await RawClient.connect(rig.port);
    for (let i = 0; i < 500; i++) {
      client.text = '';
      await client.send(request).until((c) => c.text.endsWith('connection.\n'));
    }
    client.close();
  });
  await Promise.all(lanes);
  expect(rig.counted('upstream_refused')).toBe(10_000);
  await eventually('the descriptors are back', () => descriptors() === before);
  await eventually('nothing is held', () => rig.gateway.holdings().deadlines === 0, 15_000);
  expect(rig.gateway.holdings()).toEqual(NOTHING);
});
