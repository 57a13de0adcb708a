/** What the store's tests share: a real file in a directory of its own, and records with sensible columns. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createRandomPool } from '../../control/random-pool.ts';
import { openStore, type Store } from '../../control/store/database.ts';
import { insertPool, type PoolRecord } from '../../control/store/pools.ts';
import { insertProvider, type ProviderRecord } from '../../control/store/providers.ts';
import type { SessionRecord } from '../../control/store/sessions.ts';
import { insertWorkspace, type WorkspaceRecord } from '../../control/store/workspaces.ts';
import { createUuidSource } from '../../control/uuid.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';

export const newId = createUuidSource(systemClock, createRandomPool());
export const noPause = (): Promise<void> => Promise.resolve();

/** A directory that goes with the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A fresh store that closes with the test. */
export async function freshStore(path = join(tempDir(), 'test.db')): Promise<Store> {
  const store = await openStore({ path });
  onTestFinished(() => store.close());
  return store;
}

export function workspaceRecord(over: Partial<WorkspaceRecord> = {}): WorkspaceRecord {
  return { id: newId(), name: 'acme', description: null, version: 1, createdAtMs: 1_000, updatedAtMs: 2_000, ...over };
}

export function poolRecord(workspaceId: WorkspaceId, over: Partial<PoolRecord> = {}): PoolRecord {
  return {
    ...{ id: newId<PoolId>(), workspaceId, name: 'default', enabled: true, policy: '{"selection":"round-robin"}' },
    ...{ version: 1, createdAtMs: 1_000, updatedAtMs: 2_000 },
    ...over,
  };
}

export function providerRecord(workspaceId: WorkspaceId, over: Partial<ProviderRecord> = {}): ProviderRecord {
  return {
    ...{ id: newId<ProviderId>(), workspaceId, type: 'static', name: null, targetPoolId: null },
    ...{ scheme: null, host: null, port: null, usernameTemplate: null, passwordTemplate: null, tokenFormat: null },
    ...{ credentialsSealed: null, enabled: true, version: 1, createdAtMs: 1_000, updatedAtMs: 2_000 },
    ...{ mintTokens: false, state: null, stateRefreshedAtMs: null, discovery: null, unusable: false },
    hasApiKey: false,
    ...over,
  };
}

/** A workspace with a pool and a provider, stored, and a maker of sessions in them. */
export async function tenant(store: Store) {
  const workspace = workspaceRecord();
  const pool = poolRecord(workspace.id);
  const provider = providerRecord(workspace.id);
  await store.write(async (tx) => {
    await insertWorkspace(tx, workspace);
    await insertPool(tx, pool);
    await insertProvider(tx, provider);
  });
  const session = (token: string, over: Partial<SessionRecord> = {}): SessionRecord => ({
    ...{ id: newId(), workspaceId: workspace.id, poolId: pool.id, providerId: provider.id, token },
    ...{ scheme: 'http', host: '203.0.113.7', port: 8080, username: 'u', passwordSealed: Buffer.from([1, 2, 3]) },
    ...{ labels: { country: 'de' }, enabled: true, version: 1, createdAtMs: 1_000, updatedAtMs: 2_000 },
    ...{ unusable: false, tlsInsecure: false },
    ...over,
  });
  return { workspace, pool, provider, session };
}
