/**
 * The second composition root: what works on the data directory of a server that
 * is not running. Called by `main.ts`; knows the control plane, never the gateway.
 */
import { restoreBackup } from '../control/restore.ts';
import type { Config } from './config.ts';

/** Puts the backup in the database's place; answers where the replaced one is kept, null when there was none. */
export function restoreDatabase(config: Config, backupPath: string): Promise<string | null> {
  const { databasePath, masterKey } = config;
  return restoreBackup({ backupPath, databasePath, masterKey });
}
