/** The table `audit_events`: one row per mutating call, appended in its transaction; rows are never changed. */
import type { Kysely } from 'kysely';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import type { Schema } from './schema.ts';
import { uuidToBlob } from './uuid-blob.ts';

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
}

/** Appends one event. */
export async function appendAuditEvent(db: Kysely<Schema>, event: AuditEventRecord): Promise<void> {
  await db
    .insertInto('audit_events')
    .values({
      at: event.atMs,
      workspace_id: event.workspaceId === null ? null : uuidToBlob(event.workspaceId),
      actor_key_id: event.actorKeyId === null ? null : uuidToBlob(event.actorKeyId),
      method: event.method,
      object_id: event.objectId === null ? null : uuidToBlob(event.objectId),
      outcome: event.outcome,
      count: event.count,
    })
    .execute();
}
