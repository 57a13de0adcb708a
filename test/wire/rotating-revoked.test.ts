/**
 * When the credentials of a rotating provider's requests are not sent any more: what they were
 * spelled from has changed, and idle connections and tunnels go with it; a route that merely lost
 * its place among others takes its idle connections along, and no tunnel.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ask, answersOf, askFor, serving } from '../helpers/failover.ts';
import { POOL, poolState } from '../helpers/gateway-rig.ts';
import { credentialsIn, minted, ROTATING, RotatingRig } from '../helpers/rotating-rig.ts';
import { eventually, RawClient } from '../helpers/wire.ts';

/** In an order in which a kept connection of the upstream, which is a simple one, can serve what comes next. */
const IN_TURN: readonly Ask[] = ['upgrade', 'GET', 'POST', 'CONNECT', 'SOCKS'];

let rig: RotatingRig;
beforeEach(async () => {
  rig = await RotatingRig.start();
});
afterEach(() => rig.close());

/** Whether an open tunnel carries octets both ways. */
async function carries(client: RawClient, word: string): Promise<boolean> {
  client.send(word);
  await eventually('an echo, or the end', () => client.text.includes(word) || client.socket.destroyed);
  return client.text.includes(word);
}

describe.each<[change: string, after: string, () => void]>([
  ['the provider’s password changes', '200', () => rig.putProvider({ password: 'joe:other' })],
  ['its templates change', '200', () => rig.putProvider({ usernameTemplate: 'new-{username}-session-{token}' })],
  ['the format of its tokens changes', '200', () => rig.putProvider({ tokenFormat: '[a-z]{8}' })],
  ['it mints no longer', '200', () => rig.putProvider({ mintTokens: false })],
  ['it is disabled', 'pool_empty', () => rig.putProvider({ enabled: false })],
  ['it is gone', 'pool_empty', () => rig.gateway.gateway.apply([{ kind: 'provider-gone', providerId: ROTATING }])],
  ['its session has another token', '200', () => rig.putSession(1, { token: 'own9' })],
  ['its session is disabled', 'pool_empty', () => rig.putSession(1, { enabled: false })],
  ['its session is gone', 'pool_empty', () => rig.gateway.remove(1)],
  [
    'its pool is disabled',
    'pool_disabled',
    () => rig.gateway.gateway.apply([{ kind: 'pool-put', pool: poolState({ enabled: false }) }]),
  ],
  ['its pool is gone', 'pool_unknown', () => rig.gateway.gateway.apply([{ kind: 'pool-gone', poolId: POOL }])],
])('when %s', (_, after, change) => {
  test('idle connections close and tunnels are cut, of keys and of fresh tokens', async () => {
    for (const username of ['default-session-k', 'default', 'default-country-us']) {
      await rig.sent(username);
      await rig.ask(username, 'CONNECT');
    }
    expect(rig.gateway.gateway.holdings()).toMatchObject({ idleUpstreams: 3, tunnels: 3 });
    const before = rig.upstream.connections.length;
    change();
    expect(rig.gateway.gateway.holdings().idleUpstreams).toBe(0);
    await eventually('all are closed', () => rig.upstream.connections.every(({ socket }) => socket.destroyed));
    await eventually('they are counted', () => rig.gateway.counted('revoked') === 3);
    expect(rig.gateway.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
    expect(rig.upstream.connections).toHaveLength(before);
  });

  test('a connection that was busy then is not kept', async () => {
    let answer = (): void => undefined;
    rig.upstream.behave(({ socket }) => {
      answer = () => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const client = await askFor(rig.gateway, 'GET', 'default-session-k');
    rig.clients.push(client);
    await eventually('it is at the upstream', () => rig.upstream.received().includes('\r\n\r\n'));
    change();
    answer();
    await answersOf(client, 'GET');
    rig.upstream.behave(serving);
    expect((await rig.ask('default-session-k')).answers).toEqual([after]);
    const [old, ...late] = rig.upstream.connections.map(({ text }) => credentialsIn(text).length);
    expect([old, late]).toEqual([1, after === '200' ? [1] : []]);
  });
});

test('nothing goes out with the old credential after a change, by any way of asking', async () => {
  for (const how of IN_TURN) await rig.sent('default-session-k', how);
  rig.putProvider({ password: 'joe:other' });
  rig.seen.length = 0;
  for (const how of IN_TURN) await rig.sent('default-session-k', how);
  expect(new Set(rig.seen)).toEqual(new Set([`acme-joe-session-${minted('k')}:other`]));
});

test.each<[string, () => void]>([
  ['the credential', () => rig.putProvider({ password: 'joe:other' })],
  ['its session’s own route', () => rig.putSession(1, { token: 'own9' })],
  ['its session', () => rig.gateway.remove(1)],
])('a tunnel outlives its route’s place among 256 fresh ones, and is cut with %s', async (_, change) => {
  await rig.sent('default');
  const [firstIdle] = rig.upstream.connections;
  const { client: tunnel } = await rig.ask('default', 'CONNECT');
  const client = await RawClient.connect(rig.gateway.port);
  rig.clients.push(client);
  for (let i = 0; i < 257; i++) {
    client.text = '';
    await client.send(rig.gateway.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  }
  expect(new Set(rig.seen).size).toBe(259);
  await eventually('what nobody asks for again is closed', () => firstIdle!.socket.destroyed);
  expect(await carries(tunnel, 'still here')).toBe(true);
  change();
  await eventually('the tunnel is cut', () => tunnel.socket.destroyed);
});
