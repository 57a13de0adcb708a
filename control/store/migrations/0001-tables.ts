/**
 * Schema 1: every table, STRICT. Ids are 16-byte blobs; rows live while
 * `deleted_at` is null, so every index that a list or a look-up walks is partial
 * on that, and a deleted row frees its name or token.
 *
 * Tables are WITHOUT ROWID: ids are time-ordered, so rows are appended to the one
 * tree that holds them, and a look-up by id descends one tree, not two. Measured
 * with 700,000 sessions stored, adding 50,000 costs the same CPU either way.
 */
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../schema.ts';

const WORKSPACES = [
  `create table workspaces (
    id blob primary key not null check (length(id) = 16),
    name text not null,
    description text,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer
  ) strict, without rowid`,
  `create table workspace_keys (
    workspace_id blob not null references workspaces (id),
    version integer not null check (version >= 1),
    wrapped_key blob not null,
    created_at integer not null,
    primary key (workspace_id, version)
  ) strict, without rowid`,
  `create table api_keys (
    id blob primary key not null check (length(id) = 16),
    workspace_id blob not null references workspaces (id),
    name text not null,
    key_prefix text not null,
    hash blob not null unique check (length(hash) = 32),
    policies text not null,
    created_at integer not null,
    expires_at integer,
    last_used_at integer,
    deleted_at integer
  ) strict, without rowid`,
  'create index api_keys_of_workspace on api_keys (workspace_id, id) where deleted_at is null',
];

const POOLS_AND_PROVIDERS = [
  `create table pools (
    id blob primary key not null check (length(id) = 16),
    workspace_id blob not null references workspaces (id),
    name text not null,
    enabled integer not null check (enabled in (0, 1)),
    policy text not null,
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer
  ) strict, without rowid`,
  'create unique index pools_by_name on pools (workspace_id, name) where deleted_at is null',
  'create index pools_of_workspace on pools (workspace_id, id) where deleted_at is null',
  `create table providers (
    id blob primary key not null check (length(id) = 16),
    workspace_id blob not null references workspaces (id),
    type text not null,
    name text,
    target_pool_id blob references pools (id),
    scheme text,
    host text,
    port integer check (port between 1 and 65535),
    username_template text,
    password_template text,
    token_format text,
    credentials_sealed blob,
    enabled integer not null check (enabled in (0, 1)),
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer
  ) strict, without rowid`,
  `create unique index providers_by_vendor on providers (workspace_id, type)
    where deleted_at is null and type not in ('static', 'gateway', 'local')`,
  'create index providers_of_workspace on providers (workspace_id, id) where deleted_at is null',
];

const SESSIONS = [
  `create table sessions (
    id blob primary key not null check (length(id) = 16),
    workspace_id blob not null references workspaces (id),
    pool_id blob not null references pools (id),
    provider_id blob not null references providers (id),
    token text not null,
    scheme text,
    host text,
    port integer check (port between 1 and 65535),
    username text,
    password_sealed blob,
    labels text,
    enabled integer not null check (enabled in (0, 1)),
    version integer not null,
    created_at integer not null,
    updated_at integer not null,
    deleted_at integer
  ) strict, without rowid`,
  'create unique index sessions_by_token on sessions (pool_id, token) where deleted_at is null',
  // Lists walk these alone: SQLite calls an index covering only with `deleted_at` inside (always null here, one byte),
  // and with the provider inside, so is a list filtered by pool and provider.
  'create index sessions_of_workspace on sessions (workspace_id, id, deleted_at) where deleted_at is null',
  'create index sessions_of_pool on sessions (pool_id, id, provider_id, deleted_at) where deleted_at is null',
  'create index sessions_of_provider on sessions (provider_id, id, deleted_at) where deleted_at is null',
];

const STICKY = [
  // No references: a row may outlive its pool or session, and is dropped when it is read back.
  `create table sticky_keys (
    pool_id blob not null check (length(pool_id) = 16),
    key text not null,
    session_id blob not null check (length(session_id) = 16),
    expires_at integer not null,
    primary key (pool_id, key)
  ) strict, without rowid`,
];

const AUDIT = [
  // AUTOINCREMENT: a number is never given twice, whatever retention deletes.
  `create table audit_events (
    id integer primary key autoincrement,
    at integer not null,
    workspace_id blob,
    actor_key_id blob,
    method text not null,
    object_id blob,
    outcome text not null,
    count integer not null
  ) strict`,
  'create index audit_events_of_workspace on audit_events (workspace_id, id)',
];

/** Makes every table of schema 1 in an empty database. */
export async function createTables(tx: Kysely<Schema>): Promise<void> {
  for (const statement of [...WORKSPACES, ...POOLS_AND_PROVIDERS, ...SESSIONS, ...STICKY, ...AUDIT]) {
    await sql.raw(statement).execute(tx);
  }
}
