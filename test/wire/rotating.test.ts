/**
 * Rotating providers through the proxy port: what a session, a client's key and what it asks
 * for become in the credential that the upstream sees, and which connections may carry it.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiKeyId, PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import { ASKS } from '../helpers/failover.ts';
import { POOL, poolState, sessionId, WORKSPACE } from '../helpers/gateway-rig.ts';
import { credentialsIn, minted, RotatingRig } from '../helpers/rotating-rig.ts';
import { eventually, RawClient, turns } from '../helpers/wire.ts';

let rig: RotatingRig;
beforeEach(async () => {
  rig = await RotatingRig.start();
});
afterEach(() => rig.close());

const explain = (username: string) =>
  rig.gateway.gateway.explain({ workspaceId: WORKSPACE, username, targetHost: 'a.test', targetPort: 443 });

describe.each(ASKS)('a client that asks by %s', (how) => {
  test('without a key has a fresh token each time', async () => {
    const tokens: string[] = [];
    for (let i = 0; i < 5; i++) tokens.push(await rig.tokenSent('default', how));
    for (const token of tokens) expect(token).toMatch(/^[a-z0-9]{12}$/);
    expect(new Set(tokens).size).toBe(5);
  });

  test('with a key has the same token each time, of the provider’s format', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await rig.tokenSent('default-session-Check.Out_1', how)).toBe(minted('Check.Out_1'));
      expect(await rig.tokenSent('default-session-other', how)).toBe(minted('other'));
    }
    expect(minted('Check.Out_1')).toMatch(/^[a-z0-9]{12}$/);
    expect(minted('Check.Out_1')).not.toBe(minted('other'));
  });

  test('by a live token has that one', async () => {
    rig.putSession(2);
    expect(await rig.tokenSent('default-session-own2', how)).toBe('own2');
    expect(await rig.tokenSent('default-session-own1', how)).toBe('own1');
  });

  test('by an account has its session’s own token', async () => {
    expect(await rig.tokenSent('default-account-alice', how)).toBe('own1');
    expect(await rig.tokenSent('default-account-alice', how)).toBe('own1');
  });

  test('gets the country and the life that it asks for', async () => {
    const token = minted('k');
    expect(await rig.sent('default-country-US-session-k-ttl-90s', how)).toBe(
      `acme-joe-country-us-sesstime-2-session-${token}:pw:x`,
    );
    expect(await rig.sent('default-session-k-ttl-10', how)).toBe(`acme-joe-sesstime-10-session-${token}:pw:x`);
    expect(await rig.sent('default-country-de-account-alice', how)).toBe('acme-joe-country-de-session-own1:pw:x');
  });

  test('is refused what the provider cannot spell, and nothing reaches the upstream', async () => {
    const { client, answers } = await rig.ask('default-country-usa', how);
    expect(answers).toEqual([how === 'SOCKS' ? 'reply 2' : 'selector_invalid']);
    if (how !== 'SOCKS') {
      expect(client.text).toMatch(/^HTTP\/1\.1 400 selector_invalid\r\n/);
      expect(client.text.endsWith('\r\n\r\nThe selector\'s "country" is not valid.\n')).toBe(true);
    }
    await turns();
    expect(rig.upstream.connections).toHaveLength(0);
    await eventually('it is counted', () => rig.gateway.counted('selector_invalid') === 1);
    expect(rig.gateway.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
  });
});

describe('a provider that mints nothing', () => {
  beforeEach(() => rig.putProvider({ mintTokens: false }));

  test('has its sessions’ own tokens, whatever the key', async () => {
    for (const username of ['default', 'default-session-k', 'default-session-own1', 'default-account-alice'])
      expect(await rig.tokenSent(username)).toBe('own1');
  });

  test('is told country and life all the same', async () => {
    expect(await rig.sent('default-country-us-ttl-5')).toBe('acme-joe-country-us-sesstime-5-session-own1:pw:x');
    expect(await rig.sent('default')).toBe('acme-joe-session-own1:pw:x');
  });

  test('mints from the next request on once it is told to', async () => {
    expect(await rig.tokenSent('default-session-k')).toBe('own1');
    rig.putProvider({ mintTokens: true });
    expect(await rig.tokenSent('default-session-k')).toBe(minted('k'));
  });
});

describe('labels', () => {
  test('of the session are told where the client asks for none of its own', async () => {
    rig.putSession(1, { labels: { country: 'de', city: 'berlin' } });
    const token = minted('k');
    expect(await rig.sent('default-session-k')).toBe(`acme-joe-country-de-session-${token}:pw:x`);
    expect(await rig.sent('default-session-k-country-us')).toBe(`acme-joe-country-us-session-${token}:pw:x`);
    rig.putSession(1, { labels: { country: 'fr' } });
    expect(await rig.sent('default-session-k')).toBe(`acme-joe-country-fr-session-${token}:pw:x`);
  });

  test('of the session that the provider cannot spell are left out', async () => {
    rig.putSession(1, { labels: { country: 'germany' } });
    expect(await rig.sent('default-session-own1')).toBe('acme-joe-session-own1:pw:x');
  });

  test('that the templates take leave no session out, and those that they do not take do', async () => {
    rig.putSession(1, { labels: { country: 'de', city: 'berlin' } });
    rig.putSession(2, { labels: { country: 'de', city: 'paris' } });
    for (let i = 0; i < 4; i++) {
      const { client } = await rig.ask('default-country-us-city-paris');
      expect(client.text).toContain(`Sallyport-Session: ${sessionId(2)}\r\n`);
      expect(rig.seen.at(-1)).toContain('-country-us-');
    }
    expect((await rig.ask('default-country-us-city-rome')).answers).toEqual(['pool_empty']);
    expect(rig.seen).toHaveLength(4);
  });

  test('that one provider’s templates take filter the sessions of another', async () => {
    rig.gateway.put(3, rig.upstream.port, { labels: { country: 'us' } });
    rig.gateway.put(4, rig.upstream.port, { labels: { country: 'de' } });
    for (let i = 0; i < 4; i++) await rig.sent('default-country-us');
    const kinds = rig.seen.map((credential) => credential.replace(/session-\w+/, 'session-*'));
    expect(new Set(kinds)).toEqual(new Set(['acme-joe-country-us-session-*:pw:x', 'user-3:pass-3']));
  });
});

describe('what cannot be told is refused by its key, and foreseen so', () => {
  const minutes = { placeholder: 'ttl_minutes', format: '[0-9]{1,2}' } as const;
  const CASES: readonly [string, string, () => void][] = [
    ['country', 'default-session-k-country-usa', () => undefined],
    ['ttl', 'default-ttl-100', () => rig.putProvider({ parameters: [minutes] })],
    ['session', 'default-session-k', allTokensTaken],
    ['session', 'default', allTokensTaken],
  ];
  function allTokensTaken(): void {
    rig.putProvider({ tokenFormat: '[ab]{1}' });
    rig.putSession(1, { token: 'a' });
    rig.putSession(2, { token: 'b' });
  }

  test.each(CASES)('%s: %s', async (key, username, prepare) => {
    prepare();
    const told = explain(username);
    expect(told).toMatchObject({ poolId: POOL, sessionId: null, runnerUpId: null, cause: 'selector_invalid' });
    expect(told.reason).toBe(`selector_invalid:${key}`);
    expect(told.eligibleCount).toBeGreaterThan(0);
    const { client, answers } = await rig.ask(username);
    expect(answers).toEqual(['selector_invalid']);
    expect(client.text).toContain(`The selector's "${key}" is not valid.\n`);
    expect(rig.upstream.connections).toHaveLength(0);
  });

  test('what can be told is foreseen with the session that serves it', async () => {
    for (const username of ['default', 'default-session-k', 'default-session-own1', 'default-country-us-ttl-5']) {
      expect(explain(username)).toMatchObject({ cause: null, sessionId: sessionId(1) });
      await rig.sent(username);
    }
  });
});

test('an explanation takes no token from the key of a client', async () => {
  const tokenFormat = '[0-9]{1}';
  rig.putProvider({ tokenFormat });
  const keys = Array.from({ length: 11 }, (_, i) => `k${i}`);
  const [first, second] = keys.flatMap((one, i) =>
    keys
      .slice(i + 1)
      .flatMap((other) => (minted(one, { tokenFormat }) === minted(other, { tokenFormat }) ? [one, other] : [])),
  );
  explain(`default-session-${first}`);
  expect(await rig.tokenSent(`default-session-${second}`)).toBe(minted(second!, { tokenFormat }));
  // The later of two who asked indeed takes another.
  expect(await rig.tokenSent(`default-session-${first}`)).not.toBe(minted(first!, { tokenFormat }));
});

test('the same key of another workspace has another token', async () => {
  const key = 'sp_live_ffeeddccbbaa99887766554433221100';
  const workspaceId = '018f8c1e-7a2b-7c3d-9e4f-00000000000b' as WorkspaceId;
  const id = '018f8c20-1111-7aaa-8bbb-0000000000ee' as ProviderId;
  const poolId = '018f8c21-2222-7c8c-8ddd-00000000000b' as PoolId;
  const session = { id: sessionId(9), poolId, providerId: id, token: 'own1', endpoint: null, localAddress: null };
  rig.gateway.gateway.apply([
    {
      kind: 'key-put',
      key: {
        id: '018f8c20-0000-7000-8000-00000000000b' as ApiKeyId,
        workspaceId,
        hash: createHash('sha256').update(key).digest('hex'),
        mayUseGateway: true,
        expiresAtMs: null,
      },
    },
    { kind: 'pool-put', pool: poolState({ id: poolId, workspaceId }) },
  ]);
  rig.putProvider({ id, workspaceId });
  rig.gateway.gateway.apply([
    {
      kind: 'session-put',
      session: { ...session, username: null, password: null, tlsInsecure: false, labels: null, enabled: true },
    },
  ]);
  const own = await rig.tokenSent('default-session-k');
  const authorization = `Basic ${Buffer.from(`default-session-k:${key}`).toString('base64')}`;
  const client = await RawClient.connect(rig.gateway.port);
  rig.clients.push(client);
  client.send(`GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
  await client.until(({ text }) => text.endsWith('ok'));
  expect(client.text).toContain(`Sallyport-Session: ${sessionId(9)}\r\n`);
  expect(rig.seen.at(-1)).toBe(`acme-joe-session-${minted('k', { workspaceId, id })}:pw:x`);
  expect(own).toBe(minted('k'));
  expect(own).not.toBe(minted('k', { workspaceId, id }));
});

test('connections are kept, and none of them ever carries two tokens', async () => {
  const inTurn = await Promise.all(
    [1, 3, 7, 9].map(async (stride) => {
      const client = await RawClient.connect(rig.gateway.port);
      rig.clients.push(client);
      for (let i = 0; i < 50; i++) {
        client.text = '';
        const username = `default-session-key${(i * stride) % 20}`;
        await client
          .send(rig.gateway.head('GET http://a.test/', [], username))
          .until(({ text }) => text.endsWith('ok'));
      }
      return 50;
    }),
  );
  expect(inTurn.reduce((sum, count) => sum + count)).toBe(200);
  expect(rig.seen).toHaveLength(200);
  const byConnection = rig.upstream.connections.map(({ text }) => new Set(credentialsIn(text)));
  expect(byConnection.map(({ size }) => size)).toEqual(byConnection.map(() => 1));
  const expected = Array.from({ length: 20 }, (_, i) => `acme-joe-session-${minted(`key${i}`)}:pw:x`);
  expect(new Set(byConnection.flatMap((one) => [...one]))).toEqual(new Set(expected));
  // Each client waits for its answer, so at most four are open for a key at once.
  expect(rig.upstream.connections.length).toBeLessThanOrEqual(80);
});

test('all keys of a session share its limits', async () => {
  rig.gateway.putPool({ maxTunnelsPerSession: 1 });
  const first = await rig.ask('default-session-a', 'CONNECT');
  expect(first.answers).toEqual(['200']);
  const second = await rig.ask('default-session-b', 'CONNECT');
  expect(second.answers).toEqual(['limit_reached']);
  for (const { client } of [first, second]) expect(client.text).toContain(sessionId(1));
});
