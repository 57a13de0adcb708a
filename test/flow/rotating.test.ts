/** A rotating provider with one session and minted tokens, through the whole product and over a restart. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serving } from '../helpers/failover.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { credentialsIn } from '../helpers/rotating-rig.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let upstream: RecordingUpstream;
const product = new Product();
/** The credential of each request that reached the upstream, in clear, in order. */
const seen: string[] = [];
let sessionId: string;
let providerId: string;

beforeAll(async () => {
  upstream = await startRecordingUpstream((recorded, chunk) => {
    seen.push(...credentialsIn(chunk.toString('latin1')));
    serving(recorded, chunk);
  });
  await product.start();
  const { pool } = await product.proxies('CreatePool', { name: 'rotating' });
  const { provider } = await product.proxies('ConnectProvider', {
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { scheme: 'http', host: '127.0.0.1', port: upstream.port },
    usernameTemplate: 'acme-{username}[-country-{country}][-sesstime-{ttl_minutes}]-session-{token}',
    tokenFormat: '[a-z0-9]{12}',
    credentials: Buffer.from('joe:pw').toString('base64'),
    mintTokens: true,
  });
  const created = { poolId: pool.id, providerId: provider.id, token: 'checkout0001', labels: { country: 'de' } };
  const { session } = await product.proxies('CreateSession', created);
  sessionId = uuidOf(session.id);
  providerId = provider.id;
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

/** The credential that a request was served with, by the one session. */
async function sent(selector: string): Promise<string> {
  const client = new ProxiedClient(product.gatewayPort);
  const before = seen.length;
  const answer = await client.get('http://target.test/', product.authorization(selector));
  client.close();
  expect(answer).toMatchObject({ status: 200, sessionId });
  expect(seen).toHaveLength(before + 1);
  return seen.at(-1)!;
}

const KEYS = ['k1', 'k2', 'Another.Key~3'];

test('one session serves every key with a token of its own, which is the same after a restart', async () => {
  const before: string[] = [];
  for (const key of KEYS) before.push(await sent(`rotating-session-${key}`));
  for (const credential of before) expect(credential).toMatch(/^acme-joe-country-de-session-[a-z0-9]{12}:pw$/);
  expect(new Set(before).size).toBe(KEYS.length);
  expect(await product.stop()).toBe(0);
  await product.start();
  // In another order, as no key's token depends on who came first.
  const after: string[] = [];
  for (const key of KEYS.toReversed()) after.unshift(await sent(`rotating-session-${key}`));
  expect(after).toEqual(before);
});

test('without a key each token is another; the session’s own is for who names it, and for accounts', async () => {
  const fresh = [await sent('rotating'), await sent('rotating'), await sent('rotating')];
  expect(new Set(fresh).size).toBe(3);
  const own = 'acme-joe-country-de-session-checkout0001:pw';
  expect(fresh).not.toContain(own);
  expect(await sent('rotating-session-checkout0001')).toBe(own);
  expect(await sent('rotating-account-alice')).toBe(own);
  expect(await sent('rotating-country-us-account-alice-ttl-10')).toBe(
    'acme-joe-country-us-sesstime-10-session-checkout0001:pw',
  );
});

test('what the provider cannot spell is refused by its key, and ResolveSession says the same', async () => {
  const before = seen.length;
  const client = new ProxiedClient(product.gatewayPort);
  const selector = 'rotating-session-k1-country-usa';
  const answer = await client.get('http://target.test/', product.authorization(selector));
  client.close();
  expect(answer).toMatchObject({ status: 400, reason: 'selector_invalid' });
  const target = { targetHost: 'target.test', targetPort: 80 };
  expect(await product.proxies('ResolveSession', { username: selector, ...target })).toMatchObject({
    cause: 'selector_invalid',
    reason: 'selector_invalid:country',
    eligibleCount: '1',
  });
  const told = await product.proxies('ResolveSession', { username: 'rotating-session-k1-country-us', ...target });
  expect(told.cause).toBeUndefined();
  expect(uuidOf(told.sessionId)).toBe(sessionId);
  expect(seen).toHaveLength(before);
});

test('another credential keeps the tokens; a provider that mints no longer has its session’s', async () => {
  const before = await sent('rotating-session-k1');
  const credentials = Buffer.from('joe:other').toString('base64');
  await product.proxies('UpdateProvider', { providerId, credentials });
  expect(await sent('rotating-session-k1')).toBe(before.replace(/:pw$/, ':other'));
  await product.proxies('UpdateProvider', { providerId, mintTokens: false });
  expect(await sent('rotating-session-k1')).toBe('acme-joe-country-de-session-checkout0001:other');
});
