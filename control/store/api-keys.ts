/** The table `api_keys`: who may call, by the SHA-256 of the key. The raw key is never stored. */
import type { Kysely } from 'kysely';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import type { ApiKeysTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface ApiKeyRecord {
  readonly id: ApiKeyId;
  readonly workspaceId: WorkspaceId;
  readonly name: string;
  /** The first characters of the raw key, for people to tell keys apart. */
  readonly keyPrefix: string;
  /** SHA-256 of the raw key, 64 lower-case hex characters. */
  readonly hash: string;
  /** Names of policies. */
  readonly policies: readonly string[];
  readonly createdAtMs: number;
  /** null: does not expire. */
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
}

function toRecord(row: ApiKeysTable): ApiKeyRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    name: row.name,
    keyPrefix: row.key_prefix,
    hash: row.hash.toString('hex'),
    policies: JSON.parse(row.policies),
    createdAtMs: row.created_at,
    expiresAtMs: row.expires_at,
    lastUsedAtMs: row.last_used_at,
  };
}

/** Adds a live key; a hash that was ever used before is a `constraint` error. */
export async function insertApiKey(db: Kysely<Schema>, record: ApiKeyRecord): Promise<void> {
  await db
    .insertInto('api_keys')
    .values({
      id: uuidToBlob(record.id),
      workspace_id: uuidToBlob(record.workspaceId),
      name: record.name,
      key_prefix: record.keyPrefix,
      hash: Buffer.from(record.hash, 'hex'),
      policies: JSON.stringify(record.policies),
      created_at: record.createdAtMs,
      expires_at: record.expiresAtMs,
      last_used_at: record.lastUsedAtMs,
      deleted_at: null,
    })
    .execute();
}

/** The live key with this SHA-256 (64 lower-case hex characters), expired or not, or null. */
export async function findApiKeyByHash(db: Kysely<Schema>, hash: string): Promise<ApiKeyRecord | null> {
  const row = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('hash', '=', Buffer.from(hash, 'hex'))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/**
 * The live key with this id, or null. A request to delete a key names no
 * workspace, so the caller must compare the record's with its own.
 */
export async function loadApiKey(db: Kysely<Schema>, id: ApiKeyId): Promise<ApiKeyRecord | null> {
  const row = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** The live keys of a workspace, in id order. */
export async function listApiKeys(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<ApiKeyRecord[]> {
  const rows = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRecord);
}

/** Every live key of every workspace, in id order; for start-up. */
export async function loadLiveApiKeys(db: Kysely<Schema>): Promise<ApiKeyRecord[]> {
  const rows = await db.selectFrom('api_keys').selectAll().where('deleted_at', 'is', null).orderBy('id').execute();
  return rows.map(toRecord);
}

/** Deletes a live key of the workspace; false when there is none. */
export async function softDeleteApiKey(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: ApiKeyId,
  deletedAtMs: number,
): Promise<boolean> {
  const result = await db
    .updateTable('api_keys')
    .set({ deleted_at: deletedAtMs })
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
