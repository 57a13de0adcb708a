/**
 * Upstream connections serve one identity: they are kept for the same session
 * and credential only, retried once when they turn out dead, and end with the
 * session they belong to (E14, E15, A09).
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, KEY, LOCAL, POOL, poolState, STATIC, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answering,
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
  client = await RawClient.connect(rig.port);
});
afterEach(async () => {
  client.close();
  await rig.close();
  await upstream.close();
});

async function get(username?: string): Promise<string> {
  client.text = '';
  return client.send(rig.head('GET http://a.test/', [], username)).until((c) => /\r\n\r\n[\s\S]+/.test(c.text));
}

/** The credentials that each upstream connection has seen. */
function credentialsSeen(): string[][] {
  return upstream.connections.map(({ text }) => [
    ...new Set(
      [...text.matchAll(/Proxy-Authorization: Basic (\S+)/g)].map(([, pair]) =>
        Buffer.from(pair!, 'base64').toString(),
      ),
    ),
  ]);
}

describe('a kept connection', () => {
  test('serves the next request of the same session only', async () => {
    rig.put(2, upstream.port);
    rig.put(3, upstream.port);
    for (let i = 0; i < 30; i++) await get();
    expect(credentialsSeen().sort()).toEqual([['user-1:pass-1'], ['user-2:pass-2'], ['user-3:pass-3']]);
  });

  test('is closed at once by a change of its credential, and never used again', async () => {
    await get();
    rig.put(1, upstream.port, { password: 'changed' });
    expect(rig.gateway.holdings().idleUpstreams).toBe(0);
    await get();
    expect(credentialsSeen()).toEqual([['user-1:pass-1'], ['user-1:changed']]);
    await eventually('the first is closed', () => upstream.connections[0]!.socket.destroyed);
  });

  test.each([
    ['the session is removed', () => rig.remove(1)],
    ['the session is disabled', () => rig.put(1, upstream.port, { enabled: false })],
    ['its pool is disabled', () => rig.gateway.apply([{ kind: 'pool-put', pool: poolState({ enabled: false }) }])],
    ['its pool is gone', () => rig.gateway.apply([{ kind: 'pool-gone', poolId: POOL }])],
    ['its provider is gone', () => rig.gateway.apply([{ kind: 'provider-gone', providerId: STATIC }])],
  ])('is closed at once when %s', async (_, change) => {
    await get();
    expect(rig.gateway.holdings().idleUpstreams).toBe(1);
    change();
    expect(rig.gateway.holdings().idleUpstreams).toBe(0);
    await eventually('the upstream sees it', () => upstream.connections[0]!.socket.destroyed, 1_000);
    expect(await get()).toMatch(/^HTTP\/1\.1 (?:503 pool_empty|503 pool_disabled|403 pool_unknown)\r\n/);
  });

  test('is not kept when the upstream said close, or sent more than it owed', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'));
    await get();
    expect(rig.gateway.holdings().idleUpstreams).toBe(0);
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 poison\r\n\r\n'));
    await get();
    expect(rig.gateway.holdings().idleUpstreams).toBe(0);
  });

  test('is dropped when the upstream speaks unasked', async () => {
    await get();
    upstream.connections[0]!.socket.write('HTTP/1.1 408 x\r\n\r\n');
    await eventually('it is dropped', () => rig.gateway.holdings().idleUpstreams === 0);
    upstream.behave(answerOk);
    expect(await get()).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('a kept connection that turns out dead', () => {
  /** Serves the first request of a connection, and dies at the second. */
  beforeEach(() => {
    upstream.behave((recorded, chunk) => {
      const requests = recorded.text.match(/HTTP\/1\.1\r\nHost/g)?.length ?? 0;
      if (requests > 1) recorded.socket.destroy();
      else if (recorded.text.endsWith('\r\n\r\n') || recorded.text.endsWith('hi'))
        answerOk({ ...recorded, text: '\r\n\r\n' }, chunk);
    });
  });

  test('GET is sent once more on a new one', async () => {
    await get();
    expect(await get()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(upstream.connections.map(({ text }) => text.match(/GET/g)?.length)).toEqual([2, 1]);
  });

  test('POST is not', async () => {
    await get();
    client.text = '';
    await client
      .send(`${rig.head('POST http://a.test/', ['Content-Length: 2'])}hi`)
      .until((c) => c.text.includes('early.\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_reset\r\n/);
    expect(upstream.connections).toHaveLength(1);
  });

  test('GET on a new connection is not sent again', async () => {
    upstream.behave(({ socket }) => socket.destroy());
    expect(await get()).toMatch(/^HTTP\/1\.1 502 upstream_reset\r\n/);
    expect(upstream.connections).toHaveLength(1);
  });
});

describe('an open tunnel is cut within a second', () => {
  beforeEach(async () => {
    upstream.behave(echoTunnel);
    await client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
  });
  test.each([
    ['the session is removed', () => rig.remove(1)],
    ['the session is disabled', () => rig.put(1, upstream.port, { enabled: false })],
    [
      'the key is revoked',
      () => rig.gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update(KEY).digest('hex') }]),
    ],
    ['the session’s credential changes', () => rig.put(1, upstream.port, { password: 'changed' })],
    ['the pool is gone', () => rig.gateway.apply([{ kind: 'pool-gone', poolId: POOL }])],
    ['the provider is gone', () => rig.gateway.apply([{ kind: 'provider-gone', providerId: STATIC }])],
  ])('when %s', async (_, change) => {
    change();
    await eventually('both sides are over', () => client.closed && upstream.connections[0]!.socket.destroyed, 1_000);
    expect(client.failed).toBe(true);
    await eventually('it is counted', () => rig.counted('revoked') === 1);
    expect(rig.gateway.holdings().inFlight).toBe(0);
  });

  test('but not when another session changes', async () => {
    rig.put(2, upstream.port);
    rig.remove(2);
    rig.gateway.apply([{ kind: 'provider-gone', providerId: LOCAL }]);
    await client.send('still here').until((c) => c.text.endsWith('still here'));
  });
});
