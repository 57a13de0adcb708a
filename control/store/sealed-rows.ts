/**
 * Sessions and providers as holders of sealed values: read with the serial that each is
 * sealed under, resealed in bulk, marked unusable. For start-up, the re-encryption after
 * a rotation, and whoever finds a value that does not open; the rest of these tables is
 * `sessions.ts` and `providers.ts`.
 */
import { type Kysely, type Selectable, sql } from 'kysely';
import type { Endpoint, ProviderId, Scheme, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { Schema, SessionsTable } from './schema.ts';
import type { SessionRecord } from './sessions.ts';
import { blobToUuid, hexToUuid, uuidToBlob } from './uuid-blob.ts';

/** The two tables with sealed values, and the column of each. */
export const SEALED_COLUMNS = { sessions: 'password_sealed', providers: 'credentials_sealed' } as const;
export type SealedTable = keyof typeof SEALED_COLUMNS;

/** What the gateway needs of a session, still sealed. */
export type ServedSession = Pick<
  SessionRecord,
  | 'id'
  | 'workspaceId'
  | 'poolId'
  | 'providerId'
  | 'token'
  | 'scheme'
  | 'host'
  | 'port'
  | 'username'
  | 'passwordSealed'
  | 'labels'
> & {
  readonly enabled: boolean;
  readonly unusable: boolean;
  readonly tlsInsecure: boolean;
  /** What its password is sealed under. */
  readonly serial: number;
};

interface ServedRow
  extends Pick<
    Selectable<SessionsTable>,
    'token' | 'scheme' | 'host' | 'port' | 'username' | 'labels' | 'enabled' | 'unusable' | 'tls_insecure'
  > {
  readonly id: string;
  readonly workspace: string;
  readonly pool: string;
  readonly provider: string;
  readonly sealed: string | null;
  readonly serial: number;
}

/** A page of the live sessions of every workspace, in id order, each with its serial. */
export async function loadServedSessions(db: Kysely<Schema>, page: IdPage<SessionId>): Promise<ServedSession[]> {
  // Blobs as hexadecimal text: each costs the driver a Buffer of its own, which the collector has to follow.
  // The join is one look-up a row, in a table that holds only secrets that were ever replaced.
  const { rows } = await sql<ServedRow>`
    select lower(hex(s.id)) as id, lower(hex(s.workspace_id)) as workspace, lower(hex(s.pool_id)) as pool,
      lower(hex(s.provider_id)) as provider, s.token, s.scheme, s.host, s.port, s.username, s.labels,
      iif(s.password_sealed is null, null, hex(s.password_sealed)) as sealed,
      s.enabled, s.unusable, s.tls_insecure, coalesce(n.serial, 1) as serial
    from sessions s left join seal_serials n on n.row_id = s.id
    where s.id > ${idsAfter(page)} and s.deleted_at is null order by s.id limit ${page.limit}
  `.execute(db);
  const known = new Map<string, string>();
  // Most rows of a page are of one workspace, pool and provider: one text for each.
  function shared<Id extends string>(hex: string): Id {
    const text = known.get(hex) ?? hexToUuid(hex);
    known.set(hex, text);
    return text as Id;
  }
  return rows.map((row) => ({
    id: hexToUuid(row.id),
    workspaceId: shared(row.workspace),
    poolId: shared(row.pool),
    providerId: shared(row.provider),
    token: row.token,
    scheme: row.scheme as Scheme | null,
    host: row.host,
    port: row.port,
    username: row.username,
    passwordSealed: row.sealed === null ? null : Buffer.from(row.sealed, 'hex'),
    labels: row.labels === null ? null : JSON.parse(row.labels),
    enabled: row.enabled === 1,
    unusable: row.unusable === 1,
    tlsInsecure: row.tls_insecure === 1,
    serial: row.serial,
  }));
}

/** A live row of either table, as far as sealing goes. */
export interface SealedRow {
  readonly id: SessionId & ProviderId;
  readonly endpoint: Endpoint | null;
  /** Of a session; false for a provider, whose endpoint is always checked. */
  readonly tlsInsecure: boolean;
  /** null without a secret. */
  readonly sealed: Buffer | null;
  readonly unusable: boolean;
  readonly serial: number;
}

/** A page of the workspace's live rows, in id order, those without a secret as well. */
export async function listSealedRows(
  db: Kysely<Schema>,
  table: SealedTable,
  workspaceId: WorkspaceId,
  page: IdPage<string>,
): Promise<SealedRow[]> {
  const { rows } = await sql<{
    id: Buffer;
    scheme: Scheme | null;
    host: string | null;
    port: number | null;
    tls_insecure: number;
    sealed: Buffer | null;
    unusable: number;
    serial: number;
  }>`
    select s.id, s.scheme, s.host, s.port, s.${sql.ref(SEALED_COLUMNS[table])} as sealed, s.unusable,
      ${table === 'sessions' ? sql.ref('s.tls_insecure') : sql.lit(0)} as tls_insecure, coalesce(n.serial, 1) as serial
    from ${sql.table(table)} s left join seal_serials n on n.row_id = s.id
    where s.workspace_id = ${uuidToBlob(workspaceId)} and s.id > ${idsAfter(page)} and s.deleted_at is null
    order by s.id limit ${page.limit}
  `.execute(db);
  return rows.map(({ id, scheme, host, port, tls_insecure, sealed, unusable, serial }) => ({
    id: blobToUuid(id),
    endpoint: scheme === null || host === null || port === null ? null : { scheme, host, port },
    tlsInsecure: tls_insecure === 1,
    sealed,
    unusable: unusable === 1,
    serial,
  }));
}

/** One sealed value and the one to put in its place. */
export interface Resealed {
  readonly id: string;
  readonly before: Buffer;
  readonly after: Buffer;
}

/** Replaces sealed values, but for rows that hold another one by now; neither `version` nor `updated_at` moves. */
export async function replaceSealed(
  tx: Kysely<Schema>,
  table: SealedTable,
  values: readonly Resealed[],
): Promise<void> {
  const column = sql.ref(SEALED_COLUMNS[table]);
  const list = values.map(({ id, before, after }) => [
    uuidToBlob(id).toString('hex'),
    before.toString('hex'),
    after.toString('hex'),
  ]);
  await sql`
    update ${sql.table(table)} as r set ${column} = unhex(v.value ->> 2) from json_each(${JSON.stringify(list)}) v
    where r.id = unhex(v.value ->> 0) and r.${column} = unhex(v.value ->> 1) and r.deleted_at is null
  `.execute(tx);
}

/** Marks a live row whose secret does not open; false when it is marked already, or holds another secret by now. */
export async function markUnusable(
  tx: Kysely<Schema>,
  table: SealedTable,
  id: string,
  sealed: Buffer | null,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} set unusable = 1
    where id = ${uuidToBlob(id)} and ${sql.ref(SEALED_COLUMNS[table])} is ${sealed}
      and deleted_at is null and unusable = 0
  `.execute(tx);
  return (numAffectedRows ?? 0n) > 0n;
}

/** Marks those of the ids that are live, hold a secret and are not marked; answers how many that were. */
export async function markAllUnusable(tx: Kysely<Schema>, table: SealedTable, ids: readonly string[]): Promise<number> {
  const list = JSON.stringify(ids.map((id) => uuidToBlob(id).toString('hex')));
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} set unusable = 1
    where id in (select unhex(value) from json_each(${list})) and deleted_at is null
      and ${sql.ref(SEALED_COLUMNS[table])} is not null and unusable = 0
  `.execute(tx);
  return Number(numAffectedRows ?? 0n);
}
