/**
 * The table `workspace_keys`: data-encryption keys, wrapped by the master key.
 * Only `control/secrets/` calls it. Rows are never changed; deleting them makes
 * every secret of the workspace unreadable, which is what deleting a workspace is.
 */
import type { Kysely } from 'kysely';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface WorkspaceKeyRecord {
  readonly workspaceId: WorkspaceId;
  /** From 1; the highest version of a workspace seals, all of them open. */
  readonly version: number;
  readonly wrappedKey: Buffer;
  readonly createdAtMs: number;
}

/** Adds one version of a workspace's key. */
export async function insertWorkspaceKey(db: Kysely<Schema>, record: WorkspaceKeyRecord): Promise<void> {
  await db
    .insertInto('workspace_keys')
    .values({
      workspace_id: uuidToBlob(record.workspaceId),
      version: record.version,
      wrapped_key: record.wrappedKey,
      created_at: record.createdAtMs,
    })
    .execute();
}

/** All versions of a workspace's key, lowest first; none when the workspace has no key. */
export async function loadWorkspaceKeys(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<WorkspaceKeyRecord[]> {
  const rows = await db
    .selectFrom('workspace_keys')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .orderBy('version')
    .execute();
  return rows.map((row) => ({
    workspaceId,
    version: row.version,
    wrappedKey: row.wrapped_key,
    createdAtMs: row.created_at,
  }));
}

/** Any one wrapped key, to try the master key on at start; null in a store that has sealed nothing yet. */
export async function loadAnyWorkspaceKey(db: Kysely<Schema>): Promise<WorkspaceKeyRecord | null> {
  const row = await db.selectFrom('workspace_keys').selectAll().limit(1).executeTakeFirst();
  if (row === undefined) return null;
  return {
    workspaceId: blobToUuid(row.workspace_id),
    version: row.version,
    wrappedKey: row.wrapped_key,
    createdAtMs: row.created_at,
  };
}

/** Destroys every version of a workspace's key. */
export async function deleteWorkspaceKeys(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void> {
  await db.deleteFrom('workspace_keys').where('workspace_id', '=', uuidToBlob(workspaceId)).execute();
}
