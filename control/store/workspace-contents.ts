/**
 * What goes with a workspace when it is deleted: everything live in it. Any number
 * of rows inside the caller's one transaction, in statements of bounded length with
 * a pause after each. Called by DeleteWorkspace.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import { forgetEndpointsOfProvider } from './discovered-endpoints.ts';
import type { Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

/** Rows of one statement: 5–10 ms of work, as each session leaves four indexes. */
const ROWS_PER_STATEMENT = 250;

/** Which contents, and when. */
export interface WorkspaceRemoval {
  readonly workspaceId: WorkspaceId;
  readonly atMs: number;
  /** Awaited after each statement (`setImmediate` in production). */
  readonly pause: () => Promise<void>;
}

/** What was deleted: all of it counted, and named where others must be told. */
export interface RemovedContents {
  readonly rows: number;
  readonly poolIds: readonly PoolId[];
  readonly providerIds: readonly ProviderId[];
  /** SHA-256 of each API key, 64 lower-case hex characters. */
  readonly keyHashes: readonly string[];
}

/** Deletes every live session, assignment, pool, provider and API key of the workspace, and erases what was sealed. */
export async function softDeleteContents(tx: Kysely<Schema>, removal: WorkspaceRemoval): Promise<RemovedContents> {
  const touched = sql`, updated_at = ${removal.atMs}`;
  const poolIds: PoolId[] = [];
  const providerIds: ProviderId[] = [];
  const keyHashes: string[] = [];
  let rows = 0;
  rows += await softDelete(tx, removal, 'sessions', sql`${touched}, password_sealed = null`);
  rows += await softDelete(tx, removal, 'assignments', touched);
  rows += await softDelete(tx, removal, 'pools', touched, 'id', (id) => poolIds.push(blobToUuid(id)));
  const erased = sql`${touched}, credentials_sealed = null`;
  rows += await softDelete(tx, removal, 'providers', erased, 'id', (id) => providerIds.push(blobToUuid(id)));
  rows += await softDelete(tx, removal, 'api_keys', sql``, 'hash', (hash) => keyHashes.push(hash.toString('hex')));
  for (const id of providerIds) await forgetEndpointsOfProvider(tx, id, removal.pause);
  return { rows, poolIds, providerIds, keyHashes };
}

/** Deletes the live rows of one table, slice by slice; tells `column` of each; answers how many there were. */
async function softDelete(
  tx: Kysely<Schema>,
  { workspaceId, atMs, pause }: WorkspaceRemoval,
  table: 'sessions' | 'assignments' | 'pools' | 'providers' | 'api_keys',
  also: RawBuilder<unknown>,
  column: 'id' | 'hash' = 'id',
  tell: (value: Buffer) => void = () => {},
): Promise<number> {
  let deleted = 0;
  for (;;) {
    // Each statement starts at the front again: the rows before have left the index with their deletion.
    const { rows } = await sql<{ told: Buffer }>`
      update ${sql.table(table)} set deleted_at = ${atMs}${also} where id in (
        select id from ${sql.table(table)} where workspace_id = ${uuidToBlob(workspaceId)} and deleted_at is null
        order by id limit ${ROWS_PER_STATEMENT}
      ) returning ${sql.ref(column)} as told
    `.execute(tx);
    for (const { told } of rows) tell(told);
    deleted += rows.length;
    if (rows.length < ROWS_PER_STATEMENT) return deleted;
    await pause();
  }
}
