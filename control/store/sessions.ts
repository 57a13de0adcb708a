/**
 * The table `sessions`: the one that holds a million rows. Every query here is a
 * look-up or an index walk of bounded length, and its SQL text does not depend on
 * how many values it is given (lists travel as one JSON parameter), so each is
 * prepared once. `session-rows.ts` converts; bulk insertion is `session-bulk.ts`.
 */
import { type Kysely, sql } from 'kysely';
import type { PoolId, ProviderId, Scheme, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { Schema, SessionsTable } from './schema.ts';
import {
  insertSessionParameters,
  insertSessionsSql,
  type ShownRow,
  sessionFromRow,
  sessionToRow,
  shownFromRow,
} from './session-rows.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';
import { writtenStatement } from './written-statement.ts';

export interface SessionRecord {
  readonly id: SessionId;
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
  readonly providerId: ProviderId;
  readonly token: string;
  readonly scheme: Scheme | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly username: string | null;
  /** The vault's blob; null without a password. */
  readonly passwordSealed: Buffer | null;
  /** null for none. */
  readonly labels: Readonly<Record<string, string>> | null;
  readonly enabled: boolean;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Its password does not open; the gateway is not given it. */
  readonly unusable: boolean;
  /** The certificate of its `https` upstream goes unchecked. */
  readonly tlsInsecure: boolean;
}

/** A session as it may be seen: without the blob of its password. */
export type ShownSession = Omit<SessionRecord, 'passwordSealed'>;

const insert = writtenStatement(
  `${insertSessionsSql(1)} on conflict (pool_id, token) where deleted_at is null do nothing`,
);

/** Adds a live session; false, and nothing is added, when a live session of the pool has its token. */
export async function insertSession(db: Kysely<Schema>, record: SessionRecord): Promise<boolean> {
  const result = await db.executeQuery(insert(insertSessionParameters(record)));
  return result.numAffectedRows === 1n;
}

/** The live session of the workspace with this id, or null. */
export async function loadSession(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: SessionId,
): Promise<SessionRecord | null> {
  const row = await db
    .selectFrom('sessions')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : sessionFromRow(row);
}

/** Those of the ids that are live sessions of the workspace, in id order; meant for 1,000 ids or fewer. */
export async function loadSessions(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  ids: readonly SessionId[],
): Promise<SessionRecord[]> {
  const hexIds = JSON.stringify(ids.map((id) => uuidToBlob(id).toString('hex')));
  const rows = await db
    .selectFrom('sessions')
    .selectAll()
    .where('id', 'in', sql<Buffer>`(select unhex(value) from json_each(${hexIds}))`)
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(sessionFromRow);
}

/** The live sessions of the pool that have one of the tokens, in no order; ask for 1,000 tokens or fewer at a time. */
export async function findSessionsByTokens(
  db: Kysely<Schema>,
  poolId: PoolId,
  tokens: readonly string[],
): Promise<SessionRecord[]> {
  // CROSS JOIN keeps the order written here: one look-up in the unique index per token, never a walk of the pool.
  const { rows } = await sql<SessionsTable>`
    select s.* from json_each(${JSON.stringify(tokens)}) t
    cross join sessions s on s.pool_id = ${uuidToBlob(poolId)} and s.token = t.value and s.deleted_at is null
  `.execute(db);
  return rows.map(sessionFromRow);
}

/**
 * As `findSessionsByTokens`, for bulk answers: a blob of a result becomes an object of its own outside of the heap, and
 * 50,000 rows of five keep the collector busy. So what is known is not asked for, and ids travel as text.
 */
export async function findShownSessionsByTokens(
  db: Kysely<Schema>,
  { workspaceId, poolId }: { readonly workspaceId: WorkspaceId; readonly poolId: PoolId },
  tokens: readonly string[],
): Promise<ShownSession[]> {
  const { rows } = await sql<ShownRow>`
    select hex(s.id) as id, hex(s.provider_id) as provider_id, s.token, s.scheme, s.host, s.port, s.username, s.labels,
      s.enabled, s.version, s.created_at, s.updated_at, s.unusable, s.tls_insecure
    from json_each(${JSON.stringify(tokens)}) t
    cross join sessions s on s.pool_id = ${uuidToBlob(poolId)} and s.token = t.value and s.deleted_at is null
    where s.workspace_id = ${uuidToBlob(workspaceId)}
  `.execute(db);
  return rows.map((row) => shownFromRow(row, workspaceId, poolId));
}

/** Writes every changeable column of a live session (not id, workspace, pool, provider, token); false when it is gone. */
export async function replaceSession(db: Kysely<Schema>, record: SessionRecord): Promise<boolean> {
  const row = sessionToRow(record);
  const result = await db
    .updateTable('sessions')
    .set({
      scheme: row.scheme,
      host: row.host,
      port: row.port,
      username: row.username,
      password_sealed: row.password_sealed,
      labels: row.labels,
      enabled: row.enabled,
      version: row.version,
      updated_at: row.updated_at,
      unusable: row.unusable,
      tls_insecure: row.tls_insecure,
    })
    .where('id', '=', row.id)
    .where('workspace_id', '=', row.workspace_id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes a live session of the workspace and forgets its password; false when there is none. */
export async function softDeleteSession(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: SessionId,
  deletedAtMs: number,
): Promise<boolean> {
  const result = await db
    .updateTable('sessions')
    .set({ deleted_at: deletedAtMs, updated_at: deletedAtMs, password_sealed: null })
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export interface SessionFilter {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId | null;
  readonly providerId: ProviderId | null;
}

/**
 * Ids of the live sessions that match, in id order. A pool or provider of
 * another workspace matches nothing: the sub-select decides that once, so the
 * walk itself needs nothing but the index.
 */
export async function listSessionIds(
  db: Kysely<Schema>,
  filter: SessionFilter,
  page: IdPage<SessionId>,
): Promise<SessionId[]> {
  const workspaceId = uuidToBlob(filter.workspaceId);
  const base = db
    .selectFrom('sessions')
    .select('id')
    .where('deleted_at', 'is', null)
    .where('id', '>', idsAfter(page))
    .orderBy('id')
    .limit(page.limit);
  const ownPool = filter.poolId && ownId('pools', filter.poolId, workspaceId);
  const ownProvider = filter.providerId && ownId('providers', filter.providerId, workspaceId);
  let query = base;
  if (ownPool) {
    query = query.where('pool_id', '=', ownPool);
    // The unary plus takes the column out of index choice: the pool's index holds the provider as well.
    if (ownProvider) query = query.where(sql<Buffer>`+provider_id`, '=', ownProvider);
  } else {
    query = ownProvider ? query.where('provider_id', '=', ownProvider) : query.where('workspace_id', '=', workspaceId);
  }
  const rows = await query.execute();
  return rows.map((row) => blobToUuid<SessionId>(row.id));
}

function ownId(table: 'pools' | 'providers', id: string, workspaceId: Buffer) {
  return sql<Buffer>`(select id from ${sql.table(table)} where id = ${uuidToBlob(id)} and workspace_id = ${workspaceId})`;
}

/** A page of the live sessions of every workspace, in id order; for start-up. */
export async function loadLiveSessions(db: Kysely<Schema>, page: IdPage<SessionId>): Promise<SessionRecord[]> {
  const rows = await db
    .selectFrom('sessions')
    .selectAll()
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(sessionFromRow);
}

/** How many live sessions there are in all; walks an index (10 ms or so per million rows). */
export async function countLiveSessions(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('sessions')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  return row.count;
}
