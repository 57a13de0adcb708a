/**
 * LOCAL sessions: plain requests and CONNECT leave from this machine through the
 * embedded exit, which serves nobody else and never leads back to ourselves.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AddressGuard } from '../../gateway/address-guard.ts';
import { Deadlines } from '../../gateway/deadlines.ts';
import { LocalExitServer } from '../../gateway/exits/local-exit.ts';
import { NameResolver } from '../../gateway/name-resolver.ts';
import { OwnAddresses } from '../../gateway/own-addresses.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type GatewayRig, LOCAL, POOL, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import { converse, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let rig: GatewayRig;
let target: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig();
  target = await startRecordingUpstream();
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
});
afterEach(async () => {
  await rig.close();
  await target.close();
});

test('a plain request reaches the target in origin-form, and nothing of any credential with it', async () => {
  const client = await RawClient.connect(rig.port);
  await client
    .send(rig.head(`GET http://127.0.0.1:${target.port}/x?y`, ['X-One: 1']))
    .until((c) => c.text.endsWith('ok'));
  expect(target.received()).toBe(`GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nX-One: 1\r\n\r\n`);
  expect(client.text).toContain(`Sallyport-Session: ${sessionId(1)}`);
  await client
    .send(rig.head(`OPTIONS http://127.0.0.1:${target.port}`))
    .until((c) => c.text.match(/ok/g)?.length === 2);
  expect(target.received()).toContain('OPTIONS * HTTP/1.1\r\n');
  expect(target.connections).toHaveLength(1);
  client.close();
});

test('CONNECT tunnels to the target, from the address that the session names', async () => {
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null, localAddress: '127.0.0.7' });
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(`CONNECT 127.0.0.1:${target.port}`)).until((c) => c.text.endsWith('\r\n\r\n'));
  await client.send('GET / HTTP/1.1\r\n\r\n').until((c) => c.text.endsWith('ok'));
  expect(target.received()).toBe('GET / HTTP/1.1\r\n\r\n');
  expect(target.connections[0]!.socket.remoteAddress).toBe('127.0.0.7');
  client.close();
});

test('a target that refuses is target_unreachable', async () => {
  const { port } = target;
  await target.close();
  for (const line of [`CONNECT 127.0.0.1:${port}`, `GET http://127.0.0.1:${port}/`]) {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(line)).until((c) => c.text.includes('target.\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 502 target_unreachable\r\n/);
    client.close();
  }
});

describe('the gateway itself is no target', () => {
  test.each(['127.0.0.1', '127.1', '0.0.0.0', 'localhost', 'LOCALHOST.', 'a.localhost', '[::1]', '[::ffff:127.0.0.1]'])(
    '%s',
    async (host) => {
      for (const line of [`CONNECT ${host}:${rig.port}`, `GET http://${host}:${rig.port}/`]) {
        const client = await RawClient.connect(rig.port);
        await client.send(rig.head(line)).until((c) => c.text.includes('gateway.\n'));
        expect(client.text).toMatch(/^HTTP\/1\.1 508 loop_detected\r\n/);
        client.close();
      }
      expect(rig.gateway.holdings().clientConnections).toBeLessThanOrEqual(2);
    },
  );
});

describe('the exit', () => {
  let exit: LocalExitServer;
  let own: OwnAddresses;
  let resolver: NameResolver;
  beforeEach(async () => {
    const options = {
      clock: systemClock,
      deadlines: new Deadlines(),
      dnsTimeoutMs: 1_000,
      dnsServers: ['127.0.0.1:9'],
    };
    resolver = new NameResolver(options);
    own = new OwnAddresses((host) => resolver.known(host));
    exit = await LocalExitServer.start(new AddressGuard(resolver, own, true), () => false);
  });
  afterEach(async () => {
    await exit.close();
    resolver.close();
  });

  test.each([
    ['no credential', ''],
    [
      'a credential that is not ours',
      `Proxy-Authorization: Basic ${Buffer.from(`${sessionId(1)}~:guess`).toString('base64')}\r\n`,
    ],
  ])('refuses %s', async (_, line) => {
    const authority = `127.0.0.1:${target.port}`;
    const client = await converse(exit.port, `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${line}\r\n`);
    expect(client.text).toMatch(/^HTTP\/1\.1 407 /);
    expect(target.connections).toHaveLength(0);
  });

  test.each(['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost'])(
    'does not lead to one of our ports as %s',
    async (host) => {
      own.guard(target.port);
      const authority = `${host}:${target.port}`;
      const credential = exit.authorizationFor(sessionId(1), null, POOL);
      const client = await converse(
        exit.port,
        `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: ${credential}\r\n\r\n`,
      );
      expect(client.text).toMatch(/^HTTP\/1\.1 508 /);
      expect(target.connections).toHaveLength(0);
    },
  );
});
