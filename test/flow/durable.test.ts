/** Nothing acknowledged is lost by `kill -9`; a bulk call is there whole or not at all. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const BULK_ROWS = full ? 50_000 : 5_000;
const KILLS = full ? 20 : 3;

// Its start is measured: without what an earlier one compiled.
const product = new Product({ SALLYPORT_ACCESS_LOG: 'false', NODE_DISABLE_COMPILE_CACHE: '1' });
let upstream: RecordingUpstream;

beforeAll(async () => {
  await product.start();
  upstream = await startRecordingUpstream();
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

function rows(n: number, prefix: string): object[] {
  return Array.from({ length: n }, (_, i) => ({
    token: `${prefix}-${i}`,
    scheme: 'http',
    host: '127.0.0.1',
    port: upstream.port,
    username: `user-${i}`,
    password: `pass-${prefix}-${i}`,
  }));
}

/** Number of live sessions of a pool, by walking its list. */
async function countSessions(of: Product, poolId: string): Promise<number> {
  let count = 0;
  let cursor = '';
  do {
    const page = await of.proxies('ListSessions', { poolId, limit: 1_000, cursor });
    count += page.sessionIds.length;
    cursor = page.nextCursor;
  } while (cursor !== '');
  return count;
}

test('killed while it writes, then restarted: every acknowledged write is there and resolves', async ({ annotate }) => {
  const { pool } = await product.proxies('CreatePool', { name: 'durable' });
  const { providerId } = product.bootstrap;
  await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions: rows(10_000, 'base') });
  const acknowledged = new Map<string, 'live' | 'gone'>();
  let written = 0;
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let i = 0; ; i++) {
      const [row] = rows(1, `w${writer}-${i}`);
      try {
        const { session } = await product.proxies('CreateSession', { poolId: pool.id, providerId, ...row });
        acknowledged.set(session.id, 'live');
        if (i % 3 === 0) {
          await product.proxies('DeleteSession', { sessionId: session.id });
          acknowledged.set(session.id, 'gone');
        }
        written++;
      } catch {
        return; // killed: this write was not acknowledged, so it may be there or not
      }
    }
  });
  while (written < 200) await new Promise((resolve) => setTimeout(resolve, 5));
  await product.kill();
  await Promise.all(writers);

  // Each start follows a kill and recovers the same; what else the machine does can only add to the fastest.
  const startsMs = [await product.start()];
  for (let more = full ? 4 : 0; more > 0; more--) {
    await product.kill();
    startsMs.push(await product.start());
  }
  if (full) expect(Math.min(...startsMs)).toBeLessThanOrEqual(2_000);
  await annotate(`ready with 10,000 sessions after ${startsMs.map(Math.round).join(', ')} ms`);
  const client = new ProxiedClient(product.gatewayPort);
  for (const [sessionId, state] of acknowledged) {
    const answer = await product.call('proxies.v1.Proxies/GetSession', {
      workspaceId: product.bootstrap.workspaceId,
      sessionId,
    });
    if (state === 'gone') {
      // A delete that was sent but not acknowledged leaves the map at 'live': only these are certain.
      expect(answer.body.code).toBe('not_found');
      continue;
    }
    if (answer.status !== 200) continue;
    const selector = `durable-session-${answer.body.session.token}`;
    const served = await client.get('http://a.test/', product.authorization(selector));
    expect(served).toMatchObject({ status: 200, sessionId: uuidOf(sessionId) });
  }
  client.close();
}, 120_000);

test(`a bulk of ${BULK_ROWS} rows killed at ${KILLS} random moments is all or nothing, and repeating it creates nothing`, async () => {
  const sessions = rows(BULK_ROWS, 'bulk');
  // About as long as the call takes; corrected by each call that was faster than its end.
  let windowMs = BULK_ROWS / 20;
  for (let round = 0; round < KILLS; round++) {
    const victim = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
    onTestFinished(() => victim.destroy());
    await victim.start();
    const { poolId, providerId } = victim.bootstrap;
    const bulk = (): Promise<{ createdCount: number; existingCount: number }> =>
      victim.proxies('BulkCreateSessions', { poolId, providerId, sessions });
    const startedAt = performance.now();
    const delayMs = Math.random() * windowMs;
    const call = bulk().then(
      () => true,
      () => false,
    );
    await Promise.race([call, new Promise((resolve) => setTimeout(resolve, delayMs))]);
    const tookMs = performance.now() - startedAt;
    await victim.kill();
    const acknowledged = await call;
    if (acknowledged) windowMs = tookMs;
    await victim.start();
    const count = await countSessions(victim, poolId);
    expect([0, BULK_ROWS], `round ${round}, killed after ${Math.round(tookMs)} ms`).toContain(count);
    if (acknowledged) expect(count).toBe(BULK_ROWS);
    const again = await bulk();
    expect([again.createdCount, again.existingCount]).toEqual([BULK_ROWS - count, count]);
    const third = await bulk();
    expect([third.createdCount, third.existingCount]).toEqual([0, BULK_ROWS]);
    expect(await countSessions(victim, poolId)).toBe(BULK_ROWS);
    await victim.destroy();
  }
}, 600_000);
