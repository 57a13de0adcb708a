/** Assignments in the whole product: what was acknowledged is there after a power cut, in the store and in the index. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';

const product = new Product();
beforeAll(() => product.start());
afterAll(() => product.destroy());

const SESSIONS = 10;

test('assignments survive a kill, and new ones go on to the sessions that have fewer', async () => {
  const { providerId } = product.bootstrap;
  const { pool } = await product.proxies('CreatePool', { name: 'accounts' });
  const rows = Array.from({ length: SESSIONS }, (_, n) => ({
    ...{ token: `t${n}`, scheme: 'http', host: '203.0.113.1', port: n + 1 },
  }));
  await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions: rows });
  const accounts = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ accountName: `account-${from + n}`, pinned: n % 2 === 1 }));
  const bulk = await product.proxies('BulkCreateAssignment', { poolId: pool.id, assignments: accounts(0, 22) });
  const made = bulk.results.map((result: { assignment: object }) => result.assignment);
  for (const row of accounts(22, 4)) {
    made.push((await product.proxies('CreateAssignment', { poolId: pool.id, ...row })).assignment);
  }
  const gone = made.pop();
  await product.proxies('DeleteAssignment', { assignmentId: gone.id });
  await product.kill();
  await product.start();
  const { assignmentIds } = await product.proxies('ListAssignments', { poolId: pool.id });
  expect((await product.proxies('BatchGetAssignments', { assignmentIds })).assignments).toEqual(made);
  const missing = 3 * SESSIONS - made.length;
  const more = await product.proxies('BulkCreateAssignment', { poolId: pool.id, assignments: accounts(25, missing) });
  const counts = new Map<string, number>();
  for (const { sessionId } of [...made, ...more.results.map((result: { assignment: object }) => result.assignment)]) {
    counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1);
  }
  expect([...counts.values()]).toEqual(Array.from({ length: SESSIONS }, () => 3));
});
