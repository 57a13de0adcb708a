import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../../control/store/database.ts';
import { countWorkspaces, insertWorkspace, loadLiveWorkspaces } from '../../../../control/store/workspaces.ts';
import { freshStore, tempDir, workspaceRecord } from '../../../helpers/store-rig.ts';

describe('writes that wait together', () => {
  test('share a commit, run in order of call, and see those before them', async () => {
    let commits = 0;
    const store = await openStore({ path: join(tempDir(), 'a.db'), onCommit: () => commits++ });
    onTestFinished(() => store.close());
    commits = 0;
    const writes = Array.from({ length: 20 }, () => {
      return store.write(async (tx) => {
        await insertWorkspace(tx, workspaceRecord());
        return countWorkspaces(tx);
      });
    });
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(commits).toBe(1);
  });

  test('fail alone: what a failed one did is undone, the others are stored', async () => {
    const store = await freshStore();
    const kept = [workspaceRecord({ name: 'a' }), workspaceRecord({ name: 'c' })];
    const [first, second, third, fourth] = await Promise.allSettled([
      store.write((tx) => insertWorkspace(tx, kept[0]!)),
      store.write(async (tx) => {
        await insertWorkspace(tx, workspaceRecord({ name: 'b' }));
        throw new Error('changed my mind');
      }),
      store.write((tx) => insertWorkspace(tx, kept[0]!)),
      store.write((tx) => insertWorkspace(tx, kept[1]!)),
    ]);
    expect([first?.status, fourth?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(second).toMatchObject({ status: 'rejected', reason: { message: 'changed my mind' } });
    expect(third).toMatchObject({ status: 'rejected', reason: { kind: 'constraint' } });
    expect(await loadLiveWorkspaces(store.db)).toEqual(kept);
  });

  test('are all refused when SQLite gives up the transaction, and later ones go on', async () => {
    const store = await freshStore();
    const existing = workspaceRecord();
    await store.write((tx) => insertWorkspace(tx, existing));
    const results = await Promise.allSettled([
      store.write((tx) => insertWorkspace(tx, workspaceRecord())),
      // ON CONFLICT ROLLBACK ends the whole transaction, as SQLite does by itself after some disk errors.
      store.write((tx) => sql`insert or rollback into workspaces select * from workspaces`.execute(tx)),
    ]);
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { kind: 'constraint' } });
    await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
    expect(await countWorkspaces(store.db)).toBe(2);
  });

  test('a full disk refuses what does not fit, and only for as long', async () => {
    const store = await freshStore();
    const allowPages = (more: number) => {
      return store.write(async (tx) => {
        const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(tx);
        await sql.raw(`pragma max_page_count = ${rows[0]!.page_count + more}`).execute(tx);
      });
    };
    const large = () => workspaceRecord({ name: 'x'.repeat(100_000) });
    await allowPages(1);
    await expect(store.write((tx) => insertWorkspace(tx, large()))).rejects.toMatchObject({ kind: 'full' });
    expect(store.isBroken()).toBe(false);
    await allowPages(1_000);
    await store.write((tx) => insertWorkspace(tx, large()));
    expect(await countWorkspaces(store.db)).toBe(1);
  });
});
