/** The table `workspaces`: the tenants. Called by the account services and at start. What is in one: `workspace-contents.ts`. */
import { type Kysely, sql } from 'kysely';
import type { WorkspaceId } from '../../src/core/model.ts';
import { everyPage, type IdPage, idsAfter } from './id-page.ts';
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

/** Those of the ids that are live workspaces, in id order; meant for 1,000 ids or fewer. */
export async function loadWorkspaces(db: Kysely<Schema>, ids: readonly WorkspaceId[]): Promise<WorkspaceRecord[]> {
  const hexIds = JSON.stringify(ids.map((id) => uuidToBlob(id).toString('hex')));
  const rows = await db
    .selectFrom('workspaces')
    .selectAll()
    .where('id', 'in', sql<Buffer>`(select unhex(value) from json_each(${hexIds}))`)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRecord);
}

/** Ids of live workspaces, in id order. */
export async function listWorkspaceIds(db: Kysely<Schema>, page: IdPage<WorkspaceId>): Promise<WorkspaceId[]> {
  const rows = await db
    .selectFrom('workspaces')
    .select('id')
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map((row) => blobToUuid<WorkspaceId>(row.id));
}

/** Writes every changeable column of a live workspace; false when it is gone. */
export async function replaceWorkspace(db: Kysely<Schema>, record: WorkspaceRecord): Promise<boolean> {
  const result = await db
    .updateTable('workspaces')
    .set({
      name: record.name,
      description: record.description,
      version: record.version,
      updated_at: record.updatedAtMs,
    })
    .where('id', '=', uuidToBlob(record.id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes a live workspace, and nothing of what is in it; false when there is none. */
export async function softDeleteWorkspace(db: Kysely<Schema>, id: WorkspaceId, deletedAtMs: number): Promise<boolean> {
  const result = await db
    .updateTable('workspaces')
    .set({ deleted_at: deletedAtMs, updated_at: deletedAtMs })
    .where('id', '=', uuidToBlob(id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Every live workspace in id order, read page by page; for start-up. */
export async function loadLiveWorkspaces(db: Kysely<Schema>): Promise<WorkspaceRecord[]> {
  const pages = everyPage(async (page: IdPage<WorkspaceId>) => {
    const rows = await db
      .selectFrom('workspaces')
      .selectAll()
      .where('id', '>', idsAfter(page))
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .limit(page.limit)
      .execute();
    return rows.map(toRecord);
  });
  const all: WorkspaceRecord[] = [];
  for await (const page of pages) all.push(...page);
  return all;
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
