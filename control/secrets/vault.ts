/**
 * Sealing by purpose: which workspace, which row, which column, which endpoint. And
 * the life of workspace keys: made, rotated, destroyed.
 *
 * Services ask for a workspace's sealer once their transaction has begun (cached, one
 * look-up in `store.db` otherwise) and then seal and open synchronously, so that bulk work
 * needs no await per row. Not earlier, because writes run one at a time: what is sealed
 * after a rotation has committed is sealed with the new key, and the old one can go.
 *
 * Invariant: the cache holds committed keys only. What is read inside a transaction
 * is not kept, as a rolled-back key would go on sealing values that nothing opens.
 */
import { createSecretKey } from 'node:crypto';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/core/clock.ts';
import { FIELD, type Logger, silentLog } from '../../src/core/log.ts';
import type { WorkspaceId } from '../../src/core/model.ts';
import { DomainError } from '../domain-error.ts';
import { createRandomPool } from '../random-pool.ts';
import { deleteKeyRotation } from '../store/key-rotations.ts';
import type { Schema } from '../store/schema.ts';
import {
  deleteWorkspaceKeys,
  insertDestroyedKeys,
  insertWorkspaceKey,
  loadWorkspaceKeys,
} from '../store/workspace-keys.ts';
import { generateWorkspaceKey, unwrapKey, wrapKey } from './key-wrapping.ts';
import type { MasterKey } from './master-key.ts';
import { checkMasterKey } from './rewrap.ts';
import { createSealer, type WorkspaceSealer } from './workspace-sealer.ts';

/** Workspaces whose keys stay unwrapped in memory. */
const MAX_CACHED_WORKSPACES = 1_000;

export interface Vault {
  readonly masterKey: MasterKey;
  /** Makes the first encryption key of a new workspace, inside the transaction that adds it. */
  createWorkspaceKey(tx: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void>;
  /** Adds the version after `version` of a workspace's key, inside a transaction; call `forget` once that is committed. */
  addWorkspaceKey(tx: Kysely<Schema>, workspaceId: WorkspaceId, version: number): Promise<number>;
  /** The workspace's sealer; rejects with a SecretError (`no-workspace-key`, `key-destroyed`, `key-changed`, `key-wrong`). */
  forWorkspace(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<WorkspaceSealer>;
  /**
   * Deletes the workspace's keys, inside the transaction that deletes it; call `destroyed` once that is committed.
   * Rejects with `failed_precondition` when the master key must be changed first.
   */
  destroyWorkspaceKey(tx: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void>;
  /** Destroys what opens the workspace's keys in backups. Throws `unavailable` when that is not on disk: the next start does it. */
  destroyed(workspaceId: WorkspaceId): void;
  /** Drops the cached keys of a workspace: call after a commit that added or deleted one. */
  forget(workspaceId: WorkspaceId): void;
}

export interface VaultOptions {
  readonly masterKey: MasterKey;
  readonly clock: Clock;
  readonly log?: Logger;
  /** Told of each value that is sealed, and by which version of the workspace's key. */
  readonly onSeal?: (workspaceId: WorkspaceId, version: number) => void;
}

/** Opens the vault over a store; rejects with a SecretError (`key-wrong`) when the store's keys are of another master key. */
export async function openVault(db: Kysely<Schema>, options: VaultOptions): Promise<Vault> {
  const { masterKey, clock, log = silentLog, onSeal = () => {} } = options;
  await checkMasterKey(db, masterKey);
  const fillRandom = createRandomPool();
  const cache = new LRUCache<WorkspaceId, WorkspaceSealer>({ max: MAX_CACHED_WORKSPACES });
  let forgotten = 0;
  const forget = (workspaceId: WorkspaceId): void => {
    forgotten++;
    cache.delete(workspaceId);
  };

  async function addKey(tx: Kysely<Schema>, workspaceId: WorkspaceId, version: number): Promise<void> {
    const { wrapping } = masterKey;
    const wrappedKey = wrapKey(wrapping, workspaceId, version, generateWorkspaceKey());
    const createdAtMs = clock.nowMs();
    await insertWorkspaceKey(tx, { workspaceId, version, wrappedKey, createdAtMs, keyring: wrapping.id });
  }

  return {
    masterKey,
    createWorkspaceKey: (tx, workspaceId) => addKey(tx, workspaceId, 1),

    async addWorkspaceKey(tx, workspaceId, version) {
      await addKey(tx, workspaceId, version + 1);
      return version + 1;
    },

    async forWorkspace(source, workspaceId) {
      const cached = cache.get(workspaceId);
      if (cached !== undefined) return cached;
      const before = forgotten;
      const records = await loadWorkspaceKeys(source, workspaceId);
      const keys = records.map((record) => {
        return { version: record.version, key: createSecretKey(unwrapKey(masterKey, record)) };
      });
      const sealer = createSealer(workspaceId, keys, fillRandom, (version) => onSeal(workspaceId, version));
      // What was read before a commit and arrives after it is old news.
      if (!source.isTransaction && before === forgotten) cache.set(workspaceId, sealer);
      return sealer;
    },

    async destroyWorkspaceKey(tx, workspaceId) {
      if (masterKey.isFull) {
        const detail = 'Too many workspaces were deleted under this master key: change it first (RotateMasterKey).';
        throw new DomainError('failed_precondition', detail);
      }
      await deleteWorkspaceKeys(tx, workspaceId);
      await deleteKeyRotation(tx, workspaceId);
      await insertDestroyedKeys(tx, masterKey.keyringIds, workspaceId);
    },

    destroyed(workspaceId) {
      forget(workspaceId);
      const fields = { [FIELD.workspaceId]: workspaceId };
      try {
        const how = masterKey.destroy([workspaceId]);
        if (how === 'punctured') log.info(fields, 'workspace key destroyed');
        else log.warn(fields, DESTROYED_BY_RECORD);
      } catch (error) {
        log.error({ ...fields, [FIELD.error]: (error as Error).message }, 'workspace key not destroyed on disk yet');
        throw new DomainError('unavailable', 'It is deleted; the next start destroys its key on disk.');
      }
    },

    forget,
  };
}

/** What an operator must know: see docs/decisions/0008. */
export const DESTROYED_BY_RECORD =
  'workspace key destroyed by record only: the master key cannot be changed here, and with it an old backup still opens elsewhere';
