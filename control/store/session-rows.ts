/** Converts between a `SessionRecord` and a row of `sessions`; for the two files that query that table. */
import type { Scheme } from '../../src/core/model.ts';
import type { SessionsTable } from './schema.ts';
import type { SessionRecord } from './sessions.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

/** The record of a row. */
export function sessionFromRow(row: SessionsTable): SessionRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    poolId: blobToUuid(row.pool_id),
    providerId: blobToUuid(row.provider_id),
    token: row.token,
    scheme: row.scheme as Scheme | null,
    host: row.host,
    port: row.port,
    username: row.username,
    passwordSealed: row.password_sealed,
    labels: row.labels === null ? null : JSON.parse(row.labels),
    enabled: row.enabled === 1,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    unusable: row.unusable === 1,
  };
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
  };
}
