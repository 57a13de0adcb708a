/**
 * The table `workspace_keys`: data-encryption keys, wrapped by the master key; and
 * `destroyed_keys`, the workspaces whose keys went while a keyring was in use. Only
 * `control/secrets/` calls it. Deleting a workspace's rows makes its secrets unreadable
 * in this database; that no copy of it opens either is the master key's part.
 */
import { type Kysely, type Selectable, sql } from 'kysely';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { Schema, WorkspaceKeysTable } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface WorkspaceKeyRecord {
  readonly workspaceId: WorkspaceId;
  /** From 1; the highest version of a workspace seals, all of them open. */
  readonly version: number;
  readonly wrappedKey: Buffer;
  readonly createdAtMs: number;
  /** Id of the keyring that wraps it, 8 bytes; null for the bare master key of schema 1. */
  readonly keyring: Buffer | null;
}

function toRecord(row: Selectable<WorkspaceKeysTable>): WorkspaceKeyRecord {
  return {
    workspaceId: blobToUuid(row.workspace_id),
    version: row.version,
    wrappedKey: row.wrapped_key,
    createdAtMs: row.created_at,
    keyring: row.keyring,
  };
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
      keyring: record.keyring,
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
  return rows.map(toRecord);
}

/** Any one wrapped key, to know whether there is any; null in a store that has sealed nothing yet. */
export async function loadAnyWorkspaceKey(db: Kysely<Schema>): Promise<WorkspaceKeyRecord | null> {
  const row = await db.selectFrom('workspace_keys').selectAll().limit(1).executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Up to `limit` keys that another keyring than this one wraps: three walks of the index around it. */
export async function loadKeysNotOf(db: Kysely<Schema>, keyring: Buffer, limit: number): Promise<WorkspaceKeyRecord[]> {
  const { rows } = await sql<Selectable<WorkspaceKeysTable>>`
    select * from (select * from workspace_keys where keyring is null limit ${limit})
    union all select * from (select * from workspace_keys where keyring < ${keyring} limit ${limit})
    union all select * from (select * from workspace_keys where keyring > ${keyring} limit ${limit})
    limit ${limit}
  `.execute(db);
  return rows.map(toRecord);
}

/** The ids of keyrings that wrap any key, each once: one look-up in the index for each. */
export async function listKeyringIds(db: Kysely<Schema>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (;;) {
    const row = await db
      .selectFrom('workspace_keys')
      .select('keyring')
      .where('keyring', '>', found.at(-1) ?? Buffer.alloc(0))
      .orderBy('keyring')
      .limit(1)
      .executeTakeFirst();
    if (row?.keyring == null) return found;
    found.push(row.keyring);
  }
}

/** How many keys the keyring wraps; walks an index. */
export async function countKeysOf(db: Kysely<Schema>, keyring: Buffer): Promise<number> {
  const row = await db
    .selectFrom('workspace_keys')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('keyring', '=', keyring)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Replaces how one version of a workspace's key is wrapped. */
export async function rewrapWorkspaceKey(
  db: Kysely<Schema>,
  record: Pick<WorkspaceKeyRecord, 'workspaceId' | 'version' | 'wrappedKey' | 'keyring'>,
): Promise<void> {
  await db
    .updateTable('workspace_keys')
    .set({ wrapped_key: record.wrappedKey, keyring: record.keyring })
    .where('workspace_id', '=', uuidToBlob(record.workspaceId))
    .where('version', '=', record.version)
    .execute();
}

/** Destroys every version of a workspace's key. */
export async function deleteWorkspaceKeys(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void> {
  await db.deleteFrom('workspace_keys').where('workspace_id', '=', uuidToBlob(workspaceId)).execute();
}

/** Destroys the versions below `version`: nothing is sealed with them any more. */
export async function deleteKeysBefore(db: Kysely<Schema>, workspaceId: WorkspaceId, version: number): Promise<void> {
  await db
    .deleteFrom('workspace_keys')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('version', '<', version)
    .execute();
}

/** Adds to how many values a key has sealed, and answers the sum; 0 for a key that is gone. */
export async function addSeals(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  version: number,
  seals: number,
): Promise<number> {
  const row = await db
    .updateTable('workspace_keys')
    .set((eb) => ({ seals: eb('seals', '+', seals) }))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('version', '=', version)
    .returning('seals')
    .executeTakeFirst();
  return row?.seals ?? 0;
}

/** Notes that the workspace is destroyed, for each keyring that may still derive its leaf. */
export async function insertDestroyedKeys(
  db: Kysely<Schema>,
  keyrings: readonly Buffer[],
  workspaceId: WorkspaceId,
): Promise<void> {
  const rows = keyrings.map((keyring) => ({ keyring, workspace_id: uuidToBlob(workspaceId) }));
  await db
    .insertInto('destroyed_keys')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** A page of the workspaces destroyed while the keyring was in use, in id order. */
export async function listDestroyedKeys(
  db: Kysely<Schema>,
  keyring: Buffer,
  page: { readonly afterId: WorkspaceId | null; readonly limit: number },
): Promise<WorkspaceId[]> {
  const rows = await db
    .selectFrom('destroyed_keys')
    .select('workspace_id')
    .where('keyring', '=', keyring)
    .where('workspace_id', '>', page.afterId === null ? Buffer.alloc(0) : uuidToBlob(page.afterId))
    .orderBy('workspace_id')
    .limit(page.limit)
    .execute();
  return rows.map((row) => blobToUuid<WorkspaceId>(row.workspace_id));
}
