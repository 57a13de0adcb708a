/**
 * Converts between a `SessionRecord` and a row of `sessions`, and writes the text that
 * inserts rows; for the two files that query that table. The text is written by hand:
 * building and compiling it anew for each row costs more than inserting the row.
 */
import type { PoolId, ProviderId, Scheme, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { SessionsTable } from './schema.ts';
import type { SessionRecord, ShownSession } from './sessions.ts';
import { blobToUuid, hexToUuid, uuidToBlob } from './uuid-blob.ts';

/** The record of a row. */
export function sessionFromRow(row: SessionsTable): SessionRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    poolId: blobToUuid(row.pool_id),
    providerId: blobToUuid(row.provider_id),
    ...plainFields(row),
    passwordSealed: row.password_sealed,
  };
}

type IdColumn = 'id' | 'workspace_id' | 'pool_id' | 'provider_id';
type PlainRow = Omit<SessionsTable, IdColumn | 'password_sealed' | 'deleted_at'>;

/** A row without its password and without what the query was given; the ids in hexadecimal, upper case. */
export type ShownRow = PlainRow & { readonly id: string; readonly provider_id: string };

/** The session of such a row. */
export function shownFromRow(row: ShownRow, workspaceId: WorkspaceId, poolId: PoolId): ShownSession {
  const id = hexToUuid<SessionId>(row.id.toLowerCase());
  const providerId = hexToUuid<ProviderId>(row.provider_id.toLowerCase());
  return { id, workspaceId, poolId, providerId, ...plainFields(row) };
}

function plainFields(row: PlainRow) {
  return {
    token: row.token,
    scheme: row.scheme as Scheme | null,
    host: row.host,
    port: row.port,
    username: row.username,
    labels: row.labels === null ? null : JSON.parse(row.labels),
    enabled: row.enabled === 1,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    unusable: row.unusable === 1,
    tlsInsecure: row.tls_insecure === 1,
  };
}

/** In the order of the table's columns, which is that of `sessionToRow`. */
const COLUMNS = [
  ...['id', 'workspace_id', 'pool_id', 'provider_id', 'token', 'scheme', 'host', 'port', 'username'],
  ...['password_sealed', 'labels', 'enabled', 'version', 'created_at', 'updated_at', 'deleted_at', 'unusable'],
  'tls_insecure',
];

/** The text that inserts so many rows. */
export function insertSessionsSql(rows: number): string {
  const places = `(${COLUMNS.map(() => '?').join(', ')})`;
  return `insert into sessions (${COLUMNS.join(', ')}) values ${Array<string>(rows).fill(places).join(', ')}`;
}

/** The parameters of one row of that text. */
export function insertSessionParameters(record: SessionRecord): unknown[] {
  return Object.values(sessionToRow(record));
}

/** The live row of a record; its keys stand in the order of the table's columns. */
export function sessionToRow(record: SessionRecord): SessionsTable {
  return {
    id: uuidToBlob(record.id),
    workspace_id: uuidToBlob(record.workspaceId),
    pool_id: uuidToBlob(record.poolId),
    provider_id: uuidToBlob(record.providerId),
    token: record.token,
    scheme: record.scheme,
    host: record.host,
    port: record.port,
    username: record.username,
    password_sealed: record.passwordSealed,
    labels: record.labels === null ? null : JSON.stringify(record.labels),
    enabled: record.enabled ? 1 : 0,
    version: record.version,
    created_at: record.createdAtMs,
    updated_at: record.updatedAtMs,
    deleted_at: null,
    unusable: record.unusable ? 1 : 0,
    tls_insecure: record.tlsInsecure ? 1 : 0,
  };
}
