/**
 * Who is bound to which session, one by one and by the thousand: through the front door, with
 * the gateway's real index behind the port.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SessionId } from '../../src/core/model.ts';
import { ABSENT, AssignmentRig, PROXIES, uuid } from '../helpers/assignment-rig.ts';

let rig: AssignmentRig;
beforeAll(async () => {
  rig = await AssignmentRig.start();
});
afterEach(() => {
  rig.gateway.meanwhile = async () => {};
});
afterAll(() => rig.close());

describe('CreateAssignment', () => {
  test('binds to the session that is named, disabled or not, or else to the least-assigned', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    await rig.ok('UpdateSession', { sessionId: sessions[0]!.id, enabled: false });
    const before = await rig.audited();
    const named = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id, pinned: true });
    expect(named).toEqual({
      id: named.id,
      workspaceId: rig.made.workspaceId,
      poolId,
      sessionId: sessions[0]!.id,
      accountName: 'ann',
      pinned: true,
      version: '1',
      createdAt: named.createdAt,
      updatedAt: named.createdAt,
    });
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(sessions[0]!.id));
    expect(await rig.ok('GetAssignment', { assignmentId: named.id })).toEqual({ assignment: named });
    const chosen = await rig.create(poolId, 'bo');
    expect(chosen).toMatchObject({ sessionId: sessions[1]!.id, pinned: false });
    expect(rig.servedBy(poolId, 'bo')).toBe(uuid(sessions[1]!.id));
    expect(await rig.auditSince(before)).toMatchObject([
      {
        method: `${PROXIES}/CreateAssignment`,
        objectId: named.id,
        count: 1,
        after: { poolId, sessionId: sessions[0]!.id, accountName: 'ann', pinned: true },
      },
      { objectId: chosen.id, outcome: 'ok', after: { accountName: 'bo', pinned: false } },
    ]);
  });

  test('1,000 by 8 clients at once over 100 sessions: each session has exactly 10', async () => {
    const { poolId } = await rig.poolWith(100);
    const counts = new Map<string, number>();
    let next = 0;
    const client = async () => {
      for (let n = next++; n < 1_000; n = next++) {
        const { sessionId } = await rig.create(poolId, `client-${n}`);
        counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect([...counts.values()]).toEqual(Array.from({ length: 100 }, () => 10));
  }, 60_000);

  test('refuses an account that the pool has bound, in that pool only, and leaves it as it is', async () => {
    const [one, other] = [await rig.poolWith(2), await rig.poolWith(1)];
    const first = await rig.create(one.poolId, 'ann');
    for (const more of [{}, { sessionId: one.sessions[1]!.id }]) {
      expect(await rig.code('CreateAssignment', { poolId: one.poolId, accountName: 'ann', ...more })).toBe(
        'already_exists',
      );
    }
    expect(await rig.ok('GetAssignment', { assignmentId: first.id })).toEqual({ assignment: first });
    await rig.create(other.poolId, 'ann');
    await rig.create(one.poolId, 'ANN');
  });

  test('refuses what is not there: pools and sessions absent, deleted or elsewhere, and none that can serve', async () => {
    const [one, other, empty] = [await rig.poolWith(2), await rig.poolWith(1), await rig.poolWith(0)];
    await rig.ok('DeleteSession', { sessionId: one.sessions[0]!.id });
    const { workspace } = await rig.control.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'stranger' });
    const foreign = (await rig.control.ok(`${PROXIES}/ListPools`, { workspaceId: workspace.id })).poolIds[0];
    for (const sessionId of [ABSENT, one.sessions[0]!.id, other.sessions[0]!.id]) {
      expect(await rig.code('CreateAssignment', { poolId: one.poolId, accountName: 'a', sessionId })).toBe('not_found');
    }
    for (const poolId of [ABSENT, foreign]) {
      expect(await rig.code('CreateAssignment', { poolId, accountName: 'a' })).toBe('not_found');
      expect(await rig.code('BulkCreateAssignment', { poolId, assignments: [{ accountName: 'a' }] })).toBe('not_found');
    }
    const none = async (poolId: string) => {
      const answer = await rig.control.call(`${PROXIES}/CreateAssignment`, {
        ...{ workspaceId: rig.made.workspaceId, poolId, accountName: 'a' },
      });
      expect(answer.json.code).toBe('failed_precondition');
      expect(answer.json.message).toContain('no session of the pool can serve');
    };
    await none(empty.poolId);
    await rig.ok('UpdateSession', { sessionId: other.sessions[0]!.id, enabled: false });
    await none(other.poolId);
    await rig.ok('UpdateSession', { sessionId: other.sessions[0]!.id, enabled: true });
    await rig.ok('UpdatePool', { poolId: other.poolId, enabled: false });
    await none(other.poolId);
    await rig.create(other.poolId, 'a', { sessionId: other.sessions[0]!.id });
  });

  test.each(['', 'a b', 'ä', 'a'.repeat(129), 'a/b'])(
    'refuses the account name %j by its field',
    async (accountName) => {
      const request = { workspaceId: rig.made.workspaceId, poolId: rig.made.poolId, accountName };
      const { json } = await rig.control.call(`${PROXIES}/CreateAssignment`, request);
      expect(json.code).toBe('invalid_argument');
      expect(json.details[0].debug.fieldViolations[0].field).toBe('accountName');
    },
  );

  test.each([
    ['deleted', (sessionId: string) => rig.ok('DeleteSession', { sessionId })],
    ['disabled', (sessionId: string) => rig.ok('UpdateSession', { sessionId, enabled: false })],
  ])('chooses again when the chosen session is %s before it is written', async (_, stop) => {
    const { poolId, sessions } = await rig.poolWith(3);
    const stopped: (SessionId | null)[] = [];
    rig.gateway.meanwhile = async ([chosen = null]) => {
      if (stopped.length === 2) return;
      stopped.push(chosen);
      await stop(sessions.find(({ id }) => uuid(id) === chosen)!.id);
    };
    const before = await rig.audited();
    const { id, sessionId } = await rig.create(poolId, 'ann');
    expect(stopped).toHaveLength(2);
    expect(stopped).not.toContain(uuid(sessionId));
    const rows = (await rig.auditSince(before)).filter((row: { method: string }) => row.method.endsWith('Assignment'));
    expect(rows).toMatchObject([{ objectId: id, outcome: 'ok' }]);
  });

  test('gives up when whoever is chosen is always gone, and binds nobody', async () => {
    const { poolId, sessions } = await rig.poolWith(8);
    rig.gateway.meanwhile = async ([chosen]) => {
      await rig.ok('DeleteSession', { sessionId: sessions.find(({ id }) => uuid(id) === chosen)!.id });
    };
    expect(await rig.code('CreateAssignment', { poolId, accountName: 'ann' })).toBe('unavailable');
    expect((await rig.ok('ListAssignments', { poolId })).assignmentIds).toEqual([]);
  });
});

describe('BulkCreateAssignment', () => {
  test('binds each row on its own: refused ones stand in their places and hurt no other', async () => {
    const [{ poolId, sessions }, other] = [await rig.poolWith(2), await rig.poolWith(1)];
    await rig.create(poolId, 'taken', { sessionId: sessions[0]!.id });
    const rows = [
      { accountName: 'ann', sessionId: sessions[0]!.id, pinned: true },
      { accountName: 'taken' },
      { accountName: 'bo' },
      { accountName: 'no good' },
      { accountName: 'lost', sessionId: ABSENT },
      { accountName: 'astray', sessionId: other.sessions[0]!.id },
      { accountName: 'bo' },
      { accountName: 'lost' },
      { accountName: 'short', sessionId: 'AAAA' },
    ];
    const before = await rig.audited();
    const { results } = await rig.ok('BulkCreateAssignment', { poolId, assignments: rows });
    const codes = results.map((result: { error?: { code: string } }) => result.error?.code ?? 'ok');
    expect(codes).toEqual([
      ...['ok', 'already_exists', 'ok', 'invalid_argument', 'not_found', 'not_found', 'already_exists', 'ok'],
      'invalid_argument',
    ]);
    expect(results[0].assignment).toMatchObject({ accountName: 'ann', sessionId: sessions[0]!.id, pinned: true });
    expect(results[3].error.message).toContain('assignments[3].accountName');
    expect(results[8].error.message).toContain('assignments[8].sessionId');
    // `taken` and `ann` are on the first session, so `bo` and `lost` (whose first row came to nothing) are not.
    expect(results[2].assignment.sessionId).toBe(sessions[1]!.id);
    for (const n of [0, 2, 7]) {
      const { id, accountName, sessionId } = results[n].assignment;
      expect(rig.servedBy(poolId, accountName)).toBe(uuid(sessionId));
      expect((await rig.ok('GetAssignment', { assignmentId: id })).assignment).toEqual(results[n].assignment);
    }
    expect((await rig.ok('ListAssignments', { poolId })).assignmentIds).toHaveLength(4);
    const method = `${PROXIES}/BulkCreateAssignment`;
    expect(await rig.auditSince(before)).toMatchObject([{ method, outcome: 'ok', count: 3 }]);
  });

  test('1,000 rows, several calls at once: dealt out evenly', async () => {
    const { poolId, sessions } = await rig.poolWith(50);
    const call = (name: string, count: number) =>
      rig.ok('BulkCreateAssignment', {
        poolId,
        assignments: Array.from({ length: count }, (_, n) => ({ accountName: `${name}${n}` })),
      });
    const answers = await Promise.all([call('a', 1_000), call('b', 120), call('c', 80), rig.create(poolId, 'single')]);
    const all = answers.slice(0, 3).flatMap(({ results }) => results);
    const counts = new Map(sessions.map(({ id }) => [id, 0]));
    for (const { assignment } of all) counts.set(assignment.sessionId, counts.get(assignment.sessionId)! + 1);
    counts.set(answers[3].sessionId, counts.get(answers[3].sessionId)! + 1);
    expect([...counts.values()].sort()).toEqual([...Array.from({ length: 49 }, () => 24), 25]);
    const names = answers[0].results.map((result: { assignment: { accountName: string } }) => result.assignment);
    expect(names.map((row: { accountName: string }) => row.accountName)).toEqual(
      Array.from({ length: 1_000 }, (_, n) => `a${n}`),
    );
  });

  test('none that can serve refuses the rows that need one chosen; a pool that goes meanwhile, all', async () => {
    const { poolId, sessions } = await rig.poolWith(1);
    await rig.ok('UpdateSession', { sessionId: sessions[0]!.id, enabled: false });
    const { results } = await rig.ok('BulkCreateAssignment', {
      poolId,
      assignments: [{ accountName: 'a' }, { accountName: 'b', sessionId: sessions[0]!.id }, { accountName: 'a' }],
    });
    expect(results[0].error.code).toBe('failed_precondition');
    expect(results[1].assignment.sessionId).toBe(sessions[0]!.id);
    expect(results[2].error.code).toBe('failed_precondition');
    rig.gateway.meanwhile = () => rig.ok('DeletePool', { poolId });
    expect(await rig.code('BulkCreateAssignment', { poolId, assignments: [{ accountName: 'c' }] })).toBe('not_found');
  });

  test('takes 1 to 1,000 rows', async () => {
    const rows = Array.from({ length: 1_001 }, (_, n) => ({ accountName: `n${n}` }));
    const { poolId } = rig.made;
    expect(await rig.code('BulkCreateAssignment', { poolId, assignments: rows })).toBe('invalid_argument');
    expect(await rig.code('BulkCreateAssignment', { poolId, assignments: [] })).toBe('invalid_argument');
  });
});
