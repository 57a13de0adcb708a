import { describe, expect, test } from 'vitest';
import {
  type ApiKeyRecord,
  hasApiKeys,
  hasOtherOperatorKey,
  insertApiKey,
  softDeleteApiKey,
} from '../../../../control/store/api-keys.ts';
import type { Store } from '../../../../control/store/database.ts';
import { insertSessions } from '../../../../control/store/session-bulk.ts';
import { uuidToBlob } from '../../../../control/store/uuid-blob.ts';
import { softDeleteContents } from '../../../../control/store/workspace-contents.ts';
import type { ApiKeyId, WorkspaceId } from '../../../../src/core/model.ts';
import { freshStore, newId, noPause, tenant } from '../../../helpers/store-rig.ts';

const SESSIONS = 520;

function keyRecord(workspaceId: WorkspaceId, over: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  const id = newId<ApiKeyId>();
  return {
    ...{ id, workspaceId, name: 'k', keyPrefix: 'sp_', hash: id.replaceAll('-', '').repeat(2), policies: ['gateway'] },
    ...{ createdAtMs: 1, expiresAtMs: null, lastUsedAtMs: null },
    ...over,
  };
}

/** A workspace with sessions, an assignment, a key, and what discovery noted. */
async function furnished(store: Store) {
  const { workspace, pool, provider, session } = await tenant(store);
  const sessions = Array.from({ length: SESSIONS }, (_, i) => session(`t${i}`));
  const key = keyRecord(workspace.id);
  const [poolId, providerId] = [uuidToBlob(pool.id), uuidToBlob(provider.id)];
  const endpoints = Array.from({ length: 300 }, (_, i) => ({
    ...{ provider_id: providerId, endpoint_key: `e${i}`, session_id: uuidToBlob(sessions[i]!.id) },
    ...{ seen_run: 1, vanished: 0 },
  }));
  await store.write(async (tx) => {
    await insertSessions(tx, sessions, noPause);
    await insertApiKey(tx, key);
    await tx
      .insertInto('assignments')
      .values({
        ...{ id: uuidToBlob(newId()), workspace_id: uuidToBlob(workspace.id), pool_id: poolId },
        ...{ session_id: uuidToBlob(sessions[0]!.id), account_name: 'a', pinned: 0, version: 1 },
        ...{ created_at: 1, updated_at: 1, deleted_at: null },
      })
      .execute();
    await tx.insertInto('discovered_endpoints').values(endpoints).execute();
  });
  return { workspace, pool, provider, key };
}

/** Live rows, sealed values and notes of discovery that a workspace has. */
async function remains(store: Store, { workspace, provider }: Awaited<ReturnType<typeof furnished>>) {
  const counts: Record<string, number> = {};
  for (const table of ['sessions', 'assignments', 'pools', 'providers', 'api_keys'] as const) {
    const rows = await store.db
      .selectFrom(table)
      .select('id')
      .where('workspace_id', '=', uuidToBlob(workspace.id))
      .where('deleted_at', 'is', null)
      .execute();
    counts[table] = rows.length;
  }
  const sealed = await store.db
    .selectFrom('sessions')
    .select('id')
    .where('workspace_id', '=', uuidToBlob(workspace.id))
    .where('password_sealed', 'is not', null)
    .execute();
  const noted = await store.db
    .selectFrom('discovered_endpoints')
    .select('endpoint_key')
    .where('provider_id', '=', uuidToBlob(provider.id))
    .execute();
  return { ...counts, sealed: sealed.length, noted: noted.length };
}

const full = { sessions: SESSIONS, assignments: 1, pools: 1, providers: 1, api_keys: 1, sealed: SESSIONS, noted: 300 };
const empty = { sessions: 0, assignments: 0, pools: 0, providers: 0, api_keys: 0, sealed: 0, noted: 0 };

describe('the contents of a workspace', () => {
  test('go together, in bounded statements, and name what others must be told', async () => {
    const store = await freshStore();
    const [doomed, other] = [await furnished(store), await furnished(store)];
    expect(await remains(store, doomed)).toEqual(full);
    let pauses = 0;
    const pause = async () => void pauses++;
    const removed = await store.write((tx) =>
      softDeleteContents(tx, { workspaceId: doomed.workspace.id, atMs: 9, pause }),
    );
    expect(removed).toEqual({
      ...{ rows: SESSIONS + 4, poolIds: [doomed.pool.id], providerIds: [doomed.provider.id] },
      keyHashes: [doomed.key.hash],
    });
    // After each full slice of sessions.
    expect(pauses).toBe(2);
    expect(await remains(store, doomed)).toEqual(empty);
    expect(await remains(store, other)).toEqual(full);
  });

  test('stay whole when the work is broken off between two slices', async () => {
    const store = await freshStore();
    const doomed = await furnished(store);
    let pauses = 0;
    const pause = async () => {
      if (++pauses === 2) throw new Error('nobody waits');
    };
    const work = store.write((tx) => softDeleteContents(tx, { workspaceId: doomed.workspace.id, atMs: 9, pause }));
    await expect(work).rejects.toThrow('nobody waits');
    expect(await remains(store, doomed)).toEqual(full);
  });
});

describe('operator keys', () => {
  test('are others unless deleted, expired, in the workspace, or the key itself', async () => {
    const store = await freshStore();
    const [home, elsewhere] = [(await tenant(store)).workspace.id, (await tenant(store)).workspace.id];
    const mine = keyRecord(home, { policies: ['operator'] });
    const expired = keyRecord(elsewhere, { policies: ['operator'], expiresAtMs: 100 });
    const plain = keyRecord(elsewhere, { policies: ['proxies', 'accounts'] });
    const theirs = keyRecord(elsewhere, { policies: ['proxies', 'operator'], expiresAtMs: 200 });
    const others = (except: WorkspaceId | ApiKeyId, nowMs: number) => hasOtherOperatorKey(store.db, except, nowMs);
    await store.write(async (tx) => {
      for (const key of [mine, expired, plain]) await insertApiKey(tx, key);
    });
    expect([await others(home, 100), await others(mine.id, 100), await others(home, 99)]).toEqual([false, false, true]);
    await store.write((tx) => insertApiKey(tx, theirs));
    expect([await others(home, 100), await others(mine.id, 199), await others(home, 200)]).toEqual([true, true, false]);
    await store.write((tx) => softDeleteApiKey(tx, elsewhere, theirs.id, 5));
    expect([await others(home, 100), await others(elsewhere, 100)]).toEqual([false, true]);
  });

  test('of a workspace are counted up to a bound', async () => {
    const store = await freshStore();
    const { workspace } = await tenant(store);
    await store.write(async (tx) => {
      for (let i = 0; i < 3; i++) await insertApiKey(tx, keyRecord(workspace.id));
    });
    expect([await hasApiKeys(store.db, workspace.id, 3), await hasApiKeys(store.db, workspace.id, 4)]).toEqual([
      ...[true, false],
    ]);
  });
});
