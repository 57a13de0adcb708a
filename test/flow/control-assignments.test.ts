/**
 * Assignments once they are made: changed, moved, listed, ended. Through the front door, with
 * the gateway's real index behind the port.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PoolId } from '../../src/core/model.ts';
import { ABSENT, AssignmentRig, PROXIES, uuid } from '../helpers/assignment-rig.ts';

let rig: AssignmentRig;
beforeAll(async () => {
  rig = await AssignmentRig.start();
});
afterEach(() => {
  rig.gateway.meanwhile = async () => {};
});
afterAll(() => rig.close());

describe('UpdateAssignment', () => {
  test('moves and pins, one field at a time, a pinned one too', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const [x, y] = [sessions[0]!.id, sessions[1]!.id];
    const made = await rig.create(poolId, 'ann', { sessionId: x });
    const before = await rig.audited();
    const pinned = (await rig.ok('UpdateAssignment', { assignmentId: made.id, pinned: true })).assignment;
    expect(pinned).toEqual({ ...made, pinned: true, version: '2', updatedAt: pinned.updatedAt });
    const moved = (await rig.ok('UpdateAssignment', { assignmentId: made.id, sessionId: y })).assignment;
    expect(moved).toMatchObject({ sessionId: y, pinned: true, version: '3' });
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(y));
    const both = await rig.ok('UpdateAssignment', { assignmentId: made.id, sessionId: x, pinned: false });
    expect(both.assignment).toMatchObject({ sessionId: x, pinned: false, version: '4' });
    expect(await rig.auditSince(before)).toMatchObject([
      { objectId: made.id, before: { pinned: false }, after: { pinned: true } },
      { before: { sessionId: x }, after: { sessionId: y } },
      { before: { sessionId: y, pinned: true }, after: { sessionId: x, pinned: false } },
    ]);
  });

  test('that changes nothing keeps the version and is no change to the gateway, on a deleted session too', async () => {
    const { poolId, sessions } = await rig.poolWith(1);
    const sessionId = sessions[0]!.id;
    const made = await rig.create(poolId, 'ann', { sessionId });
    await rig.ok('DeleteSession', { sessionId });
    const before = await rig.audited();
    for (const same of [{}, { sessionId }, { pinned: false, expectedVersion: '1' }]) {
      expect(await rig.ok('UpdateAssignment', { assignmentId: made.id, ...same })).toEqual({ assignment: made });
    }
    expect(await rig.auditSince(before)).toMatchObject([{ count: 0 }, { count: 0 }, { count: 0 }]);
  });

  test('refuses a stale version, a session that is not there, and an assignment that is not', async () => {
    const [{ poolId, sessions }, other] = [await rig.poolWith(2), await rig.poolWith(1)];
    const made = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id });
    const at = { assignmentId: made.id };
    await rig.ok('DeleteSession', { sessionId: sessions[1]!.id });
    expect(await rig.code('UpdateAssignment', { ...at, pinned: true, expectedVersion: '2' })).toBe('aborted');
    for (const sessionId of [ABSENT, sessions[1]!.id, other.sessions[0]!.id]) {
      expect(await rig.code('UpdateAssignment', { ...at, sessionId, pinned: true })).toBe('not_found');
    }
    expect(await rig.code('UpdateAssignment', { assignmentId: ABSENT, pinned: true })).toBe('not_found');
    expect(await rig.ok('GetAssignment', at)).toEqual({ assignment: made });
  });
});

describe('RebindAssignment', () => {
  test('moves to the least-assigned other session, also from one that is gone', async () => {
    const { poolId, sessions } = await rig.poolWith(3);
    const [x, y, z] = sessions.map(({ id }) => id) as [string, string, string];
    const made = await rig.create(poolId, 'ann', { sessionId: x });
    await rig.create(poolId, 'bo', { sessionId: y });
    const rebind = async () => (await rig.ok('RebindAssignment', { assignmentId: made.id })).assignment;
    expect(await rebind()).toMatchObject({ sessionId: z, version: '2', accountName: 'ann' });
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(z));
    expect((await rebind()).sessionId).toBe(x);
    await rig.ok('DeleteSession', { sessionId: x });
    expect((await rebind()).sessionId).toBe(z);
  });

  test('refuses a pinned one, one without another session that can serve, and one that is not there', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const made = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id, pinned: true });
    const at = { assignmentId: made.id };
    expect(await rig.code('RebindAssignment', at)).toBe('failed_precondition');
    await rig.ok('UpdateAssignment', { ...at, pinned: false });
    await rig.ok('UpdateSession', { sessionId: sessions[1]!.id, enabled: false });
    expect(await rig.code('RebindAssignment', at)).toBe('failed_precondition');
    expect(await rig.code('RebindAssignment', { assignmentId: ABSENT })).toBe('not_found');
    expect((await rig.ok('GetAssignment', at)).assignment).toMatchObject({ sessionId: sessions[0]!.id, version: '2' });
  });

  test('is refused when it is pinned, and chooses again when it is moved, before it is written', async () => {
    const { poolId, sessions } = await rig.poolWith(3);
    const made = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id });
    const at = { assignmentId: made.id };
    const once = (work: (sessionId: string) => Promise<unknown>) => {
      rig.gateway.meanwhile = async ([chosen]) => {
        rig.gateway.meanwhile = async () => {};
        await work(sessions.find(({ id }) => uuid(id) === chosen)!.id);
      };
    };
    let movedTo = '';
    once((sessionId) => {
      movedTo = sessionId;
      return rig.ok('UpdateAssignment', { ...at, sessionId });
    });
    expect((await rig.ok('RebindAssignment', at)).assignment.sessionId).not.toBe(movedTo);
    once(() => rig.ok('UpdateAssignment', { ...at, pinned: true }));
    expect(await rig.code('RebindAssignment', at)).toBe('failed_precondition');
  });
});

test('a deleted assignment frees its account and is gone for every method', async () => {
  const { poolId, sessions } = await rig.poolWith(1);
  const made = await rig.create(poolId, 'ann');
  const at = { assignmentId: made.id };
  const before = await rig.audited();
  expect(await rig.ok('DeleteAssignment', at)).toEqual({});
  expect(await rig.auditSince(before)).toMatchObject([
    { objectId: made.id, before: { accountName: 'ann', sessionId: sessions[0]!.id } },
  ]);
  expect(rig.servedBy(poolId, 'ann')).toBeUndefined();
  for (const method of ['GetAssignment', 'UpdateAssignment', 'RebindAssignment', 'DeleteAssignment']) {
    expect(await rig.code(method, at)).toBe('not_found');
  }
  expect(await rig.ok('BatchGetAssignments', { assignmentIds: [made.id] })).toEqual({
    assignments: [],
    notFoundIds: [made.id],
  });
  expect((await rig.create(poolId, 'ann')).id).not.toBe(made.id);
});

test('lists by pool, session and account walk by cursor; what is unknown or elsewhere is an empty list', async () => {
  const [one, other] = [await rig.poolWith(2), await rig.poolWith(1)];
  const [x, y] = [one.sessions[0]!.id, one.sessions[1]!.id];
  const ids: Record<string, string> = {};
  for (const [name, sessionId] of Object.entries({ a: x, b: y, c: x, d: x })) {
    ids[name] = (await rig.create(one.poolId, `list-${name}`, { sessionId })).id;
  }
  ids.else = (await rig.create(other.poolId, 'list-a')).id;
  const walk = async (filter: object): Promise<string[]> => {
    const all: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await rig.ok('ListAssignments', { ...filter, limit: 2, cursor });
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
  const { workspace } = await rig.control.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'onlooker' });
  const seen = await rig.control.ok(`${PROXIES}/ListAssignments`, { workspaceId: workspace.id, poolId: one.poolId });
  expect(seen).toEqual({ assignmentIds: [], nextCursor: '' });
  const foreign = { workspaceId: workspace.id, assignmentId: ids.a };
  expect((await rig.control.call(`${PROXIES}/GetAssignment`, foreign)).json.code).toBe('not_found');
  const batch = await rig.ok('BatchGetAssignments', { assignmentIds: [ids.c, ABSENT, ids.a] });
  expect(batch.assignments.map((row: { accountName: string }) => row.accountName)).toEqual(['list-c', 'list-a']);
  expect(batch.notFoundIds).toEqual([ABSENT]);
});

test('an assignment stays with a deleted session, goes with its pool, and a restart tells the gateway all again', async () => {
  const [kept, gone] = [await rig.poolWith(3), await rig.poolWith(1)];
  const made = await rig.create(kept.poolId, 'ann', { sessionId: kept.sessions[0]!.id, pinned: true });
  const lost = await rig.create(gone.poolId, 'ann');
  await rig.create(kept.poolId, 'bo', { sessionId: kept.sessions[1]!.id });
  await rig.ok('DeleteSession', { sessionId: kept.sessions[0]!.id });
  expect(await rig.ok('GetAssignment', { assignmentId: made.id })).toEqual({ assignment: made });
  await rig.ok('DeletePool', { poolId: gone.poolId });
  expect(await rig.code('GetAssignment', { assignmentId: lost.id })).toBe('not_found');
  const before = await rig.restart();
  const poolId = uuid<PoolId>(kept.poolId);
  const question = { poolId, accountNames: ['a', 'b', 'c'], exclude: null };
  for (const name of ['ann', 'bo']) {
    expect(rig.gateway.directory.findAssignment(poolId, name)).toEqual(before.findAssignment(poolId, name));
  }
  expect(rig.gateway.directory.findAssignment(poolId, 'ann')).toMatchObject({ pinned: true });
  expect(rig.gateway.directory.leastAssigned(question)).toEqual(before.leastAssigned(question));
  expect((await rig.create(kept.poolId, 'cy')).sessionId).toBe(kept.sessions[2]!.id);
});
