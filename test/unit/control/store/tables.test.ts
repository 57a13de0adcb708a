import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import {
  type ApiKeyRecord,
  findApiKeyByHash,
  insertApiKey,
  listApiKeys,
  loadApiKey,
  loadLiveApiKeys,
  softDeleteApiKey,
} from '../../../../control/store/api-keys.ts';
import { appendAuditEvent } from '../../../../control/store/audit-events.ts';
import { findPoolByName, insertPool, listPoolIds, loadLivePools, loadPool } from '../../../../control/store/pools.ts';
import {
  insertProvider,
  listProviderIds,
  loadLiveProviders,
  loadProvider,
} from '../../../../control/store/providers.ts';
import { uuidToBlob } from '../../../../control/store/uuid-blob.ts';
import {
  deleteWorkspaceKeys,
  insertWorkspaceKey,
  loadAnyWorkspaceKey,
  loadWorkspaceKeys,
} from '../../../../control/store/workspace-keys.ts';
import {
  countWorkspaces,
  insertWorkspace,
  loadLiveWorkspaces,
  loadWorkspace,
} from '../../../../control/store/workspaces.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';
import { freshStore, newId, poolRecord, providerRecord, tenant, workspaceRecord } from '../../../helpers/store-rig.ts';

describe('workspaces', () => {
  test('come back as they were put in, live ones only', async () => {
    const store = await freshStore();
    const workspace = workspaceRecord({ description: 'the first' });
    const gone = workspaceRecord();
    await store.write(async (tx) => {
      await insertWorkspace(tx, workspace);
      await insertWorkspace(tx, gone);
      await tx.updateTable('workspaces').set({ deleted_at: 1 }).where('id', '=', uuidToBlob(gone.id)).execute();
    });
    expect(await loadWorkspace(store.db, workspace.id)).toEqual(workspace);
    expect(await loadWorkspace(store.db, gone.id)).toBeNull();
    expect(await loadLiveWorkspaces(store.db)).toEqual([workspace]);
    expect(await countWorkspaces(store.db)).toBe(1);
  });
});

describe('workspace keys', () => {
  test('are kept by version, lowest first, and destroyed together', async () => {
    const store = await freshStore();
    const workspace = workspaceRecord();
    const key = (version: number) => {
      return { workspaceId: workspace.id, version, wrappedKey: Buffer.from([version]), createdAtMs: 5, keyring: null };
    };
    await store.write(async (tx) => {
      await insertWorkspace(tx, workspace);
      await insertWorkspaceKey(tx, key(2));
      await insertWorkspaceKey(tx, key(1));
    });
    expect(await loadWorkspaceKeys(store.db, workspace.id)).toEqual([key(1), key(2)]);
    expect(await loadAnyWorkspaceKey(store.db)).toEqual(key(1));
    await expect(store.write((tx) => insertWorkspaceKey(tx, key(1)))).rejects.toMatchObject({ kind: 'constraint' });
    await store.write((tx) => deleteWorkspaceKeys(tx, workspace.id));
    expect(await loadWorkspaceKeys(store.db, workspace.id)).toEqual([]);
    expect(await loadAnyWorkspaceKey(store.db)).toBeNull();
  });
});

describe('API keys', () => {
  const apiKey = (workspaceId: WorkspaceId, fill: string): ApiKeyRecord => ({
    ...{ id: newId(), workspaceId, name: 'ci', keyPrefix: 'sp_live_abcd', hash: fill.repeat(64) },
    ...{ policies: ['proxies', 'gateway'], createdAtMs: 1, expiresAtMs: 9_000_000_000_000, lastUsedAtMs: null },
  });

  test('are found by hash and id until they are deleted, in their workspace only', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    const other = await tenant(store);
    const key = apiKey(workspace.id, 'a');
    const kept = apiKey(workspace.id, 'b');
    await store.write(async (tx) => {
      await insertApiKey(tx, key);
      await insertApiKey(tx, kept);
    });
    expect(await findApiKeyByHash(store.db, key.hash)).toEqual(key);
    expect(await loadApiKey(store.db, key.id)).toEqual(key);
    expect(await listApiKeys(store.db, workspace.id, { afterId: null, limit: 9 })).toEqual([key, kept]);
    expect(await listApiKeys(store.db, other.workspace.id, { afterId: null, limit: 9 })).toEqual([]);
    expect(await store.write((tx) => softDeleteApiKey(tx, other.workspace.id, key.id, 7))).toBe(false);
    expect(await store.write((tx) => softDeleteApiKey(tx, workspace.id, key.id, 7))).toBe(true);
    expect(await store.write((tx) => softDeleteApiKey(tx, workspace.id, key.id, 8))).toBe(false);
    expect(await findApiKeyByHash(store.db, key.hash)).toBeNull();
    expect(await loadApiKey(store.db, key.id)).toBeNull();
    expect(await loadLiveApiKeys(store.db)).toEqual([kept]);
  });

  test('a hash is never used twice, deleted or not', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    const key = apiKey(workspace.id, 'a');
    await store.write((tx) => insertApiKey(tx, key));
    await store.write((tx) => softDeleteApiKey(tx, workspace.id, key.id, 7));
    const again = store.write((tx) => insertApiKey(tx, apiKey(workspace.id, 'a')));
    await expect(again).rejects.toMatchObject({ kind: 'constraint' });
  });
});

describe('pools', () => {
  test('belong to their workspace: another one finds neither id nor name', async () => {
    const store = await freshStore();
    const { workspace, pool } = await tenant(store);
    const other = await tenant(store);
    expect(await loadPool(store.db, workspace.id, pool.id)).toEqual(pool);
    expect(await loadPool(store.db, other.workspace.id, pool.id)).toBeNull();
    expect(await findPoolByName(store.db, workspace.id, 'default')).toEqual(pool);
    expect(await findPoolByName(store.db, other.workspace.id, 'default')).toEqual(other.pool);
    expect(await loadLivePools(store.db, { afterId: null, limit: 10 })).toEqual([pool, other.pool]);
    expect(await loadLivePools(store.db, { afterId: pool.id, limit: 10 })).toEqual([other.pool]);
  });

  test('a live name is unique in a workspace, and free again once its pool is deleted', async () => {
    const store = await freshStore();
    const { workspace, pool } = await tenant(store);
    const namesake = poolRecord(workspace.id, { enabled: false });
    await expect(store.write((tx) => insertPool(tx, namesake))).rejects.toMatchObject({ kind: 'constraint' });
    await store.write(async (tx) => {
      await tx.updateTable('pools').set({ deleted_at: 1 }).where('id', '=', uuidToBlob(pool.id)).execute();
      await insertPool(tx, namesake);
    });
    expect(await findPoolByName(store.db, workspace.id, 'default')).toEqual(namesake);
    expect(await loadPool(store.db, workspace.id, pool.id)).toBeNull();
  });

  test('are listed in id order, page by page', async () => {
    const store = await freshStore();
    const { workspace, pool } = await tenant(store);
    const more = ['b', 'a'].map((name) => poolRecord(workspace.id, { name }));
    await store.write(async (tx) => {
      for (const record of more.toReversed()) await insertPool(tx, record);
    });
    const first = await listPoolIds(store.db, workspace.id, { afterId: null, limit: 2 });
    expect(first).toEqual([pool.id, more[0]?.id]);
    expect(await listPoolIds(store.db, workspace.id, { afterId: first[1]!, limit: 2 })).toEqual([more[1]?.id]);
  });
});

describe('providers', () => {
  test('keep every column, and belong to their workspace', async () => {
    const store = await freshStore();
    const { workspace, pool, provider } = await tenant(store);
    const other = await tenant(store);
    const gateway = providerRecord(workspace.id, {
      ...{ type: 'gateway', name: 'acme', targetPoolId: pool.id, scheme: 'https', host: 'gw.test', port: 7000 },
      ...{ usernameTemplate: 'u-{token}', passwordTemplate: '{password}', tokenFormat: '[a-z]+' },
      ...{ credentialsSealed: Buffer.from([9, 9]), enabled: false, version: 3 },
    });
    await store.write((tx) => insertProvider(tx, gateway));
    expect(await loadProvider(store.db, workspace.id, gateway.id)).toEqual(gateway);
    expect(await loadProvider(store.db, other.workspace.id, gateway.id)).toBeNull();
    expect(await listProviderIds(store.db, workspace.id, { afterId: null, limit: 9 })).toEqual([
      ...[provider.id, gateway.id],
    ]);
    expect(await listProviderIds(store.db, workspace.id, { afterId: provider.id, limit: 9 })).toEqual([gateway.id]);
    expect(await loadLiveProviders(store.db, { afterId: null, limit: 9 })).toEqual([provider, other.provider, gateway]);
  });

  test('one live provider of a vendor type in a workspace; any number of static ones', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    const vendor = () => providerRecord(workspace.id, { type: 'webshare_residential' });
    const first = vendor();
    await store.write((tx) => insertProvider(tx, first));
    await store.write((tx) => insertProvider(tx, providerRecord(workspace.id)));
    await expect(store.write((tx) => insertProvider(tx, vendor()))).rejects.toMatchObject({ kind: 'constraint' });
    await store.write(async (tx) => {
      await tx.updateTable('providers').set({ deleted_at: 1 }).where('id', '=', uuidToBlob(first.id)).execute();
      await insertProvider(tx, vendor());
    });
  });
});

describe('audit events', () => {
  test('are appended in order, in the transaction that they tell of', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    const event = {
      ...{ atMs: 5, workspaceId: workspace.id, actorKeyId: newId<never>(), method: 'CreatePool' },
      ...{ objectId: newId(), outcome: 'ok', count: 1 },
    };
    await store.write((tx) => appendAuditEvent(tx, event));
    const undone = store.write(async (tx) => {
      await appendAuditEvent(tx, { ...event, method: 'Undone' });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    const anonymous = { workspaceId: null, actorKeyId: null, objectId: null, outcome: 'unauthenticated', count: 0 };
    await store.write((tx) => appendAuditEvent(tx, { ...event, ...anonymous }));
    const { rows } = await sql<object>`
      select method, outcome, count, at, hex(object_id) as object from audit_events order by id
    `.execute(store.db);
    const object = event.objectId.replaceAll('-', '').toUpperCase();
    expect(rows).toEqual([
      { method: 'CreatePool', outcome: 'ok', count: 1, at: 5, object },
      { method: 'CreatePool', outcome: 'unauthenticated', count: 0, at: 5, object: '' },
    ]);
  });
});
