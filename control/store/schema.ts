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
  /** Id of the keyring that wraps it, 8 bytes; null for rows of schema 1, wrapped by the bare master key. */
  keyring: Buffer | null;
  /** How many values it has sealed, but for the last few thousand of each run. */
  seals: Generated<number>;
}

/** Workspaces whose keys were destroyed, by the keyrings that were in use then. */
export interface DestroyedKeysTable {
  keyring: Buffer;
  workspace_id: Buffer;
}

/** Rotations of workspace keys that have not reached every sealed value yet. */
export interface KeyRotationsTable {
  workspace_id: Buffer;
  from_version: number;
  to_version: number;
  /** Sessions up to and including this id are done; empty at the start. */
  after_id: Buffer;
  checked: number;
  total: number;
  started_at: number;
}

/** How often a row's secret was replaced, for rows where it ever was: part of what a sealed value is bound to. */
export interface SealSerialsTable {
  row_id: Buffer;
  serial: number;
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
  mint_tokens: number;
  /** JSON of what the vendor last reported, or null. */
  state: string | null;
  state_refreshed_at: number | null;
  /** JSON of the discovery under way or the last one, or null. */
  discovery: string | null;
  /** 1: its credentials do not open. */
  unusable: number;
  /** 1: its credentials hold a key for the vendor's account interface. */
  has_api_key: number;
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
  /** 1: its password does not open; never given to the gateway until it is given anew. */
  unusable: number;
  /** 1: the certificate of its `https` upstream goes unchecked. */
  tls_insecure: number;
}

/** Accounts bound to sessions: one live row per pool and account name. */
export interface AssignmentsTable {
  id: Buffer;
  workspace_id: Buffer;
  pool_id: Buffer;
  session_id: Buffer;
  account_name: string;
  pinned: number;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

/** Traffic of one session for one account in one UTC day. Rows are added to, never replaced. */
export interface UsageTable {
  workspace_id: Buffer;
  /** Days since the epoch, UTC. */
  usage_day: number;
  session_id: Buffer;
  /** Empty for requests without an account. */
  account_name: string;
  pool_id: Buffer;
  provider_id: Buffer;
  request_count: number;
  error_count: number;
  bytes_out: number;
  bytes_in: number;
}

/** What discovery knows of the endpoints that a provider listed. */
export interface DiscoveredEndpointsTable {
  provider_id: Buffer;
  /** The vendor's own name of the endpoint, stable over its lists. */
  endpoint_key: string;
  session_id: Buffer;
  /** Number of the last run that saw it. */
  seen_run: number;
  /** 1: discovery disabled the session because the endpoint was gone, and may enable it when it is back. */
  vanished: number;
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
  /** JSON objects of the fields that changed, before and after; null where there is none. Never a secret. */
  before: string | null;
  after: string | null;
  /** SHA-256 over this row and the hash of the row before it, 32 bytes; null in rows of schema 1. */
  hash: Buffer | null;
}

export interface Schema {
  workspaces: WorkspacesTable;
  workspace_keys: WorkspaceKeysTable;
  destroyed_keys: DestroyedKeysTable;
  key_rotations: KeyRotationsTable;
  seal_serials: SealSerialsTable;
  api_keys: ApiKeysTable;
  pools: PoolsTable;
  providers: ProvidersTable;
  sessions: SessionsTable;
  audit_events: AuditEventsTable;
  sticky_keys: StickyKeysTable;
  assignments: AssignmentsTable;
  usage: UsageTable;
  discovered_endpoints: DiscoveredEndpointsTable;
}
