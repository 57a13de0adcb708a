/** Choosing: even without a key; with one, the same exit until its session leaves. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: RecordingUpstream;

beforeAll(async () => {
  await product.start();
  upstream = await startRecordingUpstream();
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

/** Adds n sessions to a pool; answers their ids as wire ids. */
async function addSessions(poolId: string, prefix: string, n: number): Promise<string[]> {
  const sessions = Array.from({ length: n }, (_, i) => ({
    token: `${prefix}-${i}`,
    scheme: 'http',
    host: '127.0.0.1',
    port: upstream.port,
    username: `u-${prefix}-${i}`,
    password: 'p',
  }));
  const { providerId } = product.bootstrap;
  const answer = await product.proxies('BulkCreateSessions', { poolId, providerId, sessions });
  expect(answer).toMatchObject({ createdCount: n, existingCount: 0 });
  return answer.sessions.map(({ id }: { id: string }) => id);
}

/** Which session each key is on now. */
async function sessionsOf(pool: string, keys: readonly string[]): Promise<Map<string, string>> {
  const client = new ProxiedClient(product.gatewayPort);
  const found = new Map<string, string>();
  for (const key of keys) {
    const { status, sessionId } = await client.get('http://a.test/', product.authorization(`${pool}-session-${key}`));
    expect(status).toBe(200);
    found.set(key, sessionId!);
  }
  client.close();
  return found;
}

test('requests without a key are spread evenly: each session serves its share, give or take one', async () => {
  const { pool } = await product.proxies('CreatePool', { name: 'even' });
  await addSessions(pool.id, 'even', 7);
  const counts = new Map<string, number>();
  const clients = Array.from({ length: 5 }, () => new ProxiedClient(product.gatewayPort));
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < 45; i++) {
        const { sessionId } = await client.get('http://a.test/', product.authorization('even'));
        counts.set(sessionId!, (counts.get(sessionId!) ?? 0) + 1);
      }
      client.close();
    }),
  );
  expect([...counts.values()].sort()).toEqual([32, 32, 32, 32, 32, 32, 33]);
});

test('a key stays over adding, removing others and a restart; only keys of removed sessions move', async () => {
  const { pool } = await product.proxies('CreatePool', { name: 'sticky' });
  const first = await addSessions(pool.id, 'old', 20);
  const keys = Array.from({ length: 300 }, (_, i) => `customer${i}`);
  const before = await sessionsOf('sticky', keys);
  // Session ids are random, and so is each one's share of the keys: nearly all of them have some.
  expect(new Set(before.values()).size).toBeGreaterThan(15);

  await product.stop();
  await product.start();
  expect(await sessionsOf('sticky', keys)).toEqual(before);

  await addSessions(pool.id, 'new', 20);
  expect(await sessionsOf('sticky', keys)).toEqual(before);

  await product.stop();
  await product.start();
  expect(await sessionsOf('sticky', keys)).toEqual(before);

  const removed = first.slice(0, 5);
  for (const sessionId of removed) await product.proxies('DeleteSession', { sessionId });
  const gone = new Set(removed.map(uuidOf));
  const after = await sessionsOf('sticky', keys);
  for (const key of keys) {
    const was = before.get(key)!;
    if (gone.has(was)) expect(gone.has(after.get(key)!)).toBe(false);
    else expect(after.get(key)).toBe(was);
  }
});

test('a key that equals a live token is that very session', async () => {
  const found = await sessionsOf('sticky', ['old-7', 'new-3']);
  const { sessions } = await product.proxies('BatchGetSessions', {
    sessionIds: (await product.proxies('ListSessions', { limit: 1_000 })).sessionIds,
  });
  const idOf = (token: string): string => uuidOf(sessions.find((one: { token: string }) => one.token === token).id);
  expect(found.get('old-7')).toBe(idOf('old-7'));
  expect(found.get('new-3')).toBe(idOf('new-3'));
});
