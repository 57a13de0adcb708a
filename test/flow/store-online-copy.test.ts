import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { checkCopy } from '../../control/store/copy-check.ts';
import { openStore, type Store } from '../../control/store/database.ts';
import { copyPathOf } from '../../control/store/database-file.ts';
import { insertSessions } from '../../control/store/session-bulk.ts';
import { countLiveSessions } from '../../control/store/sessions.ts';
import { countWorkspaces, insertWorkspace } from '../../control/store/workspaces.ts';
import { freshStore, tempDir, tenant, workspaceRecord } from '../helpers/store-rig.ts';

const never = new AbortController().signal;

async function sessionsStored(store: Store, count: number): Promise<void> {
  const { session } = await tenant(store);
  const records = Array.from({ length: count }, (_, n) => session(`token-${n}`));
  await store.write((tx) => insertSessions(tx, records, nextTurn));
}

test('a copy made while writes never pause has every write acknowledged before its end, and is sound', async () => {
  const store = await freshStore();
  await sessionsStored(store, 5_000);
  const copyPath = copyPathOf(store.path, 'test');
  let acknowledged = 0;
  let copying = true;
  const writers = Array.from({ length: 4 }, async () => {
    while (copying) {
      await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
      acknowledged++;
    }
  });
  const copied = store.copyTo(copyPath, never).then(() => acknowledged);
  const atEnd = await copied;
  copying = false;
  await Promise.all(writers);
  expect(atEnd).toBeGreaterThan(10);
  expect(statSync(copyPath).mode & 0o777).toBe(0o600);
  checkCopy(copyPath);
  expect(readdirSync(dirname(store.path)).filter((name) => /copy-test-(wal|shm|journal)$/.test(name))).toEqual([]);
  const restored = await freshStore(copyPath);
  expect(await countLiveSessions(restored.db)).toBe(5_000);
  expect(await countWorkspaces(restored.db)).toBeGreaterThanOrEqual(atEnd + 1);
});

test('a copy asked for inside a long transaction waits for it, and has it', async () => {
  const store = await freshStore();
  const { session } = await tenant(store);
  const inside = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const bulk = store.write(async (tx) => {
    await insertSessions(tx, [session('first')], nextTurn);
    inside.resolve();
    await release.promise;
    await insertSessions(tx, [session('second')], nextTurn);
  });
  await inside.promise;
  const copyPath = copyPathOf(store.path, 'test');
  const copy = store.copyTo(copyPath, never);
  await nextTurn();
  release.resolve();
  await Promise.all([bulk, copy]);
  expect(await countLiveSessions((await freshStore(copyPath)).db)).toBe(2);
});

test('a transaction that begins while the copy is under way, pauses and is undone: neither holds the other up', async () => {
  const store = await freshStore();
  await sessionsStored(store, 5_000);
  const copyPath = copyPathOf(store.path, 'test');
  const copy = store.copyTo(copyPath, never);
  let undone = 0;
  const finished = copy.then(() => true);
  while (!(await Promise.race([finished, nextTurn(false)]))) {
    const failing = store.write(async (tx) => {
      await insertWorkspace(tx, workspaceRecord());
      await nextTurn();
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    undone++;
  }
  expect(undone).toBeGreaterThan(0);
  checkCopy(copyPath);
  const restored = await freshStore(copyPath);
  expect(await countLiveSessions(restored.db)).toBe(5_000);
  expect(await countWorkspaces(restored.db)).toBe(1);
});

test('an aborted copy says why and leaves the store as it was', async () => {
  const store = await freshStore();
  await sessionsStored(store, 2_000);
  const abort = new AbortController();
  const copy = store.copyTo(copyPathOf(store.path, 'test'), abort.signal);
  const refused = expect(copy).rejects.toThrow('no longer wanted');
  abort.abort(new Error('no longer wanted'));
  await refused;
  await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
  await store.copyTo(copyPathOf(store.path, 'again'), never);
});

test('closing the store ends a copy under way as closed', async () => {
  const store = await freshStore();
  await sessionsStored(store, 2_000);
  const refused = expect(store.copyTo(copyPathOf(store.path, 'test'), never)).rejects.toMatchObject({ kind: 'closed' });
  await store.close();
  await refused;
  await expect(store.copyTo(copyPathOf(store.path, 'late'), never)).rejects.toMatchObject({ kind: 'closed' });
});

test('a copy never replaces a file', async () => {
  const store = await freshStore();
  const path = join(tempDir(), 'mine');
  writeFileSync(path, 'mine');
  await expect(store.copyTo(path, never)).rejects.toMatchObject({ kind: 'unwritable' });
});

test('opening a store removes the copies that a crash left, and nothing else', async () => {
  const path = join(tempDir(), 'a.db');
  await (await openStore({ path })).close();
  const left = [copyPathOf(path, 'backup'), `${copyPathOf(path, 'backup')}-journal`];
  const kept = join(dirname(path), `x-${basename(path)}.copy-backup`);
  for (const file of [...left, kept]) writeFileSync(file, '');
  await freshStore(path);
  expect(left.map((file) => existsSync(file))).toEqual([false, false]);
  expect(existsSync(kept)).toBe(true);
});
