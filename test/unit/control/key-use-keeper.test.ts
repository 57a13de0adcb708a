import { expect, onTestFinished, test, vi } from 'vitest';
import { createAccessTable } from '../../../control/access-table.ts';
import { startKeyUseKeeper } from '../../../control/key-use-keeper.ts';
import { hashApiKey } from '../../../control/secrets/api-key.ts';
import { type ApiKeyRecord, insertApiKey, loadApiKey, softDeleteApiKey } from '../../../control/store/api-keys.ts';
import type { Store } from '../../../control/store/database.ts';
import { type Logger, silentLog } from '../../../src/core/log.ts';
import type { ApiKeyId } from '../../../src/core/model.ts';
import { freshStore, newId, tenant } from '../../helpers/store-rig.ts';

/** A keeper over a real store with so many keys `k0`, `k1`, …; `refuse` makes its writes fail. */
async function rig(keyCount: number) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const store = await freshStore();
  const { workspace } = await tenant(store);
  const access = createAccessTable();
  const records = Array.from(
    { length: keyCount },
    (_, i): ApiKeyRecord => ({
      ...{ id: newId<ApiKeyId>(), workspaceId: workspace.id, name: 'n', keyPrefix: 'sp_', hash: hashApiKey(`k${i}`) },
      ...{ policies: ['proxies'], createdAtMs: 0, expiresAtMs: null, lastUsedAtMs: null },
    }),
  );
  await store.write(async (tx) => {
    for (const record of records) await insertApiKey(tx, record);
  });
  for (const record of records) access.putKey(record);
  const warnings: string[] = [];
  const log: Logger = { ...silentLog, warn: (_fields, message) => void warnings.push(message) };
  let writes = 0;
  const failing = { now: false };
  const write: Store['write'] = (work) => {
    writes++;
    return failing.now ? Promise.reject(new Error('no')) : store.write(work);
  };
  const keeper = startKeyUseKeeper({ store: { ...store, db: store.db, write }, access, log });
  const lastUse = async (i: number) => (await loadApiKey(store.db, records[i]!.id))?.lastUsedAtMs;
  return { access, keeper, failing, lastUse, warnings, writes: () => writes, store, records };
}

const nextWrite = async () => {
  vi.advanceTimersByTime(30_000);
};

test('changed uses are on record within 30 s, unchanged ones cost no write', async () => {
  const { access, keeper, lastUse, writes } = await rig(2);
  access.authenticate('k0', 5_000);
  await nextWrite();
  await expect.poll(() => lastUse(0)).toBe(5_000);
  expect(await lastUse(1)).toBeNull();
  await nextWrite();
  await keeper.close();
  expect(writes()).toBe(1);
});

test('closing writes what is left, in bounded transactions', async () => {
  const { access, keeper, lastUse, writes } = await rig(501);
  for (let i = 0; i < 501; i++) access.authenticate(`k${i}`, 9_000);
  await keeper.close();
  expect(await Promise.all([0, 499, 500].map(lastUse))).toEqual([9_000, 9_000, 9_000]);
  expect(writes()).toBe(2);
});

test('a write that fails is tried again, and its streak told once', async () => {
  const { access, keeper, failing, lastUse, warnings, writes } = await rig(1);
  access.authenticate('k0', 5_000);
  failing.now = true;
  for (let tries = 1; tries <= 3; tries++) {
    await nextWrite();
    await expect.poll(writes).toBe(tries);
  }
  failing.now = false;
  await keeper.close();
  expect(await lastUse(0)).toBe(5_000);
  expect(warnings).toEqual(['uses of API keys were not written down']);
});

test('a use never takes the record back, and none comes to a deleted key', async () => {
  const { access, keeper, lastUse, store, records } = await rig(2);
  await store.write((tx) => tx.updateTable('api_keys').set({ last_used_at: 8_000 }).execute());
  access.authenticate('k0', 5_000);
  access.authenticate('k1', 9_000);
  await store.write((tx) => softDeleteApiKey(tx, records[1]!.workspaceId, records[1]!.id, 1));
  await keeper.close();
  expect(await lastUse(0)).toBe(8_000);
  const rows = await store.db
    .selectFrom('api_keys')
    .select('last_used_at')
    .where('deleted_at', 'is not', null)
    .execute();
  expect(rows).toEqual([{ last_used_at: 8_000 }]);
});
