/** The table `pools`. Names are unique among the live pools of a workspace; deleting one frees its name. */
import type { Kysely } from 'kysely';
import type { PoolId, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { PoolsTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface PoolRecord {
  readonly id: PoolId;
  readonly workspaceId: WorkspaceId;
  readonly name: string;
  readonly enabled: boolean;
  /** JSON text of every policy of the pool, defaults filled in; its shape belongs to the pool service. */
  readonly policy: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

function toRecord(row: PoolsTable): PoolRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    name: row.name,
    enabled: row.enabled === 1,
    policy: row.policy,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
  };
}

/** Adds a live pool; a name that a live pool of the workspace has is a `constraint` error. */
export async function insertPool(db: Kysely<Schema>, record: PoolRecord): Promise<void> {
  await db
    .insertInto('pools')
    .values({
      id: uuidToBlob(record.id),
      workspace_id: uuidToBlob(record.workspaceId),
      name: record.name,
      enabled: record.enabled ? 1 : 0,
      policy: record.policy,
      version: record.version,
      created_at: record.createdAtMs,
      updated_at: record.updatedAtMs,
      deleted_at: null,
    })
    .execute();
}

/** The live pool of the workspace with this id, or null. */
export async function loadPool(db: Kysely<Schema>, workspaceId: WorkspaceId, id: PoolId): Promise<PoolRecord | null> {
  const row = await db
    .selectFrom('pools')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** The live pool of the workspace with this name, or null. */
export async function findPoolByName(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  name: string,
): Promise<PoolRecord | null> {
  const row = await db
    .selectFrom('pools')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('name', '=', name)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Ids of live pools of the workspace, in id order. */
export async function listPoolIds(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  page: IdPage<PoolId>,
): Promise<PoolId[]> {
  const rows = await db
    .selectFrom('pools')
    .select('id')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map((row) => blobToUuid<PoolId>(row.id));
}

/** Every live pool of every workspace, in id order; for start-up. */
export async function loadLivePools(db: Kysely<Schema>): Promise<PoolRecord[]> {
  const rows = await db.selectFrom('pools').selectAll().where('deleted_at', 'is', null).orderBy('id').execute();
  return rows.map(toRecord);
}
