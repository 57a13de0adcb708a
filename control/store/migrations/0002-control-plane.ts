/**
 * Schema 2: assignments, usage, discovered endpoints; what key rotation and
 * tamper checks remember; the audit record's contents and chain.
 */
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../schema.ts';

const KEYS = [
  'alter table workspace_keys add column keyring blob check (keyring is null or length(keyring) = 8)',
  'alter table workspace_keys add column seals integer not null default 0',
  'create index workspace_keys_by_keyring on workspace_keys (keyring)',
  // No reference to workspaces: what was destroyed stays destroyed.
  `create table destroyed_keys (
    keyring blob not null check (length(keyring) = 8),
    workspace_id blob not null check (length(workspace_id) = 16),
    primary key (keyring, workspace_id)
  ) strict, without rowid`,
  // One row a workspace: a rotation begins when the one before has ended.
  `create table key_rotations (
    workspace_id blob primary key not null references workspaces (id),
    from_version integer not null,
    to_version integer not null,
    after_id blob not null,
    checked integer not null,
    total integer not null,
    started_at integer not null
  ) strict, without rowid`,
  `create table seal_serials (
    row_id blob primary key not null check (length(row_id) = 16),
    serial integer not null check (serial > 1)
  ) strict, without rowid`,
];

const ACCOUNTS = [
  // Covering, as those of sessions are: `deleted_at` is always null in them.
  'create index workspaces_live on workspaces (id, deleted_at) where deleted_at is null',
  'drop index api_keys_of_workspace',
  'create index api_keys_of_workspace on api_keys (workspace_id, id, deleted_at) where deleted_at is null',
  // Few: looked through when one of them is about to go, so that the last one stays.
  `create index api_keys_of_operators on api_keys (id)
    where deleted_at is null and instr(policies, '"operator"') > 0`,
];

const SESSIONS_AND_PROVIDERS = [
  'alter table sessions add column unusable integer not null default 0 check (unusable in (0, 1))',
  'alter table providers add column mint_tokens integer not null default 0 check (mint_tokens in (0, 1))',
  'alter table providers add column state text',
  'alter table providers add column state_refreshed_at integer',
  'alter table providers add column discovery text',
  'alter table providers add column unusable integer not null default 0 check (unusable in (0, 1))',
  'alter table providers add column has_api_key integer not null default 0 check (has_api_key in (0, 1))',
  // Those whose vendor can be asked: what discovery walks at start and from time to time.
  'create index providers_with_api_key on providers (id) where deleted_at is null and has_api_key = 1',
  `create index providers_of_target_pool on providers (target_pool_id, id)
    where deleted_at is null and target_pool_id is not null`,
  // No reference to sessions: their rows are never removed, and bulk work need not look each one up.
  `create table discovered_endpoints (
    provider_id blob not null references providers (id),
    endpoint_key text not null,
    session_id blob not null check (length(session_id) = 16),
    seen_run integer not null,
    vanished integer not null check (vanished in (0, 1)),
    primary key (provider_id, endpoint_key)
  ) strict, without rowid`,
];

const ASSIGNMENTS = [
  `create table assignments (
    id blob primary key not null check (length(id) = 16),
    workspace_id blob not null references workspaces (id),
    pool_id blob not null references pools (id),
    session_id blob not null references sessions (id),
    account_name text not null,
    pinned integer not null check (pinned in (0, 1)),
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer
  ) strict, without rowid`,
  'create unique index assignments_by_account on assignments (pool_id, account_name) where deleted_at is null',
  'create index assignments_of_workspace on assignments (workspace_id, id, deleted_at) where deleted_at is null',
  'create index assignments_of_pool on assignments (pool_id, id, deleted_at) where deleted_at is null',
  'create index assignments_of_session on assignments (session_id, id, deleted_at) where deleted_at is null',
  `create index assignments_of_account on assignments (workspace_id, account_name, id, deleted_at)
    where deleted_at is null`,
];

const USAGE = [
  // No references: what was carried stays on record after the session, pool or provider is gone.
  `create table usage (
    workspace_id blob not null check (length(workspace_id) = 16),
    usage_day integer not null,
    session_id blob not null check (length(session_id) = 16),
    account_name text not null,
    pool_id blob not null check (length(pool_id) = 16),
    provider_id blob not null check (length(provider_id) = 16),
    request_count integer not null,
    error_count integer not null,
    bytes_out integer not null,
    bytes_in integer not null,
    primary key (workspace_id, usage_day, session_id, account_name)
  ) strict, without rowid`,
  'create index usage_of_session on usage (workspace_id, session_id, usage_day, account_name)',
  'create index usage_of_account on usage (workspace_id, account_name, usage_day, session_id)',
  'create index usage_of_pool on usage (workspace_id, pool_id, usage_day, session_id, account_name)',
  'create index usage_of_provider on usage (workspace_id, provider_id, usage_day, session_id, account_name)',
];

const AUDIT = [
  'alter table audit_events add column before text',
  'alter table audit_events add column after text',
  'alter table audit_events add column hash blob check (hash is null or length(hash) = 32)',
];

/** Brings schema 1 to schema 2. */
export async function addControlPlane(tx: Kysely<Schema>): Promise<void> {
  for (const statement of [...KEYS, ...ACCOUNTS, ...SESSIONS_AND_PROVIDERS, ...ASSIGNMENTS, ...USAGE, ...AUDIT]) {
    await sql.raw(statement).execute(tx);
  }
}
