/** The table `workspaces`: the tenants. Called by the account services and at start. */
import type { Kysely } from 'kysely';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { Schema, WorkspacesTable } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface WorkspaceRecord {
  readonly id: WorkspaceId;
  readonly name: string;
  readonly description: string | null;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

function toRecord(row: WorkspacesTable): WorkspaceRecord {
  return {
    id: blobToUuid(row.id),
    name: row.name,
    description: row.description,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
  };
}

/** Adds a live workspace; its encryption key is added by the vault in the same transaction. */
export async function insertWorkspace(db: Kysely<Schema>, record: WorkspaceRecord): Promise<void> {
  await db
    .insertInto('workspaces')
    .values({
      id: uuidToBlob(record.id),
      name: record.name,
      description: record.description,
      version: record.version,
      created_at: record.createdAtMs,
      updated_at: record.updatedAtMs,
      deleted_at: null,
    })
    .execute();
}

/** The live workspace with this id, or null. */
export async function loadWorkspace(db: Kysely<Schema>, id: WorkspaceId): Promise<WorkspaceRecord | null> {
  const row = await db
    .selectFrom('workspaces')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Every live workspace in id order; for start-up. */
export async function loadLiveWorkspaces(db: Kysely<Schema>): Promise<WorkspaceRecord[]> {
  const rows = await db.selectFrom('workspaces').selectAll().where('deleted_at', 'is', null).orderBy('id').execute();
  return rows.map(toRecord);
}

/** How many live workspaces there are; 0 means a first start. */
export async function countWorkspaces(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('workspaces')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  return row.count;
}
