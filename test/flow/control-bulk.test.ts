/** BulkCreateSessions: all or none, idempotent, ordered, bounded, and the loop keeps turning. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';

const BULK = 'proxies.v1.Proxies/BulkCreateSessions';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

const row = (token: string, more: object = {}) => ({ token, scheme: 'http', host: '203.0.113.7', port: 1, ...more });
const bulk = (sessions: object[]) => {
  const { workspaceId, poolId, providerId } = rig.made;
  return rig.call(BULK, { workspaceId, poolId, providerId, sessions });
};
const sessionPuts = () => rig.changes.filter((change) => change.kind === 'session-put').length;

test('a repeated call makes nothing new and answers the live row of each token in request order', async () => {
  const first = await bulk([row('a'), row('b', { username: 'u', password: 'p' })]);
  expect([first.json.createdCount, first.json.existingCount]).toEqual([2, 0]);
  const told = sessionPuts();
  const second = await bulk([row('b', { port: 9 }), row('c'), row('a')]);
  expect([second.json.createdCount, second.json.existingCount]).toEqual([1, 2]);
  expect(second.json.sessions.map((session: { token: string }) => session.token)).toEqual(['b', 'c', 'a']);
  expect(second.json.sessions[0]).toEqual(first.json.sessions[1]);
  expect(sessionPuts()).toBe(told + 1);
});

test('one wrong row leaves nothing of the others, and is named by its position', async () => {
  const told = sessionPuts();
  const answer = await bulk([row('x1'), row('x2', { port: 70_000 }), row('x3', { username: 'a:b' })]);
  expect(answer.status).toBe(400);
  expect(answer.json.message).toContain('sessions[1].port');
  const shape = await bulk([row('x1'), row('x3', { username: 'a:b' })]);
  expect(shape.json.message).toContain('sessions[1].username');
  expect(sessionPuts()).toBe(told);
  expect((await bulk([row('x1')])).json.createdCount).toBe(1);
});

test('a token that stands twice is refused with both positions', async () => {
  const answer = await bulk([row('d'), row('e'), row('d')]);
  expect(answer.json.code).toBe('invalid_argument');
  expect(answer.json.message).toMatch(/sessions\[2\]\.token.*sessions\[0\]/);
});

test('none and too many rows are refused', async () => {
  expect((await bulk([])).status).toBe(400);
  expect((await bulk(Array.from({ length: 50_001 }, (_, i) => ({ token: `n${i}` })))).json.message).toContain('50000');
});

test('10,000 sealed sessions go in at once while other reads are answered', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => row(`big-${i}`, { username: 'u', password: `p-${i}` }));
  const told = sessionPuts();
  let settled = false;
  const running = bulk(rows).finally(() => {
    settled = true;
  });
  let reads = 0;
  while (!settled) {
    await rig.ok('proxies.v1.Proxies/GetPool', { workspaceId: rig.made.workspaceId, poolId: rig.made.poolId });
    if (!settled) reads++;
  }
  const answer = await running;
  expect(answer.json.createdCount).toBe(10_000);
  expect(answer.json.sessions[9_999].token).toBe('big-9999');
  expect(sessionPuts()).toBe(told + 10_000);
  expect(reads).toBeGreaterThan(3);
}, 60_000);
