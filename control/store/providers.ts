/** The table `providers`. A workspace has at most one live provider of each vendor type, any number of the others. */
import { type Insertable, type Kysely, sql } from 'kysely';
import type { PoolId, ProviderId, Scheme, WorkspaceId } from '../../src/core/model.ts';
import { type IdPage, idsAfter } from './id-page.ts';
import type { ProvidersTable, Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';
import { writtenStatement } from './written-statement.ts';

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
  /** Its credentials hold a key for the vendor's account interface. */
  readonly hasApiKey: boolean;
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
    hasApiKey: row.has_api_key === 1,
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
    has_api_key: record.hasApiKey ? 1 : 0,
  };
}

/** Adds a live provider; a second live one of a vendor type is a `constraint` error. */
export async function insertProvider(db: Kysely<Schema>, record: ProviderRecord): Promise<void> {
  await db.insertInto('providers').values(toRow(record)).execute();
}

const load = writtenStatement('select * from providers where id = ? and workspace_id = ? and deleted_at is null');

/** The live provider of the workspace with this id, or null. Written by hand: every new session asks. */
export async function loadProvider(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: ProviderId,
): Promise<ProviderRecord | null> {
  const query = load([uuidToBlob(id), uuidToBlob(workspaceId)]);
  const [row] = (await db.executeQuery<ProvidersTable>(query)).rows;
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

/** Those of the ids that are live providers of the workspace, in id order; meant for 1,000 ids or fewer. */
export async function loadProviders(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  ids: readonly ProviderId[],
): Promise<ProviderRecord[]> {
  const hexIds = JSON.stringify(ids.map((id) => uuidToBlob(id).toString('hex')));
  const rows = await db
    .selectFrom('providers')
    .selectAll()
    .where('id', 'in', sql<Buffer>`(select unhex(value) from json_each(${hexIds}))`)
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(toRecord);
}

/** Whether the workspace has a live provider of a vendor type. */
export async function hasProviderOfVendor(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  type: string,
): Promise<boolean> {
  // The last condition is that of the index `providers_by_vendor`.
  const row = await db
    .selectFrom('providers')
    .select('id')
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('type', '=', type)
    .where('deleted_at', 'is', null)
    .where(sql<boolean>`type not in ('static', 'gateway', 'local')`)
    .executeTakeFirst();
  return row !== undefined;
}

/** Writes what UpdateProvider may change of a live provider; false when it is gone. */
export async function replaceProvider(db: Kysely<Schema>, record: ProviderRecord): Promise<boolean> {
  const row = toRow(record);
  const result = await db
    .updateTable('providers')
    .set({
      name: row.name,
      target_pool_id: row.target_pool_id,
      scheme: row.scheme,
      host: row.host,
      port: row.port,
      username_template: row.username_template,
      password_template: row.password_template,
      token_format: row.token_format,
      credentials_sealed: row.credentials_sealed,
      enabled: row.enabled,
      version: row.version,
      updated_at: row.updated_at,
      mint_tokens: row.mint_tokens,
      unusable: row.unusable,
      has_api_key: row.has_api_key,
    })
    .where('id', '=', row.id)
    .where('workspace_id', '=', row.workspace_id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** What was observed of a provider: no change of its own, so its version stays. */
export type ProviderObservation = Partial<Pick<ProviderRecord, 'state' | 'stateRefreshedAtMs' | 'discovery'>>;

/** Writes what was observed of a live provider; false when it is gone. */
export async function observeProvider(
  db: Kysely<Schema>,
  id: ProviderId,
  { state, stateRefreshedAtMs, discovery }: ProviderObservation,
): Promise<boolean> {
  const result = await db
    .updateTable('providers')
    .set({
      ...(state !== undefined && { state }),
      ...(stateRefreshedAtMs !== undefined && { state_refreshed_at: stateRefreshedAtMs }),
      ...(discovery !== undefined && { discovery }),
    })
    .where('id', '=', uuidToBlob(id))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Deletes a live provider of the workspace and forgets its credentials, and nothing else; false when there is none. */
export async function softDeleteProvider(
  db: Kysely<Schema>,
  workspaceId: WorkspaceId,
  id: ProviderId,
  deletedAtMs: number,
): Promise<boolean> {
  const result = await db
    .updateTable('providers')
    .set({ deleted_at: deletedAtMs, updated_at: deletedAtMs, credentials_sealed: null, has_api_key: 0 })
    .where('id', '=', uuidToBlob(id))
    .where('workspace_id', '=', uuidToBlob(workspaceId))
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** A page of the live providers of every workspace, in id order; for start-up. */
export async function loadLiveProviders(db: Kysely<Schema>, page: IdPage<ProviderId>): Promise<ProviderRecord[]> {
  const rows = await db
    .selectFrom('providers')
    .selectAll()
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toRecord);
}

/** A page of the live providers of every workspace whose vendor can be asked, in id order. */
export async function loadProvidersWithApiKey(db: Kysely<Schema>, page: IdPage<ProviderId>): Promise<ProviderRecord[]> {
  const rows = await db
    .selectFrom('providers')
    .selectAll()
    .where('id', '>', idsAfter(page))
    .where('deleted_at', 'is', null)
    .where(sql<boolean>`has_api_key = 1`)
    .orderBy('id')
    .limit(page.limit)
    .execute();
  return rows.map(toRecord);
}
