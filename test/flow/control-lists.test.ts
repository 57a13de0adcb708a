/**
 * Lists under change: 100,000 sessions walked by cursor while 1,000 others are
 * created and 1,000 are deleted. Whatever lived throughout is seen exactly once,
 * and a page costs the same from the first to the last.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { full } from '../helpers/full.ts';

const SESSIONS = full ? 100_000 : 10_000;
const CHANGES = full ? 1_000 : 100;
const PAGE = full ? 500 : 100;
const LIST = 'proxies.v1.Proxies/ListSessions';

let rig: ControlRig;
const ids: string[] = [];

beforeAll(async () => {
  rig = await startControlRig();
  for (let from = 0; from < SESSIONS; from += 20_000) {
    const { sessions } = await rig.ok('proxies.v1.Proxies/BulkCreateSessions', {
      ...placed(),
      sessions: Array.from({ length: Math.min(20_000, SESSIONS - from) }, (_, n) => row(`s-${from + n}`)),
    });
    for (const { id } of sessions) ids.push(id);
  }
}, 60_000);
afterAll(() => rig.close());

function row(token: string): object {
  return { token, scheme: 'http', host: '203.0.113.10', port: 8080 };
}

function placed() {
  const { workspaceId, poolId, providerId } = rig.made;
  return { workspaceId, poolId, providerId };
}

test('every session that lived throughout is seen exactly once, and pages cost the same', {
  timeout: 120_000,
}, async () => {
  const { workspaceId, poolId } = rig.made;
  const seen: string[] = [];
  const pageMs: number[] = [];
  const pages = SESSIONS / PAGE;
  const perPage = Math.ceil(CHANGES / pages);
  const deleted = new Set<string>();
  let created = 0;
  let cursor = '';
  do {
    const startedAt = performance.now();
    const page = await rig.ok(LIST, { workspaceId, poolId, limit: PAGE, cursor });
    pageMs.push(performance.now() - startedAt);
    seen.push(...page.sessionIds);
    cursor = page.nextCursor;
    for (let n = 0; n < perPage && created < CHANGES; n++) {
      await rig.ok('proxies.v1.Proxies/CreateSession', staticSession(rig, `new-${created++}`));
      // Spread over what was walked already and what was not; a step that no page size divides.
      const sessionId = ids[(deleted.size * 7_919) % SESSIONS]!;
      await rig.ok('proxies.v1.Proxies/DeleteSession', { workspaceId, sessionId });
      deleted.add(sessionId);
    }
  } while (cursor !== '');
  expect([created, deleted.size]).toEqual([CHANGES, CHANGES]);
  expect(new Set(seen).size).toBe(seen.length);
  const unseen = new Set(ids);
  for (const id of seen) unseen.delete(id);
  expect([...unseen].filter((id) => !deleted.has(id))).toEqual([]);
  expect(seen.length).toBeGreaterThanOrEqual(SESSIONS - CHANGES);
  expect(seen.length).toBeLessThanOrEqual(SESSIONS + CHANGES);
  const tenth = Math.floor(pageMs.length / 10);
  const median = (of: number[]) => of.sort((a, b) => a - b)[of.length >> 1]!;
  const [first, last] = [median(pageMs.slice(0, tenth)), median(pageMs.slice(-tenth))];
  // A walk that skips what came before would cost a hundredfold at the end; a factor of three is the machine's.
  expect(last).toBeLessThan(3 * first);
});
