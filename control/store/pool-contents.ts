/**
 * What goes with a pool when it is deleted: its sessions, its assignments, and what
 * providers said of it. Any number of rows inside the caller's one transaction, in
 * statements of bounded length with a pause after each. Called by DeletePool.
 */
import { type Kysely, sql } from 'kysely';
import type { PoolId, WorkspaceId } from '../../src/core/model.ts';
import type { Schema } from './schema.ts';
import { uuidToBlob } from './uuid-blob.ts';

/** Rows of one statement: 5–10 ms of work, as each session leaves four indexes. */
const ROWS_PER_STATEMENT = 250;

/** Which contents, and when. */
export interface PoolRemoval {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
  readonly atMs: number;
  /** Awaited after each statement (`setImmediate` in production). */
  readonly pause: () => Promise<void>;
}

/** Deletes the pool's live sessions and erases their passwords; answers how many. */
export function softDeleteSessionsOfPool(tx: Kysely<Schema>, removal: PoolRemoval): Promise<number> {
  // Each statement starts at the front again: the rows before have left the index with their deletion.
  return repeat(removal, () =>
    tx
      .updateTable('sessions')
      .set({ deleted_at: removal.atMs, updated_at: removal.atMs, password_sealed: null })
      .where('id', 'in', firstLive('sessions', 'pool_id', removal.poolId))
      .executeTakeFirst(),
  );
}

/** Deletes the pool's live assignments; answers how many. */
export function softDeleteAssignmentsOfPool(tx: Kysely<Schema>, removal: PoolRemoval): Promise<number> {
  return repeat(removal, () =>
    tx
      .updateTable('assignments')
      .set({ deleted_at: removal.atMs, updated_at: removal.atMs })
      .where('id', 'in', firstLive('assignments', 'pool_id', removal.poolId))
      .executeTakeFirst(),
  );
}

/** Takes the pool out of the live providers that have it as their target; answers how many. */
export function clearTargetPool(tx: Kysely<Schema>, removal: PoolRemoval): Promise<number> {
  return repeat(removal, () =>
    tx
      .updateTable('providers')
      .set({ target_pool_id: null, version: sql<number>`version + 1`, updated_at: removal.atMs })
      .where('id', 'in', firstLive('providers', 'target_pool_id', removal.poolId))
      .where('workspace_id', '=', uuidToBlob(removal.workspaceId))
      .executeTakeFirst(),
  );
}

function firstLive(table: 'sessions' | 'assignments' | 'providers', column: string, id: PoolId) {
  return sql<Buffer>`(
    select id from ${sql.table(table)} where ${sql.ref(column)} = ${uuidToBlob(id)} and deleted_at is null
    order by id limit ${ROWS_PER_STATEMENT}
  )`;
}

/** Runs a statement until it finds nothing more; answers how many rows it changed in all. */
async function repeat(
  { pause }: PoolRemoval,
  statement: () => Promise<{ readonly numUpdatedRows: bigint }>,
): Promise<number> {
  let rows = 0;
  for (;;) {
    const changed = Number((await statement()).numUpdatedRows);
    rows += changed;
    if (changed < ROWS_PER_STATEMENT) return rows;
    await pause();
  }
}
