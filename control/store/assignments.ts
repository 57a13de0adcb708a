/**
 * The table `assignments`: which session an account of a pool is bound to. Every
 * query is a look-up or an index walk of bounded length, and its SQL text does not
 * depend on how many values it is given. A row outlives its session: it keeps the
 * id of a deleted one. It does not outlive its pool (`pool-contents.ts`).
 *
 * Invariant: a pool has at most one live row of an account name.
 */
import { type Kysely, sql } from 'kysely';
import type { AccountBinding } from '../../src/core/account-binding.ts';
import type { AssignmentId, PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { AssignmentsTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface AssignmentRecord {
  readonly id: AssignmentId;
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
  /** A session of the pool, which may have been deleted since. */
  readonly sessionId: SessionId;
  readonly accountName: string;
  readonly pinned: boolean;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Rows of one statement that writes many: a millisecond or two of work. */
const ROWS_PER_STATEMENT = 250;

function toRecord(row: AssignmentsTable): AssignmentRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    poolId: blobToUuid(row.pool_id),
    sessionId: blobToUuid(row.session_id),
    accountName: row.account_name,
    pinned: row.pinned === 1,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
  };
}

const hexOf = (id: string): string => uuidToBlob(id).toString('hex');

/**
 * Adds live assignments; an account that its pool has bound already is a `constraint`
 * error. `pause` is awaited between statements.
 */
export async function insertAssignments(
  db: Kysely<Schema>,
  records: readonly AssignmentRecord[],
  pause: () => Promise<unknown>,
): Promise<void> {
  for (let i = 0; i < records.length; i += ROWS_PER_STATEMENT) {
    if (i > 0) await pause();
    const rows = records
      .slice(i, i + ROWS_PER_STATEMENT)
      .map((record) => [
        ...[hexOf(record.id), hexOf(record.workspaceId), hexOf(record.poolId), hexOf(record.sessionId)],
        ...[record.accountName, record.pinned ? 1 : 0, record.version, record.createdAtMs, record.updatedAtMs],
      ]);
    await sql`
      insert into assignments (
        id, workspace_id, pool_id, session_id, account_name, pinned, version, created_at, updated_at
      ) select
        unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3),
        value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
      from json_each(${JSON.stringify(rows)})
    `.execute(db);
  }
}

/** The live assignment of the workspace with this id, or null. */
export async function loadAssignment(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: AssignmentId,
): Promise<AssignmentRecord | null> {
  const row = await db
    .selectFrom('assignments')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Those of the ids that are live assignments of the workspace, in id order; meant for 1,000 ids or fewer. */
export async function loadAssignments(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  ids: readonly AssignmentId[],
): Promise<AssignmentRecord[]> {
  const rows = await db
    .selectFrom('assignments')
    .selectAll()
    .where('id', 'in', sql<Buffer>`(select unhex(value) from json_each(${JSON.stringify(ids.map(hexOf))}))`)
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRecord);
}

/** Those of the account names that the pool has bound; meant for 1,000 names or fewer. */
export async function findBoundAccounts(
  db: Kysely<Schema>,
  poolId: PoolId,
  accountNames: readonly string[],
): Promise<Set<string>> {
  // CROSS JOIN keeps the order written here: one look-up in the unique index per name, never a walk of the pool.
  const { rows } = await sql<{ name: string }>`
    select a.account_name as name from json_each(${JSON.stringify(accountNames)}) n
    cross join assignments a
      on a.pool_id = ${uuidToBlob(poolId)} and a.account_name = n.value and a.deleted_at is null
  `.execute(db);
  return new Set(rows.map(({ name }) => name));
}

/** What a binding of the gateway meets in the store. */
export interface BindingPlace {
  /** Whose the pool is; null when it is gone. */
  readonly workspaceId: WorkspaceId | null;
  /** Whether the pool has the session, enabled or not. */
  readonly hasSession: boolean;
  /** The account's live assignment. */
  readonly assignment: AssignmentRecord | null;
}

/** Where each of the bindings would go, in order; of whatever workspace, meant for 1,000 or fewer. */
export async function loadBindingPlaces(
  db: Kysely<Schema>,
  bindings: readonly Pick<AccountBinding, 'poolId' | 'accountName' | 'sessionId'>[],
): Promise<BindingPlace[]> {
  const wanted = bindings.map(({ poolId, accountName, sessionId }) => [hexOf(poolId), accountName, hexOf(sessionId)]);
  // The unary plus takes a column out of index choice: pool and session are found by their ids.
  const { rows } = await sql<AssignmentsTable & { place: number; owner: Buffer | null; has_session: number }>`
    select a.*, n.key as place, p.workspace_id as owner, s.id is not null as has_session
    from json_each(${JSON.stringify(wanted)}) n
    left join pools p on p.id = unhex(n.value ->> 0) and p.deleted_at is null
    left join sessions s
      on s.id = unhex(n.value ->> 2) and +s.pool_id = p.id and +s.workspace_id = p.workspace_id and s.deleted_at is null
    left join assignments a on a.pool_id = p.id and a.account_name = n.value ->> 1 and a.deleted_at is null
  `.execute(db);
  const places: BindingPlace[] = [];
  for (const row of rows) {
    places[row.place] = {
      workspaceId: row.owner && blobToUuid(row.owner),
      hasSession: row.has_session === 1,
      // An outer join: null where there is no such row.
      assignment: (row.id as Buffer | null) === null ? null : toRecord(row),
    };
  }
  return places;
}

/** Writes what of a live assignment can change: session, pin, version and time; false when it is gone. */
export async function replaceAssignment(db: Kysely<Schema>, record: AssignmentRecord): Promise<boolean> {
  const result = await db
    .updateTable('assignments')
    .set({
      session_id: uuidToBlob(record.sessionId),
      pinned: record.pinned ? 1 : 0,
      version: record.version,
      updated_at: record.updatedAtMs,
    })
    .where('id', '=', uuidToBlob(record.id))
    .where('workspace_id', '=', uuidToBlob(record.workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes a live assignment of the workspace, which frees its account name; false when there is none. */
export async function softDeleteAssignment(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: AssignmentId,
  deletedAtMs: number,
): Promise<boolean> {
  const result = await db
    .updateTable('assignments')
    .set({ deleted_at: deletedAtMs, updated_at: deletedAtMs })
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export interface AssignmentFilter {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId | null;
  readonly sessionId: SessionId | null;
  readonly accountName: string | null;
}

/**
 * Ids of the live assignments that match, in id order; a pool or session of another workspace matches nothing.
 * A session is of one pool, so naming it names the pool: with an account name as well there is one row to look up.
 */
export async function listAssignmentIds(
  db: Kysely<Schema>,
  filter: AssignmentFilter,
  page: IdPage<AssignmentId>,
): Promise<AssignmentId[]> {
  const workspaceId = uuidToBlob(filter.workspaceId);
  const { poolId, sessionId, accountName } = filter;
  let query = db
    .selectFrom('assignments')
    .select('id')
    .where('deleted_at', 'is', null)
    .where('id', '>', idsAfter(page))
    .orderBy('id')
    .limit(page.limit);
  const ownPool = poolId && ownPoolId(poolId, workspaceId);
  const ownSession = sessionId && ownSessionOf(sessionId, workspaceId, poolId);
  if (accountName !== null && (ownSession || ownPool)) {
    // The unary plus takes a column out of index choice: the account's row is found by its unique index.
    query = query.where('account_name', '=', accountName);
    if (ownPool) query = query.where('pool_id', '=', ownPool);
    if (ownSession) {
      query = query.where(sql<Buffer>`+session_id`, '=', sql<Buffer>`(select id from ${ownSession})`);
      if (!ownPool) query = query.where('pool_id', '=', sql<Buffer>`(select pool_id from ${ownSession})`);
    }
  } else if (ownSession) {
    query = query.where('session_id', '=', sql<Buffer>`(select id from ${ownSession})`);
  } else if (ownPool) {
    query = query.where('pool_id', '=', ownPool);
  } else {
    query = query.where('workspace_id', '=', workspaceId);
    if (accountName !== null) query = query.where('account_name', '=', accountName);
  }
  const rows = await query.execute();
  return rows.map((row) => blobToUuid<AssignmentId>(row.id));
}

function ownPoolId(id: PoolId, workspaceId: Buffer) {
  return sql<Buffer>`(select id from pools where id = ${uuidToBlob(id)} and workspace_id = ${workspaceId})`;
}

/** The session's row if it is the workspace's, and in the pool where one is named; live or not. */
function ownSessionOf(id: SessionId, workspaceId: Buffer, poolId: PoolId | null) {
  const own = sql`sessions where id = ${uuidToBlob(id)} and workspace_id = ${workspaceId}`;
  return poolId === null ? own : sql`${own} and pool_id = ${uuidToBlob(poolId)}`;
}

/** A page of the live assignments of every workspace, in id order; for start-up. */
export async function loadLiveAssignments(db: Kysely<Schema>, page: IdPage<AssignmentId>): Promise<AssignmentRecord[]> {
  const rows = await db
    .selectFrom('assignments')
    .selectAll()
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toRecord);
}
