/** Assignments through the front door, with the gateway's real index behind the port. */
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { AssignQuery } from '../../src/core/observed.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';

const PROXIES = 'proxies.v1.Proxies';
const ABSENT = Buffer.alloc(16, 9).toString('base64');

/** An id of an answer as the planes tell it each other. */
const uuid = <Id extends string>(wire: string): Id => uuidOf(wire) as Id;

interface Session {
  readonly id: string;
}

/** A gateway as far as assignments go: its index, and a place to step in between a choice and its writing. */
class IndexedGateway {
  directory = new Directory({ clock: systemClock, localExit: null });
  meanwhile: (chosen: readonly (SessionId | null)[]) => Promise<unknown> = async () => {};

  async leastAssigned(query: AssignQuery): Promise<(SessionId | null)[]> {
    // As over a thread's boundary: others have their turn before and after.
    await setImmediate();
    const chosen = this.directory.leastAssigned(query);
    await this.meanwhile(chosen);
    return chosen;
  }
}

const gateway = new IndexedGateway();
let rig: ControlRig;
let workspaceId: string;
let providerId: string;

function listen(to: ControlRig): void {
  to.onApply(async (changes) => {
    await setImmediate();
    for (const change of structuredClone(changes)) gateway.directory.apply(change);
  });
}

beforeAll(async () => {
  rig = await startControlRig({ gateway: { leastAssigned: (query) => gateway.leastAssigned(query) } });
  ({ workspaceId, providerId } = rig.made);
  // What was told before anybody listened.
  for (const change of rig.changes) gateway.directory.apply(change);
  listen(rig);
});
afterEach(() => {
  gateway.meanwhile = async () => {};
});
afterAll(() => rig.close());

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
const ok = (method: string, request: object): Promise<any> =>
  rig.ok(`${PROXIES}/${method}`, { workspaceId, ...request });
const code = async (method: string, request: object): Promise<string> =>
  (await rig.call(`${PROXIES}/${method}`, { workspaceId, ...request })).json.code;

let pools = 0;
/** A pool of its own with that many sessions. */
async function poolWith(count: number): Promise<{ poolId: string; sessions: Session[] }> {
  const { pool } = await ok('CreatePool', { name: `assigned${++pools}` });
  const sessions = await addSessions(pool.id, count);
  return { poolId: pool.id, sessions };
}

async function addSessions(poolId: string, count: number): Promise<Session[]> {
  if (count === 0) return [];
  const rows = Array.from({ length: count }, (_, n) => ({
    ...{ token: `t${n}-${poolId}`, scheme: 'http', host: '203.0.113.1', port: n + 1 },
  }));
  return (await ok('BulkCreateSessions', { poolId, providerId, sessions: rows })).sessions;
}

const create = async (poolId: string, accountName: string, more: object = {}) =>
  (await ok('CreateAssignment', { poolId, accountName, ...more })).assignment;

/** The session that the gateway would take for an account. */
const servedBy = (poolId: string, accountName: string): SessionId | undefined =>
  gateway.directory.findAssignment(uuid<PoolId>(poolId), accountName)?.sessionId;

/** Every audit event of the workspace after the one with this id. */
async function auditSince(last: number) {
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  const events: any[] = [];
  for (let cursor = ''; ; ) {
    const page = await rig.ok('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000, cursor });
    events.push(...page.events);
    cursor = page.nextCursor;
    if (cursor === '') return events.filter(({ id }) => Number(id) > last);
  }
}
const audited = async (): Promise<number> => Number((await auditSince(0)).at(-1).id);

describe('CreateAssignment', () => {
  test('binds to the session that is named, disabled or not, or else to the least-assigned', async () => {
    const { poolId, sessions } = await poolWith(2);
    await ok('UpdateSession', { sessionId: sessions[0]!.id, enabled: false });
    const before = await audited();
    const named = await create(poolId, 'ann', { sessionId: sessions[0]!.id, pinned: true });
    expect(named).toEqual({
      id: named.id,
      workspaceId,
      poolId,
      sessionId: sessions[0]!.id,
      accountName: 'ann',
      pinned: true,
      version: '1',
      createdAt: named.createdAt,
      updatedAt: named.createdAt,
    });
    expect(servedBy(poolId, 'ann')).toBe(uuid(sessions[0]!.id));
    expect(await ok('GetAssignment', { assignmentId: named.id })).toEqual({ assignment: named });
    const chosen = await create(poolId, 'bo');
    expect(chosen).toMatchObject({ sessionId: sessions[1]!.id, pinned: false });
    expect(servedBy(poolId, 'bo')).toBe(uuid(sessions[1]!.id));
    expect(await auditSince(before)).toMatchObject([
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
    const { poolId } = await poolWith(100);
    const counts = new Map<string, number>();
    let next = 0;
    const client = async () => {
      for (let n = next++; n < 1_000; n = next++) {
        const { sessionId } = await create(poolId, `client-${n}`);
        counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect([...counts.values()]).toEqual(Array.from({ length: 100 }, () => 10));
  }, 60_000);

  test('refuses an account that the pool has bound, in that pool only, and leaves it as it is', async () => {
    const [one, other] = [await poolWith(2), await poolWith(1)];
    const first = await create(one.poolId, 'ann');
    for (const more of [{}, { sessionId: one.sessions[1]!.id }]) {
      expect(await code('CreateAssignment', { poolId: one.poolId, accountName: 'ann', ...more })).toBe(
        'already_exists',
      );
    }
    expect(await ok('GetAssignment', { assignmentId: first.id })).toEqual({ assignment: first });
    await create(other.poolId, 'ann');
    await create(one.poolId, 'ANN');
  });

  test('refuses what is not there: pools and sessions absent, deleted or elsewhere, and none that can serve', async () => {
    const [one, other, empty] = [await poolWith(2), await poolWith(1), await poolWith(0)];
    await ok('DeleteSession', { sessionId: one.sessions[0]!.id });
    const { workspace } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'stranger' });
    const foreign = (await rig.ok(`${PROXIES}/ListPools`, { workspaceId: workspace.id })).poolIds[0];
    for (const sessionId of [ABSENT, one.sessions[0]!.id, other.sessions[0]!.id]) {
      expect(await code('CreateAssignment', { poolId: one.poolId, accountName: 'a', sessionId })).toBe('not_found');
    }
    for (const poolId of [ABSENT, foreign]) {
      expect(await code('CreateAssignment', { poolId, accountName: 'a' })).toBe('not_found');
      expect(await code('BulkCreateAssignment', { poolId, assignments: [{ accountName: 'a' }] })).toBe('not_found');
    }
    const none = async (poolId: string) => {
      const answer = await rig.call(`${PROXIES}/CreateAssignment`, {
        ...{ workspaceId, poolId, accountName: 'a' },
      });
      expect(answer.json.code).toBe('failed_precondition');
      expect(answer.json.message).toContain('no session of the pool can serve');
    };
    await none(empty.poolId);
    await ok('UpdateSession', { sessionId: other.sessions[0]!.id, enabled: false });
    await none(other.poolId);
    await ok('UpdateSession', { sessionId: other.sessions[0]!.id, enabled: true });
    await ok('UpdatePool', { poolId: other.poolId, enabled: false });
    await none(other.poolId);
    await create(other.poolId, 'a', { sessionId: other.sessions[0]!.id });
  });

  test.each(['', 'a b', 'ä', 'a'.repeat(129), 'a/b'])(
    'refuses the account name %j by its field',
    async (accountName) => {
      const request = { workspaceId, poolId: rig.made.poolId, accountName };
      const { json } = await rig.call(`${PROXIES}/CreateAssignment`, request);
      expect(json.code).toBe('invalid_argument');
      expect(json.details[0].debug.fieldViolations[0].field).toBe('accountName');
    },
  );

  test.each([
    ['deleted', (sessionId: string) => ok('DeleteSession', { sessionId })],
    ['disabled', (sessionId: string) => ok('UpdateSession', { sessionId, enabled: false })],
  ])('chooses again when the chosen session is %s before it is written', async (_, stop) => {
    const { poolId, sessions } = await poolWith(3);
    const stopped: (SessionId | null)[] = [];
    gateway.meanwhile = async ([chosen = null]) => {
      if (stopped.length === 2) return;
      stopped.push(chosen);
      await stop(sessions.find(({ id }) => uuid(id) === chosen)!.id);
    };
    const before = await audited();
    const { id, sessionId } = await create(poolId, 'ann');
    expect(stopped).toHaveLength(2);
    expect(stopped).not.toContain(uuid(sessionId));
    const rows = (await auditSince(before)).filter((row: { method: string }) => row.method.endsWith('Assignment'));
    expect(rows).toMatchObject([{ objectId: id, outcome: 'ok' }]);
  });

  test('gives up when whoever is chosen is always gone, and binds nobody', async () => {
    const { poolId, sessions } = await poolWith(8);
    gateway.meanwhile = async ([chosen]) => {
      await ok('DeleteSession', { sessionId: sessions.find(({ id }) => uuid(id) === chosen)!.id });
    };
    expect(await code('CreateAssignment', { poolId, accountName: 'ann' })).toBe('unavailable');
    expect((await ok('ListAssignments', { poolId })).assignmentIds).toEqual([]);
  });
});

describe('BulkCreateAssignment', () => {
  test('binds each row on its own: refused ones stand in their places and hurt no other', async () => {
    const [{ poolId, sessions }, other] = [await poolWith(2), await poolWith(1)];
    await create(poolId, 'taken', { sessionId: sessions[0]!.id });
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
    const before = await audited();
    const { results } = await ok('BulkCreateAssignment', { poolId, assignments: rows });
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
      expect(servedBy(poolId, accountName)).toBe(uuid(sessionId));
      expect((await ok('GetAssignment', { assignmentId: id })).assignment).toEqual(results[n].assignment);
    }
    expect((await ok('ListAssignments', { poolId })).assignmentIds).toHaveLength(4);
    const method = `${PROXIES}/BulkCreateAssignment`;
    expect(await auditSince(before)).toMatchObject([{ method, outcome: 'ok', count: 3 }]);
  });

  test('1,000 rows, several calls at once: dealt out evenly', async () => {
    const { poolId, sessions } = await poolWith(50);
    const call = (name: string, count: number) =>
      ok('BulkCreateAssignment', {
        poolId,
        assignments: Array.from({ length: count }, (_, n) => ({ accountName: `${name}${n}` })),
      });
    const answers = await Promise.all([call('a', 1_000), call('b', 120), call('c', 80), create(poolId, 'single')]);
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
    const { poolId, sessions } = await poolWith(1);
    await ok('UpdateSession', { sessionId: sessions[0]!.id, enabled: false });
    const { results } = await ok('BulkCreateAssignment', {
      poolId,
      assignments: [{ accountName: 'a' }, { accountName: 'b', sessionId: sessions[0]!.id }, { accountName: 'a' }],
    });
    expect(results[0].error.code).toBe('failed_precondition');
    expect(results[1].assignment.sessionId).toBe(sessions[0]!.id);
    expect(results[2].error.code).toBe('failed_precondition');
    gateway.meanwhile = () => ok('DeletePool', { poolId });
    expect(await code('BulkCreateAssignment', { poolId, assignments: [{ accountName: 'c' }] })).toBe('not_found');
  });

  test('takes 1 to 1,000 rows', async () => {
    const rows = Array.from({ length: 1_001 }, (_, n) => ({ accountName: `n${n}` }));
    const { poolId } = rig.made;
    expect(await code('BulkCreateAssignment', { poolId, assignments: rows })).toBe('invalid_argument');
    expect(await code('BulkCreateAssignment', { poolId, assignments: [] })).toBe('invalid_argument');
  });
});

describe('UpdateAssignment', () => {
  test('moves and pins, one field at a time, a pinned one too', async () => {
    const { poolId, sessions } = await poolWith(2);
    const [x, y] = [sessions[0]!.id, sessions[1]!.id];
    const made = await create(poolId, 'ann', { sessionId: x });
    const before = await audited();
    const pinned = (await ok('UpdateAssignment', { assignmentId: made.id, pinned: true })).assignment;
    expect(pinned).toEqual({ ...made, pinned: true, version: '2', updatedAt: pinned.updatedAt });
    const moved = (await ok('UpdateAssignment', { assignmentId: made.id, sessionId: y })).assignment;
    expect(moved).toMatchObject({ sessionId: y, pinned: true, version: '3' });
    expect(servedBy(poolId, 'ann')).toBe(uuid(y));
    const both = await ok('UpdateAssignment', { assignmentId: made.id, sessionId: x, pinned: false });
    expect(both.assignment).toMatchObject({ sessionId: x, pinned: false, version: '4' });
    expect(await auditSince(before)).toMatchObject([
      { objectId: made.id, before: { pinned: false }, after: { pinned: true } },
      { before: { sessionId: x }, after: { sessionId: y } },
      { before: { sessionId: y, pinned: true }, after: { sessionId: x, pinned: false } },
    ]);
  });

  test('that changes nothing keeps the version and is no change to the gateway, on a deleted session too', async () => {
    const { poolId, sessions } = await poolWith(1);
    const sessionId = sessions[0]!.id;
    const made = await create(poolId, 'ann', { sessionId });
    await ok('DeleteSession', { sessionId });
    const before = await audited();
    for (const same of [{}, { sessionId }, { pinned: false, expectedVersion: '1' }]) {
      expect(await ok('UpdateAssignment', { assignmentId: made.id, ...same })).toEqual({ assignment: made });
    }
    expect(await auditSince(before)).toMatchObject([{ count: 0 }, { count: 0 }, { count: 0 }]);
  });

  test('refuses a stale version, a session that is not there, and an assignment that is not', async () => {
    const [{ poolId, sessions }, other] = [await poolWith(2), await poolWith(1)];
    const made = await create(poolId, 'ann', { sessionId: sessions[0]!.id });
    const at = { assignmentId: made.id };
    await ok('DeleteSession', { sessionId: sessions[1]!.id });
    expect(await code('UpdateAssignment', { ...at, pinned: true, expectedVersion: '2' })).toBe('aborted');
    for (const sessionId of [ABSENT, sessions[1]!.id, other.sessions[0]!.id]) {
      expect(await code('UpdateAssignment', { ...at, sessionId, pinned: true })).toBe('not_found');
    }
    expect(await code('UpdateAssignment', { assignmentId: ABSENT, pinned: true })).toBe('not_found');
    expect(await ok('GetAssignment', at)).toEqual({ assignment: made });
  });
});

describe('RebindAssignment', () => {
  test('moves to the least-assigned other session, also from one that is gone', async () => {
    const { poolId, sessions } = await poolWith(3);
    const [x, y, z] = sessions.map(({ id }) => id) as [string, string, string];
    const made = await create(poolId, 'ann', { sessionId: x });
    await create(poolId, 'bo', { sessionId: y });
    const rebind = async () => (await ok('RebindAssignment', { assignmentId: made.id })).assignment;
    expect(await rebind()).toMatchObject({ sessionId: z, version: '2', accountName: 'ann' });
    expect(servedBy(poolId, 'ann')).toBe(uuid(z));
    expect((await rebind()).sessionId).toBe(x);
    await ok('DeleteSession', { sessionId: x });
    expect((await rebind()).sessionId).toBe(z);
  });

  test('refuses a pinned one, one without another session that can serve, and one that is not there', async () => {
    const { poolId, sessions } = await poolWith(2);
    const made = await create(poolId, 'ann', { sessionId: sessions[0]!.id, pinned: true });
    const at = { assignmentId: made.id };
    expect(await code('RebindAssignment', at)).toBe('failed_precondition');
    await ok('UpdateAssignment', { ...at, pinned: false });
    await ok('UpdateSession', { sessionId: sessions[1]!.id, enabled: false });
    expect(await code('RebindAssignment', at)).toBe('failed_precondition');
    expect(await code('RebindAssignment', { assignmentId: ABSENT })).toBe('not_found');
    expect((await ok('GetAssignment', at)).assignment).toMatchObject({ sessionId: sessions[0]!.id, version: '2' });
  });

  test('is refused when it is pinned, and chooses again when it is moved, before it is written', async () => {
    const { poolId, sessions } = await poolWith(3);
    const made = await create(poolId, 'ann', { sessionId: sessions[0]!.id });
    const at = { assignmentId: made.id };
    const once = (work: (sessionId: string) => Promise<unknown>) => {
      gateway.meanwhile = async ([chosen]) => {
        gateway.meanwhile = async () => {};
        await work(sessions.find(({ id }) => uuid(id) === chosen)!.id);
      };
    };
    let movedTo = '';
    once((sessionId) => {
      movedTo = sessionId;
      return ok('UpdateAssignment', { ...at, sessionId });
    });
    expect((await ok('RebindAssignment', at)).assignment.sessionId).not.toBe(movedTo);
    once(() => ok('UpdateAssignment', { ...at, pinned: true }));
    expect(await code('RebindAssignment', at)).toBe('failed_precondition');
  });
});

test('a deleted assignment frees its account and is gone for every method', async () => {
  const { poolId, sessions } = await poolWith(1);
  const made = await create(poolId, 'ann');
  const at = { assignmentId: made.id };
  const before = await audited();
  expect(await ok('DeleteAssignment', at)).toEqual({});
  expect(await auditSince(before)).toMatchObject([
    { objectId: made.id, before: { accountName: 'ann', sessionId: sessions[0]!.id } },
  ]);
  expect(servedBy(poolId, 'ann')).toBeUndefined();
  for (const method of ['GetAssignment', 'UpdateAssignment', 'RebindAssignment', 'DeleteAssignment']) {
    expect(await code(method, at)).toBe('not_found');
  }
  expect(await ok('BatchGetAssignments', { assignmentIds: [made.id] })).toEqual({
    assignments: [],
    notFoundIds: [made.id],
  });
  expect((await create(poolId, 'ann')).id).not.toBe(made.id);
});

test('lists by pool, session and account walk by cursor; what is unknown or elsewhere is an empty list', async () => {
  const [one, other] = [await poolWith(2), await poolWith(1)];
  const [x, y] = [one.sessions[0]!.id, one.sessions[1]!.id];
  const ids: Record<string, string> = {};
  for (const [name, sessionId] of Object.entries({ a: x, b: y, c: x, d: x })) {
    ids[name] = (await create(one.poolId, `list-${name}`, { sessionId })).id;
  }
  ids.else = (await create(other.poolId, 'list-a')).id;
  const walk = async (filter: object): Promise<string[]> => {
    const all: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await ok('ListAssignments', { ...filter, limit: 2, cursor });
      all.push(...page.assignmentIds);
      cursor = page.nextCursor;
      if (cursor === '') return all;
    }
  };
  expect(await walk({ poolId: one.poolId })).toEqual([ids.a, ids.b, ids.c, ids.d]);
  expect(await walk({ sessionId: x })).toEqual([ids.a, ids.c, ids.d]);
  expect(await walk({ accountName: 'list-a' })).toEqual([ids.a, ids.else]);
  expect(await walk({ poolId: one.poolId, sessionId: x, accountName: 'list-c' })).toEqual([ids.c]);
  expect(await walk({ poolId: other.poolId, sessionId: x })).toEqual([]);
  expect(await walk({ poolId: ABSENT })).toEqual([]);
  expect(await walk({ accountName: 'no such name' })).toEqual([]);
  const { workspace } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'onlooker' });
  const seen = await rig.ok(`${PROXIES}/ListAssignments`, { workspaceId: workspace.id, poolId: one.poolId });
  expect(seen).toEqual({ assignmentIds: [], nextCursor: '' });
  const foreign = { workspaceId: workspace.id, assignmentId: ids.a };
  expect((await rig.call(`${PROXIES}/GetAssignment`, foreign)).json.code).toBe('not_found');
  const batch = await ok('BatchGetAssignments', { assignmentIds: [ids.c, ABSENT, ids.a] });
  expect(batch.assignments.map((row: { accountName: string }) => row.accountName)).toEqual(['list-c', 'list-a']);
  expect(batch.notFoundIds).toEqual([ABSENT]);
});

test('an assignment stays with a deleted session, goes with its pool, and a restart tells the gateway all again', async () => {
  const [kept, gone] = [await poolWith(3), await poolWith(1)];
  const made = await create(kept.poolId, 'ann', { sessionId: kept.sessions[0]!.id, pinned: true });
  const lost = await create(gone.poolId, 'ann');
  await create(kept.poolId, 'bo', { sessionId: kept.sessions[1]!.id });
  await ok('DeleteSession', { sessionId: kept.sessions[0]!.id });
  expect(await ok('GetAssignment', { assignmentId: made.id })).toEqual({ assignment: made });
  await ok('DeletePool', { poolId: gone.poolId });
  expect(await code('GetAssignment', { assignmentId: lost.id })).toBe('not_found');
  const before = gateway.directory;
  rig = await rig.restart();
  gateway.directory = new Directory({ clock: systemClock, localExit: null });
  for (const change of rig.changes) gateway.directory.apply(change);
  listen(rig);
  const poolId = uuid<PoolId>(kept.poolId);
  const question = { poolId, accountNames: ['a', 'b', 'c'], exclude: null };
  for (const name of ['ann', 'bo']) {
    expect(gateway.directory.findAssignment(poolId, name)).toEqual(before.findAssignment(poolId, name));
  }
  expect(gateway.directory.findAssignment(poolId, 'ann')).toMatchObject({ pinned: true });
  expect(gateway.directory.leastAssigned(question)).toEqual(before.leastAssigned(question));
  expect((await create(kept.poolId, 'cy')).sessionId).toBe(kept.sessions[2]!.id);
});
