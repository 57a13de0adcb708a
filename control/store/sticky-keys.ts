/**
 * The table `sticky_keys`: which session a key is on, for those keys that a
 * restart would otherwise move. Written as a whole by `sticky-keeper.ts`.
 */
import type { Kysely } from 'kysely';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { StickyOverride } from '../../src/core/pool-index/directory.ts';
import type { Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

/** Rows in one statement: well under SQLite's bound on parameters. */
const ROWS_PER_STATEMENT = 500;

/** Replaces all rows; `pause` is awaited between statements, so that the thread can do other work. */
export async function replaceStickyKeys(
  db: Kysely<Schema>,
  entries: readonly StickyOverride[],
  pause: () => Promise<void>,
): Promise<void> {
  await db.deleteFrom('sticky_keys').execute();
  for (let i = 0; i < entries.length; i += ROWS_PER_STATEMENT) {
    const rows = entries.slice(i, i + ROWS_PER_STATEMENT).map((entry) => ({
      pool_id: uuidToBlob(entry.poolId),
      key: entry.key,
      session_id: uuidToBlob(entry.sessionId),
      expires_at: Math.round(entry.expiresAtMs),
    }));
    await db.insertInto('sticky_keys').values(rows).execute();
    await pause();
  }
}

/** All rows that have not expired at `nowMs`. */
export async function loadStickyKeys(db: Kysely<Schema>, nowMs: number): Promise<StickyOverride[]> {
  const rows = await db.selectFrom('sticky_keys').selectAll().where('expires_at', '>', nowMs).execute();
  return rows.map((row) => ({
    poolId: blobToUuid<PoolId>(row.pool_id),
    key: row.key,
    sessionId: blobToUuid<SessionId>(row.session_id),
    expiresAtMs: row.expires_at,
  }));
}
