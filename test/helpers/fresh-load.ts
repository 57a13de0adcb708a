/**
 * What a start would tell the gateway, from the files of a store that a running plane
 * holds open: through a reading handle of its own, so that nothing stops for it.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { createAccessTable } from '../../control/access-table.ts';
import { loadIndex } from '../../control/load-index.ts';
import { loadMasterKey } from '../../control/secrets/master-key.ts';
import { openVault } from '../../control/secrets/vault.ts';
import type { Store } from '../../control/store/database.ts';
import type { Schema } from '../../control/store/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import type { Change } from '../../src/core/model.ts';

/** Every change of a fresh load, in its order. Fails when the load would have to write something. */
export async function loadFresh(dataDir: string): Promise<Change[]> {
  const refuse = (): never => {
    throw new Error('a fresh load had something to write');
  };
  const database = new Database(join(dataDir, 'sallyport.db'), { readonly: true });
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database }) });
  const masterKey = loadMasterKey({ value: null, file: join(dataDir, 'master.key'), mayCreate: false });
  const plane = {
    store: { db, write: refuse } as unknown as Store,
    vault: await openVault(db, { masterKey, clock: systemClock }),
    publisher: { reserve: refuse, isBroken: () => false },
    access: createAccessTable(),
    clock: systemClock,
    log: silentLog,
  };
  const changes: Change[] = [];
  await loadIndex(plane, async (batch) => void changes.push(...structuredClone(batch)));
  await db.destroy();
  return changes;
}
