/** The table `api_keys`: who may call, by the SHA-256 of the key. The raw key is never stored. */
import { type Kysely, sql } from 'kysely';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import { everyPage, type IdPage, idsAfter } from './id-page.ts';
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

/** A page of the live keys of a workspace, expired ones included, in id order. */
export async function listApiKeys(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  page: IdPage<ApiKeyId>,
): Promise<ApiKeyRecord[]> {
  const rows = await db
    .selectFrom('api_keys')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toRecord);
}

/** Whether the workspace has `count` live keys or more; walks that many entries of an index at most. */
export async function hasApiKeys(db: Kysely<Schema>, workspaceId: WorkspaceId, count: number): Promise<boolean> {
  const row = await db
    .selectFrom('api_keys')
    .select('id')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(1)
    .offset(count - 1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Whether a key with the policy `operator` lives, has not expired at `nowMs`, and is neither `except` nor in the
 * workspace `except`. Walks an index of operators' keys.
 */
export async function hasOtherOperatorKey(
  db: Kysely<Schema>,
  except: ApiKeyId | WorkspaceId,
  nowMs: number,
): Promise<boolean> {
  const blob = uuidToBlob(except);
  const row = await db
    .selectFrom('api_keys')
    .select('id')
    .where('deleted_at', 'is', null)
    // The very words of the index; a policy's name holds no quote, so this finds the name and nothing else.
    .where(sql<boolean>`instr(policies, '"operator"') > 0`)
    .where('id', '!=', blob)
    .where('workspace_id', '!=', blob)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', nowMs)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** When a key was last used. */
export interface KeyUse {
  readonly keyId: ApiKeyId;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** Notes uses of live keys; ask for 1,000 or fewer at a time. A use older than the one on record changes nothing. */
export async function noteKeyUses(db: Kysely<Schema>, uses: readonly KeyUse[]): Promise<void> {
  const rows = JSON.stringify(uses.map(({ keyId, atMs }) => [uuidToBlob(keyId).toString('hex'), atMs]));
  // The list drives: one look-up by primary key for each of it.
  await sql`
    update api_keys set last_used_at = max(coalesce(last_used_at, 0), used.at)
    from (select unhex(value ->> 0) as id, value ->> 1 as at from json_each(${rows})) as used
    where api_keys.id = used.id and api_keys.deleted_at is null
  `.execute(db);
}

/** Every live key of every workspace, in id order, read page by page; for start-up. */
export async function loadLiveApiKeys(db: Kysely<Schema>): Promise<ApiKeyRecord[]> {
  const pages = everyPage(async (page: IdPage<ApiKeyId>) => {
    const rows = await db
      .selectFrom('api_keys')
      .selectAll()
      .where('id', '>', idsAfter(page))
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .limit(page.limit)
      .execute();
    return rows.map(toRecord);
  });
  const all: ApiKeyRecord[] = [];
  for await (const page of pages) all.push(...page);
  return all;
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
