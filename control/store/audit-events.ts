/**
 * The table `audit_events`: one row per mutating call, appended in its transaction;
 * rows are never changed. Each row holds the hash of itself and of the row before
 * it (`audit-chain.ts`, docs/decisions/0010). Called by `mutate`, by what the
 * service does by itself, and by ListAuditEvents.
 */
import { CompiledQuery, type Kysely, type Selectable } from 'kysely';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import { type AuditFields, auditText } from '../audit-diff.ts';
import { CHAIN_START, chainHash } from './audit-chain.ts';
import type { AuditEventsTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';
import { writtenStatement } from './written-statement.ts';

export interface AuditEventRecord {
  readonly atMs: number;
  /** null where the call named none that exists. */
  readonly workspaceId: WorkspaceId | null;
  /** null for a call without a good key, and for what the process does by itself. */
  readonly actorKeyId: ApiKeyId | null;
  readonly method: string;
  /** Id of the object that was changed; null for bulk calls and failures before one was known. */
  readonly objectId: string | null;
  /** `ok` or the name of a Connect code. */
  readonly outcome: string;
  /** How many objects the call changed. */
  readonly count: number;
  /** The fields that changed, as they were; never a secret. */
  readonly before?: AuditFields | null;
  /** The fields that changed, as they are since; never a secret. */
  readonly after?: AuditFields | null;
}

export interface StoredAuditEvent {
  /** Position in the record, from 1. */
  readonly id: number;
  readonly atMs: number;
  readonly workspaceId: WorkspaceId | null;
  readonly actorKeyId: ApiKeyId | null;
  readonly method: string;
  readonly objectId: string | null;
  readonly outcome: string;
  readonly count: number;
  /** JSON text of an object, as the hash covers it. */
  readonly before: string | null;
  readonly after: string | null;
  /** null in rows of schema 1. */
  readonly hash: Buffer | null;
}

/** The number that was given last, and the hash that the next row goes on from: two look-ups at ends of trees. */
const TAIL = CompiledQuery.raw(`select
  (select seq from sqlite_sequence where name = 'audit_events') as seq,
  (select hash from audit_events where id = (select max(id) from audit_events)) as hash`);

const insert = writtenStatement(`insert into audit_events
  (id, at, workspace_id, actor_key_id, method, object_id, outcome, count, before, after, hash)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);

/** Appends one event to the chain, inside the transaction that it tells of; one after the other. */
export async function appendAuditEvent(tx: Kysely<Schema>, event: AuditEventRecord): Promise<void> {
  const { rows } = await tx.executeQuery(TAIL);
  const tail = rows[0] as { seq: number | null; hash: Buffer | null };
  const row = {
    // Given by us, as the hash covers it. Had another row got in between, the primary key would refuse this one.
    id: (tail.seq ?? 0) + 1,
    at: event.atMs,
    workspace_id: event.workspaceId === null ? null : uuidToBlob(event.workspaceId),
    actor_key_id: event.actorKeyId === null ? null : uuidToBlob(event.actorKeyId),
    method: event.method,
    object_id: event.objectId === null ? null : uuidToBlob(event.objectId),
    outcome: event.outcome,
    count: event.count,
    before: auditText(event.before),
    after: auditText(event.after),
  };
  const hash = chainHash(tail.hash ?? CHAIN_START, row);
  await tx.executeQuery(insert([...Object.values(row), hash]));
}

/** The rows of a workspace after a position, oldest first. */
export async function listAuditEvents(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  page: { readonly afterId: number; readonly limit: number },
): Promise<StoredAuditEvent[]> {
  const rows = await db
    .selectFrom('audit_events')
    .selectAll()
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('id', '>', page.afterId)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toStored);
}

function toStored(row: Selectable<AuditEventsTable>): StoredAuditEvent {
  return {
    id: row.id,
    atMs: row.at,
    workspaceId: row.workspace_id && blobToUuid(row.workspace_id),
    actorKeyId: row.actor_key_id && blobToUuid(row.actor_key_id),
    method: row.method,
    objectId: row.object_id && blobToUuid(row.object_id),
    outcome: row.outcome,
    count: row.count,
    before: row.before,
    after: row.after,
    hash: row.hash,
  };
}
