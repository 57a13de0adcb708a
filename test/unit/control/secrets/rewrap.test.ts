/** The master key changes under a store: whatever the moment a process ends at, every key opens with what is on disk. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { unwrapKey } from '../../../../control/secrets/key-wrapping.ts';
import { loadMasterKey, type MasterKey, type MasterKeySource } from '../../../../control/secrets/master-key.ts';
import { checkMasterKey, openMasterKey, rewrapAll, rewrapPage } from '../../../../control/secrets/rewrap.ts';
import { openVault } from '../../../../control/secrets/vault.ts';
import { openStore, type Store } from '../../../../control/store/database.ts';
import {
  insertDestroyedKeys,
  insertWorkspaceKey,
  listKeyringIds,
  loadWorkspaceKeys,
  rewrapWorkspaceKey,
} from '../../../../control/store/workspace-keys.ts';
import { insertWorkspace } from '../../../../control/store/workspaces.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { silentLog } from '../../../../src/core/log.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';
import { freshStore, tempDir, workspaceRecord } from '../../../helpers/store-rig.ts';

const refused = (kind: string) => ({ name: 'SecretError', kind });

interface Kept {
  readonly store: Store;
  readonly file: string;
  readonly ids: readonly WorkspaceId[];
  /** The workspace keys in clear, by workspace. */
  readonly keys: ReadonlyMap<WorkspaceId, Buffer>;
}

const inFile = (file: string): MasterKeySource => ({ value: null, file, mayCreate: true });

/** A store with `n` workspaces under the master key in a file. */
async function keptStore(n: number): Promise<Kept> {
  const store = await freshStore();
  const file = join(tempDir(), 'master.key');
  const masterKey = loadMasterKey(inFile(file));
  const ids = await addWorkspaces(store, masterKey, n);
  return { store, file, ids, keys: await openAll(store, masterKey, ids) };
}

async function addWorkspaces(store: Store, masterKey: MasterKey, n: number): Promise<WorkspaceId[]> {
  const vault = await openVault(store.db, { masterKey, clock: systemClock });
  const records = Array.from({ length: n }, () => workspaceRecord());
  await store.write(async (tx) => {
    for (const record of records) {
      await insertWorkspace(tx, record);
      await vault.createWorkspaceKey(tx, record.id);
    }
  });
  return records.map(({ id }) => id);
}

async function openAll(
  store: Store,
  masterKey: MasterKey,
  ids: readonly WorkspaceId[],
): Promise<Map<WorkspaceId, Buffer>> {
  const keys = new Map<WorkspaceId, Buffer>();
  for (const id of ids) {
    for (const record of await loadWorkspaceKeys(store.db, id)) keys.set(id, unwrapKey(masterKey, record));
  }
  return keys;
}

const settle = (store: Store, source: MasterKeySource) => openMasterKey(store, source, silentLog);

describe('changing the master key', () => {
  test('ended at any transaction, it is taken up at the next start, and no key is ever beyond reach', async () => {
    const { store, file, ids, keys } = await keptStore(20);
    const old = readFileSync(file);
    const dying = loadMasterKey(inFile(file));
    dying.startNext();
    for (let handled = 1; handled > 0; ) {
      // As a process that ended here would find it, without settling anything.
      const found = loadMasterKey(inFile(file));
      expect(await openAll(store, found, ids)).toEqual(keys);
      handled = await store.write((tx) => rewrapPage(tx, dying, 3));
    }
    expect(await listKeyringIds(store.db)).toEqual([dying.wrapping.id]);
    const settled = await settle(store, inFile(file));
    expect(settled.isChanging).toBe(false);
    expect(existsSync(`${file}.next`)).toBe(false);
    expect(await openAll(store, loadMasterKey(inFile(file)), ids)).toEqual(keys);
    // The old one is good for nothing.
    const oldFile = join(tempDir(), 'master.key');
    writeFileSync(oldFile, old, { mode: 0o600 });
    await expect(checkMasterKey(store.db, loadMasterKey(inFile(oldFile)))).rejects.toMatchObject(refused('key-wrong'));
  });

  test('a start that finds it half done completes it', async () => {
    const { store, file, ids, keys } = await keptStore(6);
    const dying = loadMasterKey(inFile(file));
    dying.startNext();
    await store.write((tx) => rewrapPage(tx, dying, 3));
    expect(await listKeyringIds(store.db)).toHaveLength(2);
    const settled = await settle(store, inFile(file));
    expect(await listKeyringIds(store.db)).toEqual([settled.wrapping.id]);
    expect(await openAll(store, settled, ids)).toEqual(keys);
  });

  test('a workspace made meanwhile is under the new key', async () => {
    const { store, file } = await keptStore(1);
    const masterKey = loadMasterKey(inFile(file));
    masterKey.startNext();
    const [made] = await addWorkspaces(store, masterKey, 1);
    const [record] = await loadWorkspaceKeys(store.db, made!);
    expect(record?.keyring).toEqual(masterKey.wrapping.id);
    expect(await rewrapAll(store, masterKey)).toBe(1);
  });

  test('a key that somebody changed stops it and costs nobody else anything', async () => {
    const { store, file, ids, keys } = await keptStore(3);
    const [victim, ...others] = ids;
    const [record] = await loadWorkspaceKeys(store.db, victim!);
    const wrappedKey = Buffer.from(record!.wrappedKey);
    wrappedKey[30]! ^= 1;
    await store.write((tx) => rewrapWorkspaceKey(tx, { ...record!, wrappedKey }));
    const masterKey = loadMasterKey(inFile(file));
    masterKey.startNext();
    await expect(rewrapAll(store, masterKey)).rejects.toMatchObject(refused('key-changed'));
    const settled = await settle(store, inFile(file));
    expect(settled.isChanging).toBe(true);
    const kept = new Map([...keys].filter(([id]) => id !== victim));
    expect(await openAll(store, settled, others)).toEqual(kept);
  });
});

describe('at start', () => {
  test('keys of schema 1, wrapped by the bare master key, are brought over', async () => {
    const { store, file } = await keptStore(0);
    const root = loadMasterKey(inFile(file)).wrapping.root!;
    const workspace = workspaceRecord();
    const key = randomBytes(32);
    await store.write(async (tx) => {
      await insertWorkspace(tx, workspace);
      const record = { workspaceId: workspace.id, version: 1, createdAtMs: 1, keyring: null };
      await insertWorkspaceKey(tx, { ...record, wrappedKey: wrapBare(root, workspace.id, key) });
    });
    const settled = await settle(store, inFile(file));
    const [record] = await loadWorkspaceKeys(store.db, workspace.id);
    expect(record?.keyring).toEqual(settled.wrapping.id);
    expect(unwrapKey(settled, record!)).toEqual(key);
  });

  test('keys of schema 1 under another master key are a refusal', async () => {
    const { store, file } = await keptStore(0);
    const workspace = workspaceRecord();
    await store.write(async (tx) => {
      await insertWorkspace(tx, workspace);
      const record = { workspaceId: workspace.id, version: 1, createdAtMs: 1, keyring: null };
      const wrappedKey = wrapBare(randomBytes(32), workspace.id, randomBytes(32));
      await insertWorkspaceKey(tx, { ...record, wrappedKey });
    });
    await expect(settle(store, inFile(file))).rejects.toMatchObject(refused('key-wrong'));
  });

  test.each(['value to value', 'file to value', 'value to file'])('a previous master key: %s', async (way) => {
    const store = await freshStore();
    const [from, to] = way.split(' to ') as ['value' | 'file', 'value' | 'file'];
    const dir = tempDir();
    const values = { old: randomBytes(32).toString('base64'), new: randomBytes(32).toString('hex') };
    const source = (kind: 'value' | 'file', which: 'old' | 'new') => {
      return { value: kind === 'value' ? values[which] : null, file: join(dir, `${which}.key`) };
    };
    const before = await settle(store, { ...source(from, 'old'), mayCreate: true });
    const ids = await addWorkspaces(store, before, 3);
    const keys = await openAll(store, before, ids);
    // Without the old one: a refusal, and nothing is made anew.
    await expect(settle(store, { ...source(to, 'new'), mayCreate: false })).rejects.toMatchObject({
      name: 'SecretError',
    });
    expect(existsSync(join(dir, 'new.key'))).toBe(false);
    const previous = source(from, 'old');
    const moved = await settle(store, { ...source(to, 'new'), previous, mayCreate: false });
    expect(await openAll(store, moved, ids)).toEqual(keys);
    expect(moved.keyring(before.wrapping.id)).toBeNull();
    const alone = await settle(store, { ...source(to, 'new'), mayCreate: false });
    expect(await openAll(store, alone, ids)).toEqual(keys);
  });

  test('what was to be destroyed when the process ended is destroyed, under this keyring alone', async () => {
    const { store, file, ids } = await keptStore(3);
    const masterKey = loadMasterKey(inFile(file));
    await store.write((tx) => insertDestroyedKeys(tx, masterKey.keyringIds, ids[0]!));
    await store.write((tx) => insertDestroyedKeys(tx, [randomBytes(8)], ids[1]!));
    const settled = await settle(store, inFile(file));
    expect(ids.map((id) => settled.isDestroyed(id))).toEqual([true, false, false]);
    const again = loadMasterKey(inFile(file));
    expect(ids.map((id) => again.isDestroyed(id))).toEqual([true, false, false]);
  });

  test('a copy of the key made at install opens all that is live, and is cut again', async () => {
    const { store, file, ids, keys } = await keptStore(3);
    const copy = join(tempDir(), 'master.key');
    copyFileSync(file, copy);
    const masterKey = loadMasterKey(inFile(file));
    const vault = await openVault(store.db, { masterKey, clock: systemClock });
    await store.write((tx) => vault.destroyWorkspaceKey(tx, ids[0]!));
    vault.destroyed(ids[0]!);
    const fromCopy = await settle(store, inFile(copy));
    expect(await openAll(store, fromCopy, ids.slice(1))).toEqual(new Map([...keys].slice(1)));
    expect(fromCopy.isDestroyed(ids[0]!)).toBe(true);
    expect(readFileSync(copy, 'utf8')).toMatch(/^sallyport-keyring 1\n/);
  });
});

describe('a backup from before a workspace was destroyed', () => {
  test('changing the master key over it drops the destroyed key and keeps the others', async () => {
    const { store, file, ids, keys } = await keptStore(3);
    const masterKey = loadMasterKey(inFile(file));
    masterKey.destroy([ids[0]!]);
    masterKey.startNext();
    await rewrapAll(store, masterKey);
    masterKey.finishNext();
    expect(await loadWorkspaceKeys(store.db, ids[0]!)).toEqual([]);
    expect(await openAll(store, masterKey, ids)).toEqual(new Map([...keys].slice(1)));
  });

  test('a key file that is missing is not made anew, nor is a foreign one taken', async () => {
    const dir = tempDir();
    const path = join(dir, 'a.db');
    const store = await openStore({ path });
    onTestFinished(() => store.close());
    const masterKey = loadMasterKey(inFile(join(dir, 'master.key')));
    await addWorkspaces(store, masterKey, 1);
    const elsewhere = { value: null, file: join(dir, 'other.key'), mayCreate: false };
    await expect(settle(store, elsewhere)).rejects.toMatchObject(refused('key-missing'));
    writeFileSync(elsewhere.file, randomBytes(32).toString('base64'), { mode: 0o600 });
    await expect(settle(store, elsewhere)).rejects.toMatchObject(refused('key-wrong'));
  });
});

/** As schema 1 wrapped keys: by the master key itself. */
function wrapBare(root: Buffer, workspaceId: WorkspaceId, key: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', root, nonce, { authTagLength: 16 });
  cipher.setAAD(Buffer.from(['workspace-key', workspaceId, '1'].join('\0')));
  const text = Buffer.concat([cipher.update(key), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}
