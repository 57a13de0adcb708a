/**
 * The table `key_rotations`: workspaces whose newest key does not seal everything
 * yet, and how far the re-encryption has come. Written by `services/key-rotation.ts`
 * and `resealer.ts`; a row goes in the transaction that deletes the old keys.
 */
import { type Kysely, sql } from 'kysely';
import type { SessionId, WorkspaceId } from '../../src/core/model.ts';
import { idsAfter } from './id-page.ts';
import type { KeyRotationsTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface KeyRotationRecord {
  readonly workspaceId: WorkspaceId;
  readonly fromVersion: number;
  readonly toVersion: number;
  /** Sessions up to and including this one are done; null before the first. */
  readonly afterId: SessionId | null;
  /** Rows looked at so far, of `total` at the start. */
  readonly checked: number;
  readonly total: number;
  readonly startedAtMs: number;
}

/** Which key of a workspace seals, and what is still to be done after its last rotation. */
export interface KeyStatus {
  /** 0 for a workspace without a key. */
  readonly version: number;
  readonly rotation: KeyRotationRecord | null;
}

function toRecord(row: KeyRotationsTable): KeyRotationRecord {
  return {
    workspaceId: blobToUuid(row.workspace_id),
    fromVersion: row.from_version,
    toVersion: row.to_version,
    afterId: row.after_id.length === 0 ? null : blobToUuid(row.after_id),
    checked: row.checked,
    total: row.total,
    startedAtMs: row.started_at,
  };
}

/** The workspace's key version, and its rotation while one is under way. */
export async function loadKeyStatus(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<KeyStatus> {
  const newest = await db
    .selectFrom('workspace_keys')
    .select('version')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return { version: newest?.version ?? 0, rotation: await loadKeyRotation(db, workspaceId) };
}

/** The workspace's rotation, or null when none is under way. */
export async function loadKeyRotation(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<KeyRotationRecord | null> {
  const row = await db
    .selectFrom('key_rotations')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** The first rotation behind that of a workspace (null: the first of all), in order of workspace id; null at the end. */
export async function loadNextKeyRotation(
  db: Kysely<Schema>,
  afterId: WorkspaceId | null,
): Promise<KeyRotationRecord | null> {
  const row = await db
    .selectFrom('key_rotations')
    .selectAll()
    .where('workspace_id', '>', idsAfter({ afterId }))
    .orderBy('workspace_id')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Notes a rotation that begins: everything is still to be looked at. A second one is a `constraint` error. */
export async function insertKeyRotation(
  db: Kysely<Schema>,
  record: Pick<KeyRotationRecord, 'workspaceId' | 'fromVersion' | 'toVersion' | 'startedAtMs'>,
): Promise<void> {
  const workspaceId = uuidToBlob(record.workspaceId);
  // Walks two indexes, once a rotation: 10 ms or so per million sessions.
  await sql`
    insert into key_rotations (workspace_id, from_version, to_version, after_id, checked, total, started_at)
    values (${workspaceId}, ${record.fromVersion}, ${record.toVersion}, x'', 0,
      (select count(*) from sessions where workspace_id = ${workspaceId} and deleted_at is null) +
      (select count(*) from providers where workspace_id = ${workspaceId} and deleted_at is null),
      ${record.startedAtMs})
  `.execute(db);
}

/** Notes that `checked` more rows are done, sessions up to and including `afterId` (null: it was no sessions). */
export async function advanceKeyRotation(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  afterId: SessionId | null,
  checked: number,
): Promise<void> {
  // Rows come and go meanwhile, and a crash repeats a page of providers: never more than all.
  await sql`
    update key_rotations set checked = min(total, checked + ${checked}),
      after_id = coalesce(${afterId === null ? null : uuidToBlob(afterId)}, after_id)
    where workspace_id = ${uuidToBlob(workspaceId)}
  `.execute(db);
}

/** Forgets the workspace's rotation: it is complete, or its workspace is deleted. */
export async function deleteKeyRotation(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void> {
  await db.deleteFrom('key_rotations').where('workspace_id', '=', uuidToBlob(workspaceId)).execute();
}
