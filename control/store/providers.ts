/** The table `providers`. A workspace has at most one live provider of each vendor type, any number of the others. */
import type { Insertable, Kysely } from 'kysely';
import type { PoolId, ProviderId, Scheme, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { ProvidersTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

export interface ProviderRecord {
  readonly id: ProviderId;
  readonly workspaceId: WorkspaceId;
  /** `static`, `gateway`, `local`, or the name of a vendor type. */
  readonly type: string;
  readonly name: string | null;
  readonly targetPoolId: PoolId | null;
  readonly scheme: Scheme | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly usernameTemplate: string | null;
  readonly passwordTemplate: string | null;
  readonly tokenFormat: string | null;
  /** The vault's blob; null without credentials. */
  readonly credentialsSealed: Buffer | null;
  readonly enabled: boolean;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Sticky keys of clients become tokens of its own. */
  readonly mintTokens: boolean;
  /** JSON of a ProviderState message, or null before the first report. */
  readonly state: string | null;
  readonly stateRefreshedAtMs: number | null;
  /** JSON of a ProviderDiscovery message, or null before the first discovery. */
  readonly discovery: string | null;
  /** Its credentials do not open. */
  readonly unusable: boolean;
}

function toRecord(row: ProvidersTable): ProviderRecord {
  return {
    id: blobToUuid(row.id),
    workspaceId: blobToUuid(row.workspace_id),
    type: row.type,
    name: row.name,
    targetPoolId: row.target_pool_id === null ? null : blobToUuid(row.target_pool_id),
    scheme: row.scheme as Scheme | null,
    host: row.host,
    port: row.port,
    usernameTemplate: row.username_template,
    passwordTemplate: row.password_template,
    tokenFormat: row.token_format,
    credentialsSealed: row.credentials_sealed,
    enabled: row.enabled === 1,
    version: row.version,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    mintTokens: row.mint_tokens === 1,
    state: row.state,
    stateRefreshedAtMs: row.state_refreshed_at,
    discovery: row.discovery,
    unusable: row.unusable === 1,
  };
}

function toRow(record: ProviderRecord): Insertable<ProvidersTable> {
  return {
    id: uuidToBlob(record.id),
    workspace_id: uuidToBlob(record.workspaceId),
    type: record.type,
    name: record.name,
    target_pool_id: record.targetPoolId === null ? null : uuidToBlob(record.targetPoolId),
    scheme: record.scheme,
    host: record.host,
    port: record.port,
    username_template: record.usernameTemplate,
    password_template: record.passwordTemplate,
    token_format: record.tokenFormat,
    credentials_sealed: record.credentialsSealed,
    enabled: record.enabled ? 1 : 0,
    version: record.version,
    created_at: record.createdAtMs,
    updated_at: record.updatedAtMs,
    deleted_at: null,
    mint_tokens: record.mintTokens ? 1 : 0,
    state: record.state,
    state_refreshed_at: record.stateRefreshedAtMs,
    discovery: record.discovery,
    unusable: record.unusable ? 1 : 0,
  };
}

/** Adds a live provider; a second live one of a vendor type is a `constraint` error. */
export async function insertProvider(db: Kysely<Schema>, record: ProviderRecord): Promise<void> {
  await db.insertInto('providers').values(toRow(record)).execute();
}

/** The live provider of the workspace with this id, or null. */
export async function loadProvider(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: ProviderId,
): Promise<ProviderRecord | null> {
  const row = await db
    .selectFrom('providers')
    .selectAll()
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

/** Ids of live providers of the workspace, in id order. */
export async function listProviderIds(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  page: IdPage<ProviderId>,
): Promise<ProviderId[]> {
  const rows = await db
    .selectFrom('providers')
    .select('id')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map((row) => blobToUuid<ProviderId>(row.id));
}

/** Every live provider of every workspace, in id order; for start-up. */
export async function loadLiveProviders(db: Kysely<Schema>): Promise<ProviderRecord[]> {
  const rows = await db.selectFrom('providers').selectAll().where('deleted_at', 'is', null).orderBy('id').execute();
  return rows.map(toRecord);
}
