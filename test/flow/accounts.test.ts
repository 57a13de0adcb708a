/**
 * Accounts as their applications see them, through the whole product: one exit of their own,
 * kept over a restart, a power cut and a pool that grows; moved once, for a reason that can be looked up.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const SESSIONS = 10;
const GROWN = 9_990;
const ACCOUNTS = Array.from({ length: 25 }, (_, i) => `shop-${i}`);

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: RecordingUpstream;
let poolId: string;

beforeAll(async () => {
  await product.start();
  upstream = await startRecordingUpstream();
  ({ id: poolId } = (await product.proxies('CreatePool', { name: 'shops' })).pool);
  await addSessions(0, SESSIONS);
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

async function addSessions(from: number, count: number): Promise<void> {
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  const sessions = Array.from({ length: count }, (_, i) => ({ token: `exit-${from + i}`, ...endpoint }));
  await product.proxies('BulkCreateSessions', { poolId, providerId: product.bootstrap.providerId, sessions });
}

/** One request of each account; whom it went through, in wire ids of UUID text. */
async function ask(): Promise<Map<string, string>> {
  const client = new ProxiedClient(product.gatewayPort);
  const found = new Map<string, string>();
  for (const account of ACCOUNTS) {
    const { status, sessionId } = await client.get('http://a.test/', product.authorization(`shops-account-${account}`));
    expect([account, status]).toEqual([account, 200]);
    found.set(account, sessionId!);
  }
  client.close();
  return found;
}

/** The stored assignments, by account. */
async function stored(): Promise<Map<string, string>> {
  const { assignmentIds } = await product.proxies('ListAssignments', { poolId, limit: 1_000 });
  const { assignments = [] } = await product.proxies('BatchGetAssignments', { assignmentIds });
  return new Map(
    assignments.map((one: { accountName: string; sessionId: string }) => [one.accountName, uuidOf(one.sessionId)]),
  );
}

async function writtenAs(found: ReadonlyMap<string, string>): Promise<void> {
  const asWanted = async () => {
    const rows = await stored();
    return new Map([...found.keys()].map((account) => [account, rows.get(account)]));
  };
  await expect.poll(asWanted, { timeout: 5_000 }).toEqual(found);
}

let first: Map<string, string>;

test('the first request binds an account to the least-assigned session, durably, with an event', async () => {
  first = await ask();
  const counts = new Map<string, number>();
  for (const session of first.values()) counts.set(session, (counts.get(session) ?? 0) + 1);
  expect([...counts.values()].sort()).toEqual([2, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
  await writtenAs(first);
  const { workspaceId } = product.bootstrap;
  const { body } = await product.call('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
  const events = body.events.filter(({ method }: { method: string }) => method === 'gateway.Bind');
  expect(events).toHaveLength(ACCOUNTS.length);
  expect(await ask()).toEqual(first);
});

test('it stays over a restart, a power cut, and growth of the pool', { timeout: 60_000 }, async () => {
  expect(await product.stop()).toBe(0);
  await product.start();
  expect(await ask()).toEqual(first);
  await product.kill();
  await product.start();
  expect(await ask()).toEqual(first);
  await addSessions(SESSIONS, GROWN);
  expect(await ask()).toEqual(first);
  await product.kill();
  await product.start();
  expect(await ask()).toEqual(first);
});

test('a session that is deleted moves its accounts once, and their records say from where and why', async () => {
  const gone = first.get(ACCOUNTS[0]!)!;
  // The oldest come first.
  const { sessionIds } = await product.proxies('ListSessions', { poolId, limit: SESSIONS });
  const wireId = sessionIds.find((id: string) => uuidOf(id) === gone);
  await product.proxies('DeleteSession', { sessionId: wireId });
  const client = new ProxiedClient(product.gatewayPort);
  const answer = await client.get('http://a.test/', product.authorization(`shops-account-${ACCOUNTS[0]}`));
  client.close();
  expect(answer.sessionId).not.toBe(gone);
  const { requestId } = answer;
  const { request } = await product.proxies('GetRequest', { requestId });
  expect(request).toMatchObject({ accountName: ACCOUNTS[0], moveReason: 'removed', movedFromSessionId: wireId });
  const moved = await ask();
  for (const [account, session] of first) {
    if (session === gone) expect(moved.get(account)).not.toBe(gone);
    else expect([account, moved.get(account)]).toEqual([account, session]);
  }
  expect(await ask()).toEqual(moved);
  await writtenAs(moved);
  expect(await product.metrics()).toMatch(/sallyport_sticky_moves_total\{reason="removed"\} [23]\n/);
});

test('a pinned account fails rather than moves', async () => {
  const account = ACCOUNTS[1]!;
  const { assignmentIds } = await product.proxies('ListAssignments', { poolId, accountName: account });
  await product.proxies('UpdateAssignment', { assignmentId: assignmentIds[0], pinned: true });
  const { assignments } = await product.proxies('BatchGetAssignments', { assignmentIds });
  await product.proxies('UpdateSession', { sessionId: assignments[0].sessionId, enabled: false });
  const client = new ProxiedClient(product.gatewayPort);
  const asked = await client.get('http://a.test/', product.authorization(`shops-account-${account}`));
  client.close();
  expect([asked.status, asked.reason]).toEqual([503, 'session_unavailable']);
});
