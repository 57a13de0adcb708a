import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sealedVersion } from '../../../../control/secrets/sealing.ts';
import { Secret } from '../../../../control/secrets/secret.ts';
import { openVault } from '../../../../control/secrets/vault.ts';
import { openStore } from '../../../../control/store/database.ts';
import { insertSessions } from '../../../../control/store/session-bulk.ts';
import {
  deleteKeysBefore,
  insertWorkspaceKey,
  loadWorkspaceKeys,
  rewrapWorkspaceKey,
} from '../../../../control/store/workspace-keys.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { freshStore, newId, noPause, tempDir, tenant } from '../../../helpers/store-rig.ts';
import { keyByValue, keyInFile } from './key-rig.ts';

const endpoint = { scheme: 'http', host: '203.0.113.7', port: 8080 } as const;

/** A store with two tenants that have keys, and the vault over it. */
async function sealedStore() {
  const store = await freshStore();
  const masterKey = keyByValue();
  const [mine, theirs] = [await tenant(store), await tenant(store)];
  const vault = await openVault(store.db, { masterKey, clock: systemClock });
  await store.write(async (tx) => {
    await vault.createWorkspaceKey(tx, mine.workspace.id);
    await vault.createWorkspaceKey(tx, theirs.workspace.id);
  });
  return { store, vault, masterKey, mine, theirs };
}

describe('the vault', () => {
  test('opens what it sealed, again after a restart, and nowhere else', async () => {
    const { store, vault, masterKey, mine, theirs } = await sealedStore();
    const sealer = await vault.forWorkspace(store.db, mine.workspace.id);
    const place = { sessionId: newId<never>(), endpoint, tlsInsecure: false, serial: 1 };
    const blob = sealer.sealSessionPassword(place, new Secret('hunter2'));
    const restarted = await openVault(store.db, { masterKey, clock: systemClock });
    const again = await restarted.forWorkspace(store.db, mine.workspace.id);
    expect(again.openSessionPassword(place, blob).reveal()).toBe('hunter2');
    const foreign = await restarted.forWorkspace(store.db, theirs.workspace.id);
    const unsealable = expect.objectContaining({ kind: 'unsealable' });
    expect(() => foreign.openSessionPassword(place, blob)).toThrow(unsealable);
    expect(() => again.openSessionPassword({ ...place, sessionId: newId<never>() }, blob)).toThrow(unsealable);
    const asProvider = { providerId: place.sessionId, endpoint, serial: 1 };
    expect(() => again.openProviderCredentials(asProvider, blob)).toThrow(unsealable);
  });

  test('seals provider credentials with and without an endpoint', async () => {
    const { store, vault, mine } = await sealedStore();
    const sealer = await vault.forWorkspace(store.db, mine.workspace.id);
    const providerId = newId<never>();
    for (const where of [endpoint, null]) {
      const blob = sealer.sealProviderCredentials({ providerId, endpoint: where, serial: 1 }, new Secret('acc:pw'));
      expect(sealer.openProviderCredentials({ providerId, endpoint: where, serial: 1 }, blob).reveal()).toBe('acc:pw');
    }
  });

  test('refuses to open over a store whose keys another master key wrapped', async () => {
    const { store } = await sealedStore();
    const opening = openVault(store.db, { masterKey: keyByValue(), clock: systemClock });
    await expect(opening).rejects.toMatchObject({ name: 'SecretError', kind: 'key-wrong' });
  });

  test('a key made in a transaction that failed is never used', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    const vault = await openVault(store.db, { masterKey: keyByValue(), clock: systemClock });
    const undone = store.write(async (tx) => {
      await vault.createWorkspaceKey(tx, workspace.id);
      await vault.forWorkspace(tx, workspace.id);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await expect(vault.forWorkspace(store.db, workspace.id)).rejects.toMatchObject({ kind: 'no-workspace-key' });
  });

  test('a destroyed workspace’s keys open nothing, not even with its rows put back', async () => {
    const store = await freshStore();
    const [mine, theirs] = [await tenant(store), await tenant(store)];
    const file = join(tempDir(), 'master.key');
    const vault = await openVault(store.db, { masterKey: keyInFile(file), clock: systemClock });
    await store.write(async (tx) => {
      await vault.createWorkspaceKey(tx, mine.workspace.id);
      await vault.createWorkspaceKey(tx, theirs.workspace.id);
    });
    const backup = await loadWorkspaceKeys(store.db, mine.workspace.id);
    await vault.forWorkspace(store.db, mine.workspace.id);
    await store.write((tx) => vault.destroyWorkspaceKey(tx, mine.workspace.id));
    vault.destroyed(mine.workspace.id);
    const gone = vault.forWorkspace(store.db, mine.workspace.id);
    await expect(gone).rejects.toMatchObject({ kind: 'no-workspace-key' });
    await store.write(async (tx) => {
      for (const row of backup) await insertWorkspaceKey(tx, row);
    });
    const restarted = await openVault(store.db, { masterKey: keyInFile(file), clock: systemClock });
    for (const opened of [vault, restarted]) {
      const back = opened.forWorkspace(store.db, mine.workspace.id);
      await expect(back).rejects.toMatchObject({ kind: 'key-destroyed' });
      expect((await opened.forWorkspace(store.db, theirs.workspace.id)).version).toBe(1);
    }
  });

  test('a wrapped key that was changed is refused for its own workspace alone', async () => {
    const { store, vault, mine, theirs } = await sealedStore();
    const [record] = await loadWorkspaceKeys(store.db, theirs.workspace.id);
    const wrappedKey = Buffer.from(record!.wrappedKey);
    wrappedKey[40]! ^= 1;
    await store.write((tx) => rewrapWorkspaceKey(tx, { ...record!, wrappedKey }));
    const changed = vault.forWorkspace(store.db, theirs.workspace.id);
    await expect(changed).rejects.toMatchObject({ kind: 'key-changed' });
    expect((await vault.forWorkspace(store.db, mine.workspace.id)).version).toBe(1);
  });

  test('seals with the newest key from its commit on, and opens what the older ones sealed', async () => {
    const { store, vault, mine } = await sealedStore();
    const { id } = mine.workspace;
    const place = { sessionId: newId<never>(), endpoint, tlsInsecure: false, serial: 1 };
    const old = (await vault.forWorkspace(store.db, id)).sealSessionPassword(place, new Secret('hunter2'));
    expect(await store.write((tx) => vault.addWorkspaceKey(tx, id, 1))).toBe(2);
    vault.forget(id);
    const sealer = await vault.forWorkspace(store.db, id);
    expect(sealer.openSessionPassword(place, old).reveal()).toBe('hunter2');
    const fresh = sealer.sealSessionPassword(place, new Secret('hunter2'));
    expect([sealedVersion(old), sealedVersion(fresh)]).toEqual([1, 2]);
    await store.write((tx) => deleteKeysBefore(tx, id, 2));
    vault.forget(id);
    const alone = await vault.forWorkspace(store.db, id);
    expect(alone.openSessionPassword(place, fresh).reveal()).toBe('hunter2');
    expect(() => alone.openSessionPassword(place, old)).toThrow(expect.objectContaining({ kind: 'unsealable' }));
  });

  test('no password is in any file of the store', async () => {
    const dir = tempDir();
    const store = await openStore({ path: join(dir, 'a.db') });
    onTestFinished(() => store.close());
    const { workspace, session } = await tenant(store);
    const vault = await openVault(store.db, { masterKey: keyByValue(), clock: systemClock });
    await store.write((tx) => vault.createWorkspaceKey(tx, workspace.id));
    const sealer = await vault.forWorkspace(store.db, workspace.id);
    const records = Array.from({ length: 600 }, (_, n) => {
      const record = session(`token-${n}`);
      const password = new Secret(`CANARY-${n}`);
      return {
        ...record,
        passwordSealed: sealer.sealSessionPassword(
          { sessionId: record.id, endpoint, tlsInsecure: false, serial: 1 },
          password,
        ),
      };
    });
    await store.write((tx) => insertSessions(tx, records, noPause));
    const filesWith = (text: string) => readdirSync(dir).filter((name) => readFileSync(join(dir, name)).includes(text));
    // The token proves that the scan sees the rows at all.
    expect(filesWith('token-599')).toEqual(['a.db-wal']);
    expect(filesWith('CANARY')).toEqual([]);
    await store.close();
    expect(filesWith('token-599')).toEqual(['a.db']);
    expect(filesWith('CANARY')).toEqual([]);
  });
});

describe('a secret in flight', () => {
  test('shows itself to nobody who does not ask by name', () => {
    const secret = new Secret('hunter2');
    const shown = [
      ...[
        `${secret}`,
        String(secret),
        JSON.stringify({ secret }),
        inspect({ secret }),
        inspect(secret, { showHidden: true }),
      ],
      ...[JSON.stringify(Object.entries(secret)), JSON.stringify(structuredClone({ ...secret }))],
    ];
    expect(shown.join(' ')).not.toContain('hunter2');
    expect(shown[0]).toBe('[redacted]');
    expect(secret.reveal()).toBe('hunter2');
  });
});
