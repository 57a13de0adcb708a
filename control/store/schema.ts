/**
 * The tables, as kysely sees them. `migrations/` makes them; one file a table
 * holds its queries. Ids are 16-byte blobs in the file (big-endian UUID order is
 * creation order for v7) and UUID text everywhere else: the table files convert.
 * Times are integer milliseconds since the epoch. A row is live while
 * `deleted_at` is null.
 */
import type { Generated } from 'kysely';

export interface WorkspacesTable {
  id: Buffer;
  name: string;
  description: string | null;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

/** Data-encryption keys, wrapped by the master key. The highest version seals; older ones still open. */
export interface WorkspaceKeysTable {
  workspace_id: Buffer;
  version: number;
  wrapped_key: Buffer;
  created_at: number;
}

export interface ApiKeysTable {
  id: Buffer;
  workspace_id: Buffer;
  name: string;
  key_prefix: string;
  /** SHA-256 of the raw key, 32 bytes. */
  hash: Buffer;
  /** JSON array of policy names. */
  policies: string;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  deleted_at: number | null;
}

export interface PoolsTable {
  id: Buffer;
  workspace_id: Buffer;
  name: string;
  enabled: number;
  /** JSON of every policy of the pool, defaults filled in. */
  policy: string;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface ProvidersTable {
  id: Buffer;
  workspace_id: Buffer;
  type: string;
  name: string | null;
  target_pool_id: Buffer | null;
  scheme: string | null;
  host: string | null;
  port: number | null;
  username_template: string | null;
  password_template: string | null;
  token_format: string | null;
  credentials_sealed: Buffer | null;
  enabled: number;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface SessionsTable {
  id: Buffer;
  workspace_id: Buffer;
  pool_id: Buffer;
  provider_id: Buffer;
  token: string;
  scheme: string | null;
  host: string | null;
  port: number | null;
  username: string | null;
  password_sealed: Buffer | null;
  /** JSON object of labels, or null for none. */
  labels: string | null;
  enabled: number;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

/** Sticky keys held elsewhere than their consistent choice, so that a restart does not move them. */
export interface StickyKeysTable {
  pool_id: Buffer;
  key: string;
  session_id: Buffer;
  expires_at: number;
}

export interface AuditEventsTable {
  id: Generated<number>;
  at: number;
  workspace_id: Buffer | null;
  actor_key_id: Buffer | null;
  method: string;
  object_id: Buffer | null;
  /** 'ok' or a Connect code name. */
  outcome: string;
  /** How many objects the call changed (bulk calls: more than one). */
  count: number;
}

export interface Schema {
  workspaces: WorkspacesTable;
  workspace_keys: WorkspaceKeysTable;
  api_keys: ApiKeysTable;
  pools: PoolsTable;
  providers: ProvidersTable;
  sessions: SessionsTable;
  audit_events: AuditEventsTable;
  sticky_keys: StickyKeysTable;
}
