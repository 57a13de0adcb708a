/** The table `pools`. Names are unique among the live pools of a workspace; deleting one frees its name. */
import { type Kysely, sql } from 'kysely';
import type { PoolId, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { PoolsTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';
import { writtenStatement } from './written-statement.ts';

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

const loadAny = writtenStatement('select 1 from pools where id = ? and workspace_id = ? and deleted_at is null');

/** Whether the workspace has a live pool with this id. Written by hand: every new session asks. */
export async function hasPool(db: Kysely<Schema>, workspaceId: WorkspaceId, id: PoolId): Promise<boolean> {
  const { rows } = await db.executeQuery(loadAny([uuidToBlob(id), uuidToBlob(workspaceId)]));
  return rows.length > 0;
}

/** Those of the ids that are live pools of the workspace, in id order; meant for 1,000 ids or fewer. */
export async function loadPools(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  ids: readonly PoolId[],
): Promise<PoolRecord[]> {
  const hexIds = JSON.stringify(ids.map((id) => uuidToBlob(id).toString('hex')));
  const rows = await db
    .selectFrom('pools')
    .selectAll()
    .where('id', 'in', sql<Buffer>`(select unhex(value) from json_each(${hexIds}))`)
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRecord);
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

/**
 * Writes every changeable column of a live pool (not id and workspace); false when it is gone. A name that another live
 * pool of the workspace has is a `constraint` error.
 */
export async function replacePool(db: Kysely<Schema>, record: PoolRecord): Promise<boolean> {
  const result = await db
    .updateTable('pools')
    .set({
      name: record.name,
      enabled: record.enabled ? 1 : 0,
      policy: record.policy,
      version: record.version,
      updated_at: record.updatedAtMs,
    })
    .where('id', '=', uuidToBlob(record.id))
    .where('workspace_id', '=', uuidToBlob(record.workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes a live pool of the workspace, and nothing else; false when there is none. */
export async function softDeletePool(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: PoolId,
  deletedAtMs: number,
): Promise<boolean> {
  const result = await db
    .updateTable('pools')
    .set({ deleted_at: deletedAtMs, updated_at: deletedAtMs })
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
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

/** A page of the live pools of every workspace, in id order; for start-up. */
export async function loadLivePools(db: Kysely<Schema>, page: IdPage<PoolId>): Promise<PoolRecord[]> {
  const rows = await db
    .selectFrom('pools')
    .selectAll()
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toRecord);
}
