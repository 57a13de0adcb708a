/**
 * Restoring a backup: the store's part, and the proof that the master key at hand
 * opens what the backup sealed. Called through `src/offline.ts`, with no server.
 */
import { systemClock } from '../src/core/clock.ts';
import { loadMasterKey, type MasterKeySource } from './secrets/master-key.ts';
import { SecretError } from './secrets/secret-error.ts';
import { openVault } from './secrets/vault.ts';
import type { Store } from './store/database.ts';
import { restoreStore } from './store/restore.ts';
import { loadAnyWorkspaceKey } from './store/workspace-keys.ts';

export interface RestoreOptions {
  readonly backupPath: string;
  readonly databasePath: string;
  readonly masterKey: Pick<MasterKeySource, 'value' | 'file' | 'previous'>;
}

/**
 * Replaces the database by the backup; answers where the replaced one is kept, null when there was none. Rejects with a
 * StoreError or a SecretError (`key-missing`, `key-wrong`, …) and has changed nothing then.
 */
export function restoreBackup({ backupPath, databasePath, masterKey }: RestoreOptions): Promise<string | null> {
  const accept = async (store: Store): Promise<void> => {
    if ((await loadAnyWorkspaceKey(store.db)) === null) return;
    await openVault(store.db, { masterKey: masterKeyOf(masterKey), clock: systemClock });
  };
  return restoreStore({ backupPath, databasePath, nowMs: systemClock.nowMs(), accept });
}

function masterKeyOf(source: RestoreOptions['masterKey']) {
  try {
    return loadMasterKey({ ...source, mayCreate: false });
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind !== 'key-missing') throw error;
    const sentence = `the master key file ${source.file} is missing, and only it opens the secrets of the backup: put it there`;
    throw new SecretError('key-missing', sentence, { cause: error });
  }
}
