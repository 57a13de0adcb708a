/** The caps at each level, through the front door: what is beyond a bound is refused by name, and the slot comes back. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { type Blackhole, startBlackhole } from '../helpers/wire-blackhole.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;
let blackhole: Blackhole | null = null;
const clients: RawClient[] = [];

async function start(limits: Partial<GatewayLimits> = {}): Promise<void> {
  rig = await startGatewayRig({ limits });
  upstream = await startRecordingUpstream(echoTunnel);
  rig.put(1, upstream.port);
}
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await rig.close();
  await upstream.close();
  await blackhole?.close();
  blackhole = null;
});

async function client(): Promise<RawClient> {
  const made = await RawClient.connect(rig.port);
  clients.push(made);
  return made;
}

/** Asks on a connection of its own; answers the client and the status line. */
async function ask(line: string, username?: string): Promise<{ by: RawClient; line: string }> {
  const by = await client();
  const text = await by.send(rig.head(line, [], username)).until((c) => c.text.includes('\r\n\r\n'));
  return { by, line: text.split('\r\n')[0]! };
}

const LIMITED = 'HTTP/1.1 429 limit_reached';
const OVERLOADED = 'HTTP/1.1 503 overloaded';
const OPEN = 'HTTP/1.1 200 Connection established';

test('a workspace has so many requests and tunnels, whatever key they came with', async () => {
  await start({ maxConnectionsPerWorkspace: 2 });
  const first = await ask('CONNECT a.test:443');
  const second = await ask('CONNECT a.test:443');
  expect([first.line, second.line]).toEqual([OPEN, OPEN]);
  const third = await ask('GET http://a.test/');
  expect(third.line).toBe(LIMITED);
  expect(third.by.text).toContain('\r\nRetry-After: 1\r\n');
  first.by.close();
  await eventually('its slot is free', () => rig.gateway.holdings().slots.requests === 1);
  expect((await ask('CONNECT a.test:443')).line).toBe(OPEN);
});

test('an address has so many connections, and another one is not concerned', async () => {
  await start({ maxConnectionsPerAddress: 2 });
  await client();
  await client();
  const third = await client();
  expect(await third.untilEnd()).toMatch(/^HTTP\/1\.1 503 overloaded\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
  const other = connect({ host: '127.0.0.1', port: rig.port, localAddress: '127.0.0.9' });
  other.write(rig.head('CONNECT a.test:443'));
  const [chunk] = (await once(other, 'data')) as [Buffer];
  expect(chunk.toString('latin1')).toContain(OPEN);
  other.destroy();
  clients[0]!.close();
  await eventually('its slot is free', () => rig.gateway.holdings().slots.connections === 1);
  expect((await ask('CONNECT a.test:443')).line).toBe(OPEN);
});

test('a session has as many tunnels as its pool allows; plain requests and a bound of 0 do not count', async () => {
  await start();
  rig.putPool({ maxTunnelsPerSession: 2 });
  const first = await ask('CONNECT a.test:443');
  const second = await ask('CONNECT a.test:443');
  const third = await ask('CONNECT a.test:443');
  expect([first.line, second.line, third.line]).toEqual([OPEN, OPEN, LIMITED]);
  expect(third.by.text).toContain('\r\nSallyport-Session: ');
  upstream.behave(answerOk);
  expect((await ask('GET http://a.test/')).line).toBe('HTTP/1.1 200 OK');
  upstream.behave(echoTunnel);
  second.by.close();
  await eventually('its slot is free', () => rig.gateway.holdings().slots.tunnels === 1);
  expect((await ask('CONNECT a.test:443')).line).toBe(OPEN);
  // Tunnels of before the policy was changed count for the new one.
  rig.putPool({ maxTunnelsPerSession: 0 });
  expect((await ask('CONNECT a.test:443')).line).toBe(OPEN);
  rig.putPool({ maxTunnelsPerSession: 3 });
  expect((await ask('CONNECT a.test:443')).line).toBe(LIMITED);
});

test('a CONNECT storm to a black hole: a session has so many dials, and all together so many (R-08)', async () => {
  await start({ maxPendingDials: 6, connectTimeoutMs: 700 });
  blackhole = await startBlackhole();
  // Each request tries once, and nobody is left out: what is looked at is who gets a slot.
  rig.putPool({ maxPendingDialsPerSession: 4, maxAttempts: 1, maxEjectedPercent: 0 });
  rig.put(1, blackhole.port);
  const storm = async (n: number): Promise<RawClient[]> => {
    const all = await Promise.all(Array.from({ length: n }, client));
    for (const one of all) one.send(rig.head('CONNECT a.test:443'));
    return all;
  };
  const first = await storm(50);
  const refused = (): RawClient[] => first.filter(({ text }) => text.startsWith(LIMITED));
  await eventually('all but four are refused at once', () => refused().length === 46, 500);
  expect(rig.gateway.holdings().slots).toMatchObject({ dials: 4, requests: 4 });
  // Plain requests need a dial too.
  const plain = await ask('GET http://a.test/');
  expect(plain.line).toBe(LIMITED);
  // Another session, in turn with the first, has its own four, of which two are left in all.
  rig.put(2, blackhole.port);
  const second = await storm(20);
  await eventually('six dials are under way', () => rig.gateway.holdings().slots.dials === 6, 500);
  await eventually('the rest is refused', () => second.filter(({ text }) => text !== '').length === 18, 500);
  expect(second.filter(({ text }) => text.startsWith(OVERLOADED)).length).toBeGreaterThanOrEqual(14);
  await eventually('all of it is over', () => rig.gateway.holdings().inFlight === 0, 2_000);
  expect(rig.gateway.holdings().slots).toMatchObject({ dials: 0, requests: 0, tunnels: 0 });
  // A slot that was lost would show here: four fit, as at first.
  rig.remove(2);
  const again = await storm(5);
  await eventually('one is refused', () => again.filter(({ text }) => text !== '').length === 1, 500);
  expect(rig.gateway.holdings().slots.dials).toBe(4);
});

test('requests in a pipeline that find no dial are answered one by one', async () => {
  await start({ maxPendingDials: 1, connectTimeoutMs: 60_000 });
  blackhole = await startBlackhole();
  rig.put(1, blackhole.port);
  const waiting = await client();
  waiting.send(rig.head('GET http://a.test/'));
  await eventually('it is dialled', () => rig.gateway.holdings().slots.dials === 1);
  const pipelined = await client();
  pipelined.send(rig.head('GET http://a.test/').repeat(300));
  await pipelined.until(({ text }) => text.split(OVERLOADED).length === 301, 20_000);
  expect(waiting.text).toBe('');
});
