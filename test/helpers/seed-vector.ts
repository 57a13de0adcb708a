/**
 * Puts the workspace, the pool and the provider of the CreateSession vector into
 * the store of a data directory whose process is not running.
 */
import { join } from 'node:path';
import { idFrom } from '../../control/convert/ids.ts';
import { loadMasterKey } from '../../control/secrets/master-key.ts';
import { openVault } from '../../control/secrets/vault.ts';
import { newProvider } from '../../control/services/connect-provider.ts';
import { newPool } from '../../control/services/pools.ts';
import { openStore } from '../../control/store/database.ts';
import { insertPool } from '../../control/store/pools.ts';
import { insertProvider } from '../../control/store/providers.ts';
import { insertWorkspace } from '../../control/store/workspaces.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';

/** Ids as they stand in a request: base64 of 16 bytes. */
export interface VectorIds {
  readonly workspaceId: string;
  readonly poolId: string;
  readonly providerId: string;
}

/** `sealable` false leaves out the workspace's key, so that sealing a password there is an internal error. */
export async function seedVector(dataDir: string, ids: VectorIds, sealable = true): Promise<void> {
  const bytes = (wire: string): Buffer => Buffer.from(wire, 'base64');
  const workspaceId = idFrom<WorkspaceId>(bytes(ids.workspaceId));
  const made = (id: string) => ({ clock: systemClock, newId: () => id as never });
  const pool = newPool(made(idFrom<PoolId>(bytes(ids.poolId))), workspaceId, 'vector');
  const provider = newProvider(made(idFrom<ProviderId>(bytes(ids.providerId))), workspaceId, 'static', null);
  const store = await openStore({ path: join(dataDir, 'sallyport.db') });
  const masterKey = loadMasterKey({ value: null, file: join(dataDir, 'master.key'), mayCreate: false });
  const vault = await openVault(store.db, { masterKey, clock: systemClock });
  await store.write(async (tx) => {
    const stamps = { version: 1, createdAtMs: 1, updatedAtMs: 1 };
    await insertWorkspace(tx, { id: workspaceId, name: 'vector', description: null, ...stamps });
    if (sealable) await vault.createWorkspaceKey(tx, workspaceId);
    await insertPool(tx, pool);
    await insertProvider(tx, provider);
  });
  await store.close();
}
