/**
 * What happens to a row whose secret does not open: it was changed, moved or put back
 * behind our back, or its workspace's key is gone. The row is marked, so that it is told
 * once and not at every start; one audit row and one log line; the gateway loses it.
 * Called at start, by the re-encryption after a rotation, and by UpdateSession. Giving
 * the secret anew, or clearing it, takes the mark away.
 *
 * Invariant: the mark and its audit row are in one transaction.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import { FIELD } from '../src/core/log.ts';
import type { Change, SessionId, WorkspaceId } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import { providerPut } from './convert/providers.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import { loadProvider, type ProviderRecord } from './store/providers.ts';
import type { Schema } from './store/schema.ts';
import { listSealedRows, markAllUnusable, markUnusable, type SealedTable } from './store/sealed-rows.ts';
import { loadSession } from './store/sessions.ts';
import { writeAndPublish } from './write-and-publish.ts';

export type UnusablePlane = Pick<Plane, 'store' | 'publisher' | 'clock' | 'log'>;

/** Reason of a session whose pool or provider is gone, or another workspace's. */
export const MISPLACED = 'misplaced';

/** Rows of a workspace marked in one statement. */
const ROWS_PER_STATEMENT = 500;

/** A row to mark: why, and the sealed value that was found there. */
export interface UnusableRow {
  readonly id: string;
  readonly workspaceId: WorkspaceId;
  readonly sealed: Buffer | null;
  /** Kind of the SecretError, or what else is wrong; the outcome in the audit row. */
  readonly reason: string;
}

const NOUNS = { sessions: 'session', providers: 'provider' } as const;

/** Marks rows of one table, each with its own audit row and log line; rows that were marked or changed meanwhile are left. */
export async function reportUnusable(
  plane: UnusablePlane,
  table: SealedTable,
  rows: readonly UnusableRow[],
): Promise<void> {
  const told: UnusableRow[] = [];
  await writeAndPublish(plane, async (tx) => {
    const changes: Change[] = [];
    for (const row of rows) {
      if (!(await markUnusable(tx, table, row.id, row.sealed))) continue;
      changes.push(...(await withdrawal(tx, table, row)));
      await appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: row.workspaceId,
        actorKeyId: null,
        method: `unusable/${NOUNS[table]}`,
        objectId: row.id,
        outcome: row.reason,
        count: 1,
      });
      told.push(row);
    }
    return { changes };
  });
  for (const { id, workspaceId, reason } of told) {
    const fields = { [FIELD.objectId]: id, [FIELD.workspaceId]: workspaceId, [FIELD.error]: reason };
    const what = reason === MISPLACED ? ' is in no live pool and provider' : "'s secret does not open";
    plane.log.error(fields, `a ${NOUNS[table]}${what}: unusable, as its row was changed in the database`);
  }
}

/** Marks everything in a workspace that holds a secret, with one audit row and one log line: its key is gone or changed. */
export async function reportUnusableWorkspace(
  plane: UnusablePlane,
  workspaceId: WorkspaceId,
  reason: string,
): Promise<void> {
  let marked = 0;
  await writeAndPublish(plane, async (tx) => {
    for (const table of ['sessions', 'providers'] as const) marked += await markWorkspace(tx, table, workspaceId);
    if (marked === 0) return { changes: [] };
    await appendAuditEvent(tx, {
      atMs: plane.clock.nowMs(),
      workspaceId,
      actorKeyId: null,
      method: 'unusable/workspace',
      objectId: workspaceId,
      outcome: reason,
      count: marked,
    });
    return { changes: [] };
  });
  if (marked === 0) return;
  const fields = { [FIELD.workspaceId]: workspaceId, [FIELD.error]: reason, count: marked };
  plane.log.error(fields, 'the secrets of a workspace are unusable: its key is destroyed or was changed');
}

async function markWorkspace(tx: Transaction<Schema>, table: SealedTable, workspaceId: WorkspaceId): Promise<number> {
  let marked = 0;
  let afterId: string | null = null;
  for (;;) {
    const page = await listSealedRows(tx, table, workspaceId, { afterId, limit: ROWS_PER_STATEMENT });
    const ids = page.filter(({ sealed }) => sealed !== null).map(({ id }) => id);
    marked += await markAllUnusable(tx, table, ids);
    if (page.length < ROWS_PER_STATEMENT) return marked;
    afterId = page.at(-1)!.id;
    await pause();
  }
}

/** What takes the row out of the gateway. */
async function withdrawal(tx: Transaction<Schema>, table: SealedTable, row: UnusableRow): Promise<Change[]> {
  if (table === 'sessions') {
    const session = await loadSession(tx, row.workspaceId, row.id as SessionId);
    return session === null ? [] : [{ kind: 'session-gone', poolId: session.poolId, sessionId: session.id }];
  }
  const provider = await loadProvider(tx, row.workspaceId, row.id as ProviderRecord['id']);
  return provider === null ? [] : [providerPut(provider, null)];
}
