import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import {
  type AssignmentFilter,
  type AssignmentRecord,
  findBoundAccounts,
  insertAssignments,
  listAssignmentIds,
  loadAssignment,
  loadAssignments,
  loadLiveAssignments,
  replaceAssignment,
  softDeleteAssignment,
} from '../../../../control/store/assignments.ts';
import { openStore, type Store } from '../../../../control/store/database.ts';
import { insertPool } from '../../../../control/store/pools.ts';
import { insertSession, type SessionRecord, softDeleteSession } from '../../../../control/store/sessions.ts';
import type { AssignmentId } from '../../../../src/core/model.ts';
import { freshStore, newId, noPause, poolRecord, tempDir, tenant } from '../../../helpers/store-rig.ts';

/** A tenant with sessions of the given tokens, and a maker of assignments to them. */
async function bindable(store: Store, tokens: readonly string[]) {
  const home = await tenant(store);
  const sessions = tokens.map((token) => home.session(token));
  await store.write(async (tx) => {
    for (const session of sessions) await insertSession(tx, session);
  });
  const assignment = (
    accountName: string,
    session: SessionRecord,
    over: Partial<AssignmentRecord> = {},
  ): AssignmentRecord => ({
    ...{ id: newId(), workspaceId: session.workspaceId, poolId: session.poolId, sessionId: session.id, accountName },
    ...{ pinned: false, version: 1, createdAtMs: 1_000, updatedAtMs: 2_000 },
    ...over,
  });
  return { ...home, sessions, assignment };
}

const insert = (store: Store, records: readonly AssignmentRecord[]) =>
  store.write((tx) => insertAssignments(tx, records, noPause));

test('a stored assignment reads back as it was written, in its own workspace alone', async () => {
  const store = await freshStore();
  const { workspace, sessions, assignment } = await bindable(store, ['a']);
  const stranger = await tenant(store);
  const record = assignment('Ann.b_c~-1', sessions[0]!, { pinned: true, version: 3 });
  await insert(store, [record]);
  expect(await loadAssignment(store.db, workspace.id, record.id)).toEqual(record);
  expect(await loadAssignment(store.db, stranger.workspace.id, record.id)).toBeNull();
  expect(await loadAssignments(store.db, workspace.id, [newId(), record.id])).toEqual([record]);
  expect(await loadAssignments(store.db, stranger.workspace.id, [record.id])).toEqual([]);
});

test('any number is inserted in slices with a pause between them, and loaded page by page', async () => {
  const store = await freshStore();
  const { sessions, assignment, pool } = await bindable(store, ['a', 'b']);
  const records = Array.from({ length: 600 }, (_, n) => assignment(`n${n}`, sessions[n % 2]!));
  let pauses = 0;
  await store.write((tx) => insertAssignments(tx, records, async () => void pauses++));
  expect(pauses).toBe(2);
  const first = await loadLiveAssignments(store.db, { afterId: null, limit: 400 });
  const rest = await loadLiveAssignments(store.db, { afterId: first.at(-1)!.id, limit: 400 });
  expect([...first, ...rest]).toEqual(records);
  const bound = await findBoundAccounts(store.db, pool.id, ['n1', 'n599', 'n600', 'N1']);
  expect([...bound].sort()).toEqual(['n1', 'n599']);
  await expect(insert(store, [])).resolves.toBeUndefined();
});

test('an account has one live assignment a pool; deleting it frees the name', async () => {
  const store = await freshStore();
  const { workspace, pool, sessions, assignment } = await bindable(store, ['a']);
  const first = assignment('ann', sessions[0]!);
  const second = assignment('ann', sessions[0]!);
  await insert(store, [first]);
  await expect(insert(store, [assignment('bo', sessions[0]!), second])).rejects.toMatchObject({ kind: 'constraint' });
  expect(await findBoundAccounts(store.db, pool.id, ['ann', 'bo'])).toEqual(new Set(['ann']));
  const remove = () => store.write((tx) => softDeleteAssignment(tx, workspace.id, first.id, 9_000));
  expect(await store.write((tx) => softDeleteAssignment(tx, newId(), first.id, 9_000))).toBe(false);
  expect(await remove()).toBe(true);
  expect(await remove()).toBe(false);
  expect(await loadAssignment(store.db, workspace.id, first.id)).toBeNull();
  expect(await findBoundAccounts(store.db, pool.id, ['ann'])).toEqual(new Set());
  await insert(store, [second]);
  expect(await loadLiveAssignments(store.db, { afterId: null, limit: 9 })).toEqual([second]);
});

test('session, pin, version and time are what can change of a live one', async () => {
  const store = await freshStore();
  const { workspace, sessions, assignment } = await bindable(store, ['a', 'b']);
  const record = assignment('ann', sessions[0]!);
  await insert(store, [record]);
  const moved = { ...record, sessionId: sessions[1]!.id, pinned: true, version: 2, updatedAtMs: 3_000 };
  expect(await store.write((tx) => replaceAssignment(tx, { ...moved, accountName: 'bo', createdAtMs: 0 }))).toBe(true);
  expect(await loadAssignment(store.db, workspace.id, record.id)).toEqual(moved);
  await store.write((tx) => softDeleteAssignment(tx, workspace.id, record.id, 9_000));
  expect(await store.write((tx) => replaceAssignment(tx, moved))).toBe(false);
});

test('an assignment keeps a session that is deleted, and is listed by it', async () => {
  const store = await freshStore();
  const { workspace, sessions, assignment } = await bindable(store, ['a']);
  const record = assignment('ann', sessions[0]!);
  await insert(store, [record]);
  await store.write((tx) => softDeleteSession(tx, workspace.id, sessions[0]!.id, 5_000));
  expect(await loadAssignment(store.db, workspace.id, record.id)).toEqual(record);
  const filter = { workspaceId: workspace.id, poolId: null, sessionId: sessions[0]!.id, accountName: null };
  expect(await listAssignmentIds(store.db, filter, { afterId: null, limit: 9 })).toEqual([record.id]);
});

test('lists by any combination of pool, session and account answer what a plain look at all rows does', async () => {
  const store = await freshStore();
  const { workspace, pool, session, sessions, assignment } = await bindable(store, ['a', 'b']);
  const second = poolRecord(workspace.id, { name: 'second' });
  const c = session('c', { poolId: second.id });
  await store.write(async (tx) => {
    await insertPool(tx, second);
    await insertSession(tx, c);
  });
  const stranger = await bindable(store, ['x']);
  const [a, b] = [sessions[0]!, sessions[1]!];
  const records = [
    ...[assignment('ann', a), assignment('bo', b), assignment('cy', a), assignment('ann', c), assignment('dee', c)],
    ...['ed', 'flo', 'gus'].map((name) => assignment(name, b)),
    ...[stranger.assignment('ann', stranger.sessions[0]!), stranger.assignment('bo', stranger.sessions[0]!)],
  ];
  await insert(store, records);
  const list = async (filter: AssignmentFilter): Promise<AssignmentId[]> => {
    const all: AssignmentId[] = [];
    for (let afterId: AssignmentId | null = null; ; afterId = all.at(-1)!) {
      const ids = await listAssignmentIds(store.db, filter, { afterId, limit: 2 });
      all.push(...ids);
      if (ids.length === 0) return all;
    }
  };
  let found = 0;
  for (const poolId of [null, pool.id, second.id, stranger.pool.id, newId<typeof pool.id>()]) {
    for (const sessionId of [null, a.id, b.id, c.id, stranger.sessions[0]!.id, newId<typeof a.id>()]) {
      for (const accountName of [null, 'ann', 'bo', 'dee', 'nobody', '']) {
        const expected = records.filter(
          (row) =>
            row.workspaceId === workspace.id &&
            (poolId === null || row.poolId === poolId) &&
            (sessionId === null || row.sessionId === sessionId) &&
            (accountName === null || row.accountName === accountName),
        );
        found += expected.length;
        const listed = await list({ workspaceId: workspace.id, poolId, sessionId, accountName });
        expect(listed).toEqual(expected.map(({ id }) => id));
      }
    }
  }
  expect(found).toBeGreaterThan(40);
});

test('every list and look-up is an index walk of its own, without a sort', async () => {
  const path = join(tempDir(), 'a.db');
  const prepared: string[] = [];
  const store = await openStore({
    path,
    onStatement(text) {
      prepared.push(text);
      return () => {};
    },
  });
  onTestFinished(() => store.close());
  const { workspace, pool, sessions } = await bindable(store, ['a']);
  const raw = new Database(path, { readonly: true });
  onTestFinished(() => void raw.close());
  const plan = async (query: Promise<unknown>) => {
    await query;
    const text = prepared.at(-1)!;
    const blanks = Array.from(text.matchAll(/\?/g), () => null);
    const rows = raw.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...blanks);
    return rows.map((row) => row.detail).filter((detail) => / assignments | a | TEMP /.test(`${detail} `));
  };
  const page = { afterId: null, limit: 9 };
  const list = (filter: Partial<AssignmentFilter>) =>
    plan(
      listAssignmentIds(
        store.db,
        { workspaceId: workspace.id, poolId: null, sessionId: null, accountName: null, ...filter },
        page,
      ),
    );
  const covering = (index: string, columns: string) => [
    `SEARCH assignments USING COVERING INDEX assignments_of_${index} (${columns}=? AND id>?)`,
  ];
  const one = ['SEARCH assignments USING INDEX assignments_by_account (pool_id=? AND account_name=? AND id>?)'];
  const by = { poolId: pool.id, sessionId: sessions[0]!.id, accountName: 'ann' };
  const { poolId, sessionId, accountName } = by;
  expect(await list({})).toEqual(covering('workspace', 'workspace_id'));
  expect(await list({ poolId })).toEqual(covering('pool', 'pool_id'));
  expect(await list({ sessionId })).toEqual(covering('session', 'session_id'));
  expect(await list({ poolId, sessionId })).toEqual(covering('session', 'session_id'));
  expect(await list({ accountName })).toEqual(covering('account', 'workspace_id=? AND account_name'));
  for (const filter of [{ poolId, accountName }, { sessionId, accountName }, by]) {
    expect(await list(filter)).toEqual(one);
  }
  expect(await plan(loadLiveAssignments(store.db, page))).toEqual(['SEARCH assignments USING PRIMARY KEY (id>?)']);
  expect(await plan(loadAssignments(store.db, workspace.id, [newId()]))).toEqual([
    expect.stringMatching(/^SEARCH .*\bid=\?/),
  ]);
  expect(await plan(findBoundAccounts(store.db, pool.id, ['ann']))).toEqual([
    expect.stringMatching(
      /^SEARCH a USING (COVERING )?INDEX assignments_by_account \(pool_id=\? AND account_name=\?\)/,
    ),
  ]);
});
