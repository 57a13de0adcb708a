/**
 * What the gateway binds in a request's turn, on its way into the store: the recorder
 * with the real store and the gateway's real index, and the queue in front of it.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BindingQueue } from '../../gateway/binding-queue.ts';
import { Deadlines } from '../../gateway/deadlines.ts';
import { type AccountBinding, type BindReason, MAX_BINDINGS } from '../../src/core/account-binding.ts';
import type { AssignmentId, PoolId, SessionId } from '../../src/core/model.ts';
import { AssignmentRig, uuid, type WireSession } from '../helpers/assignment-rig.ts';
import { startControlRig, staticSession } from '../helpers/control-rig.ts';
import { eventually } from '../helpers/wire.ts';
import { recordedLog } from '../helpers/wire-log.ts';

let rig: AssignmentRig;
beforeAll(async () => {
  rig = await AssignmentRig.start();
});
afterAll(() => rig.close());

const REASONS: readonly Exclude<BindReason, 'first_use'>[] = [
  ...(['removed', 'disabled', 'provider_disabled', 'ejected', 'max_age'] as const),
];

/** Ids in wire form, as the API tells them. */
interface Bound {
  readonly poolId: string;
  readonly to: WireSession;
  readonly from?: WireSession;
  readonly reason?: BindReason;
}

function binding(accountName: string, { poolId, to, from, reason }: Bound): AccountBinding {
  return {
    ...{ poolId: uuid<PoolId>(poolId), accountName, sessionId: uuid<SessionId>(to.id) },
    previousSessionId: from === undefined ? null : uuid<SessionId>(from.id),
    reason: reason ?? (from === undefined ? 'first_use' : 'removed'),
  };
}

const record = (...batch: AccountBinding[]) => rig.control.plane.recordBindings(batch);

/** The account's live assignment as the API shows it; null without one. */
async function rowOf(poolId: string, accountName: string) {
  const { assignmentIds } = await rig.ok('ListAssignments', { poolId, accountName });
  if (assignmentIds.length === 0) return null;
  expect(assignmentIds).toHaveLength(1);
  return (await rig.ok('GetAssignment', { assignmentId: assignmentIds[0] })).assignment;
}

/** The index believes something that the store does not say. */
function leadAstray(poolId: string, accountName: string, { id }: WireSession): void {
  const at = { poolId: uuid<PoolId>(poolId), accountName, sessionId: uuid<SessionId>(id), pinned: false };
  const assignment = { ...at, id: '018f8c21-0000-7000-8000-000000000000' as AssignmentId, boundAtMs: 0 };
  rig.gateway.directory.apply({ kind: 'assignment-put', assignment });
}

describe('a first use', () => {
  test('makes a row of the pool’s workspace, an audit event of nobody’s key, and stands in the index', async () => {
    const { poolId, sessions } = await rig.poolWith(1);
    const [to] = [sessions[0]!];
    const before = await rig.audited();
    expect(await record(binding('ann', { poolId, to }))).toEqual(['written']);
    const row = await rowOf(poolId, 'ann');
    expect(row).toMatchObject({ sessionId: to.id, accountName: 'ann', pinned: false, version: '1' });
    expect(row.workspaceId).toBe(rig.made.workspaceId);
    expect(rig.gateway.directory.findAssignment(uuid(poolId), 'ann')).toEqual({
      ...{ id: uuid(row.id), poolId: uuid(poolId), accountName: 'ann', sessionId: uuid(to.id), pinned: false },
      boundAtMs: Date.parse(row.createdAt),
    });
    const events = await rig.auditSince(before);
    expect(events).toEqual([
      {
        ...{ id: events[0].id, time: events[0].time, hash: events[0].hash, workspaceId: rig.made.workspaceId },
        ...{ method: 'gateway.Bind', objectId: row.id, outcome: 'ok', count: 1 },
        after: { poolId, sessionId: to.id, accountName: 'ann', pinned: false, reason: 'first_use' },
      },
    ]);
  });

  test('of a pool of another workspace is that one’s', async () => {
    const { workspace } = await rig.control.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'acme' });
    const theirs = { workspaceId: workspace.id };
    const [poolId] = (await rig.ok('ListPools', theirs)).poolIds;
    const { provider } = await rig.ok('ConnectProvider', { ...theirs, type: 'PROVIDER_TYPE_STATIC' });
    const place = { ...theirs, poolId, providerId: provider.id };
    const { session } = await rig.ok('CreateSession', { ...staticSession(rig.control, 'theirs'), ...place });
    const ours = await rig.poolWith(1);
    const before = await rig.audited();
    const batch = [
      binding('ann', { poolId, to: session }),
      binding('ann', { poolId: ours.poolId, to: ours.sessions[0]! }),
    ];
    expect(await record(...batch)).toEqual(['written', 'written']);
    const { assignmentIds } = await rig.ok('ListAssignments', { ...theirs, accountName: 'ann' });
    const { assignment } = await rig.ok('GetAssignment', { ...theirs, assignmentId: assignmentIds[0] });
    expect(assignment).toMatchObject({ ...theirs, poolId, sessionId: session.id });
    expect(await rig.code('GetAssignment', { assignmentId: assignmentIds[0] })).toBe('not_found');
    expect(await rig.auditSince(before)).toMatchObject([{ after: { poolId: ours.poolId } }]);
    const { events } = await rig.control.ok('accounts.v1.Accounts/ListAuditEvents', theirs);
    expect(events.at(-1)).toMatchObject({ ...theirs, method: 'gateway.Bind', objectId: assignment.id });
  });

  test('on a session that was disabled meanwhile is written: it is still there', async () => {
    const { poolId, sessions } = await rig.poolWith(1);
    await rig.ok('UpdateSession', { sessionId: sessions[0]!.id, enabled: false });
    expect(await record(binding('ann', { poolId, to: sessions[0]! }))).toEqual(['written']);
  });
});

describe('a move', () => {
  test.each(REASONS)('by %s changes the row, with the reason on record', async (reason) => {
    const { poolId, sessions } = await rig.poolWith(2);
    const [from, to] = [sessions[0]!, sessions[1]!];
    await record(binding('ann', { poolId, to: from }));
    const was = await rowOf(poolId, 'ann');
    if (reason === 'removed') await rig.ok('DeleteSession', { sessionId: from.id });
    const before = await rig.audited();
    expect(await record(binding('ann', { poolId, from, to, reason }))).toEqual(['written']);
    const row = await rowOf(poolId, 'ann');
    expect(row).toEqual({ ...was, sessionId: to.id, version: '2', updatedAt: row.updatedAt });
    expect(Date.parse(row.updatedAt)).toBeGreaterThanOrEqual(Date.parse(was.updatedAt));
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(to.id));
    expect(await rig.auditSince(before)).toMatchObject([
      { method: 'gateway.Bind', objectId: row.id, before: { sessionId: from.id }, after: { sessionId: to.id, reason } },
    ]);
  });

  test('of an account that was freed meanwhile binds it anew', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const { id } = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id });
    await rig.ok('DeleteAssignment', { assignmentId: id });
    expect(await record(binding('ann', { poolId, from: sessions[0]!, to: sessions[1]! }))).toEqual(['written']);
    const row = await rowOf(poolId, 'ann');
    expect(row).toMatchObject({ sessionId: sessions[1]!.id, version: '1' });
    expect(row.id).not.toBe(id);
  });
});

describe('what was done through the API meanwhile wins', () => {
  test.each([
    ['bound', 0, {}],
    ['moved', 2, {}],
    ['pinned where it was', 1, { pinned: true }],
  ] as const)('an account that was %s stays so, and the index learns of it', async (_, at, more) => {
    const { poolId, sessions } = await rig.poolWith(4);
    const stays = sessions[at]!;
    const made = await rig.create(poolId, 'ann', { sessionId: stays.id, ...more });
    leadAstray(poolId, 'ann', sessions[3]!);
    const before = await rig.audited();
    const from = at === 0 ? {} : { from: sessions[1]! };
    const verdicts = await record(binding('ann', { poolId, ...from, to: sessions[3]! }));
    expect(verdicts).toEqual([{ now: uuid(stays.id) }]);
    expect(await rowOf(poolId, 'ann')).toEqual(made);
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(stays.id));
    expect(await rig.auditSince(before)).toEqual([]);
  });

  test('a pin on the very session that was chosen stays', async () => {
    const { poolId, sessions } = await rig.poolWith(1);
    const made = await rig.create(poolId, 'ann', { sessionId: sessions[0]!.id, pinned: true });
    leadAstray(poolId, 'ann', sessions[0]!);
    expect(await record(binding('ann', { poolId, to: sessions[0]! }))).toEqual(['written']);
    expect(await rowOf(poolId, 'ann')).toEqual(made);
    expect(rig.gateway.directory.findAssignment(uuid(poolId), 'ann')?.pinned).toBe(true);
  });
});

describe('what is gone by then', () => {
  test('a pool takes its bindings with it, and no other of the batch', async () => {
    const [gone, stays] = [await rig.poolWith(1), await rig.poolWith(1)];
    await rig.ok('DeletePool', { poolId: gone.poolId });
    const verdicts = await record(
      binding('ann', { poolId: gone.poolId, to: gone.sessions[0]! }),
      binding('ann', { poolId: stays.poolId, to: stays.sessions[0]! }),
    );
    expect(verdicts).toEqual(['gone', 'written']);
    expect(await rowOf(gone.poolId, 'ann')).toBeNull();
  });

  test('a session leaves the account where it was, or nowhere', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const [x, y] = [sessions[0]!, sessions[1]!];
    await record(binding('ann', { poolId, to: x }));
    await rig.ok('DeleteSession', { sessionId: y.id });
    for (const name of ['ann', 'bo']) leadAstray(poolId, name, y);
    const before = await rig.audited();
    const batch = [binding('ann', { poolId, from: x, to: y }), binding('bo', { poolId, to: y })];
    expect(await record(...batch)).toEqual(['gone', 'gone']);
    expect(await rowOf(poolId, 'ann')).toMatchObject({ sessionId: x.id, version: '1' });
    expect([rig.servedBy(poolId, 'ann'), rig.servedBy(poolId, 'bo')]).toEqual([uuid(x.id), undefined]);
    expect(await rowOf(poolId, 'bo')).toBeNull();
    expect(await rig.auditSince(before)).toEqual([]);
  });

  test('a session of another pool is none of this one', async () => {
    const [one, other] = [await rig.poolWith(1), await rig.poolWith(1)];
    expect(await record(binding('ann', { poolId: one.poolId, to: other.sessions[0]! }))).toEqual(['gone']);
  });
});

describe('a batch', () => {
  test('with two steps of one account takes both, each on record', async () => {
    const { poolId, sessions } = await rig.poolWith(3);
    const [x, y, z] = [sessions[0]!, sessions[1]!, sessions[2]!];
    const before = await rig.audited();
    const verdicts = await record(
      binding('ann', { poolId, to: x }),
      binding('ann', { poolId, from: x, to: y, reason: 'ejected' }),
      binding('ann', { poolId, from: x, to: z }),
    );
    expect(verdicts).toEqual(['written', 'written', { now: uuid(y.id) }]);
    expect(await rowOf(poolId, 'ann')).toMatchObject({ sessionId: y.id, version: '2' });
    expect(rig.servedBy(poolId, 'ann')).toBe(uuid(y.id));
    expect(await rig.auditSince(before)).toMatchObject([
      { after: { reason: 'first_use', sessionId: x.id } },
      { before: { sessionId: x.id }, after: { reason: 'ejected', sessionId: y.id } },
    ]);
  });

  test('that is repeated changes nothing more', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const [x, y] = [sessions[0]!, sessions[1]!];
    await record(binding('ann', { poolId, to: x }));
    const batch = [binding('ann', { poolId, from: x, to: y }), binding('bo', { poolId, to: x })];
    await record(...batch);
    const rows = [await rowOf(poolId, 'ann'), await rowOf(poolId, 'bo')];
    const before = await rig.audited();
    expect(await record(...batch)).toEqual(['written', 'written']);
    expect([await rowOf(poolId, 'ann'), await rowOf(poolId, 'bo')]).toEqual(rows);
    expect(await rig.auditSince(before)).toEqual([]);
  });

  test('of nothing is answered with nothing', async () => {
    expect(await record()).toEqual([]);
  });

  test('that was answered is there after a kill, in the store and in the next run’s index', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const names = Array.from({ length: 20 }, (_, n) => `ann${n}`);
    await record(...names.map((name, n) => binding(name, { poolId, to: sessions[n % 2]! })));
    await record(binding('ann0', { poolId, from: sessions[0]!, to: sessions[1]! }));
    // What a kill leaves: the files as they are in that moment, without a checkpoint or a last word.
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-killed-'));
    await cp(rig.control.directory, directory, { recursive: true });
    const next = await startControlRig({ directory });
    try {
      const loaded = next.changes.flatMap((change) =>
        change.kind === 'assignment-put' && change.assignment.poolId === uuid(poolId) ? change.assignment : [],
      );
      const expected = names.map((name, n) => [name, uuid(sessions[n === 0 ? 1 : n % 2]!.id)]);
      expect(loaded.map(({ accountName, sessionId }) => [accountName, sessionId]).sort()).toEqual(expected.sort());
    } finally {
      await next.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('the queue before it', () => {
  /** The sizes of the batches that were asked for. */
  function startQueue() {
    const sizes: number[] = [];
    const log = recordedLog();
    const deadlines = new Deadlines();
    const queue = new BindingQueue(
      (batch) => {
        sizes.push(batch.length);
        return rig.control.plane.recordBindings(structuredClone(batch));
      },
      deadlines,
      log,
    );
    return { queue, sizes, log, deadlines };
  }

  test('5,000 in one burst are all written, 500 a transaction, and moved again', { timeout: 60_000 }, async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const [x, y] = [sessions[0]!, sessions[1]!];
    const { queue, sizes, deadlines } = startQueue();
    const before = await rig.audited();
    const names = Array.from({ length: 5_000 }, (_, n) => `ann${n}`);
    for (const name of names) queue.push(binding(name, { poolId, to: x }));
    expect(await queue.drain(30_000)).toBe(true);
    for (const name of names) queue.push(binding(name, { poolId, from: x, to: y }));
    expect(await queue.drain(30_000)).toBe(true);
    expect(sizes).toEqual(Array.from({ length: 20 }, () => MAX_BINDINGS));
    expect(names.every((name) => rig.servedBy(poolId, name) === uuid(y.id))).toBe(true);
    const events = await rig.auditSince(before);
    expect(events.map(({ after }) => after.reason)).toEqual([
      ...names.map(() => 'first_use'),
      ...names.map(() => 'removed'),
    ]);
    expect(await rowOf(poolId, 'ann4999')).toMatchObject({ sessionId: y.id, version: '2' });
    queue.close();
    expect(deadlines.size).toBe(0);
  });

  test('holds what the store does not take, and writes all of it once it does', async () => {
    const { poolId, sessions } = await rig.poolWith(2);
    const { queue, sizes, log, deadlines } = startQueue();
    const other = new Database(join(rig.control.directory, 'sallyport.db'));
    try {
      other.exec('begin immediate');
      queue.push(binding('ann', { poolId, to: sessions[0]! }));
      await eventually('the store refuses', () => log.lines.length > 0);
      expect(log.lines[0]!.fields.error).toMatchObject({ kind: 'busy' });
      queue.push(binding('bo', { poolId, to: sessions[0]! }));
      queue.push(binding('ann', { poolId, from: sessions[0]!, to: sessions[1]! }));
      expect(await rowOf(poolId, 'ann')).toBeNull();
      other.exec('rollback');
    } finally {
      other.close();
    }
    expect(await queue.drain(10_000)).toBe(true);
    expect(sizes.at(-1)).toBe(2);
    expect(await rowOf(poolId, 'ann')).toMatchObject({ sessionId: sessions[1]!.id, version: '2' });
    expect(await rowOf(poolId, 'bo')).toMatchObject({ sessionId: sessions[0]!.id, version: '1' });
    queue.close();
    expect(deadlines.size).toBe(0);
  });
});
