/**
 * Who may call, in memory: API keys by the SHA-256 of them, and which workspaces
 * live. Filled at start, then changed by committed writes only; read by every call.
 * Notes when each key was last used, to the second, until `key-use-keeper.ts` has
 * written that down.
 */
import { hash as digest, timingSafeEqual } from 'node:crypto';
import type { ApiKeyId, ApiKeyState, WorkspaceId } from '../src/core/model.ts';
import { Permission } from './gen/accounts/v1/accounts_pb.ts';
import { permissionsOf } from './policies.ts';
import type { ApiKeyRecord, KeyUse } from './store/api-keys.ts';

/** Uses within one second are one use: a busy key is noted once a second, not once a call. */
const USE_RESOLUTION_MS = 1_000;

/** A key that may call: what it may do, and where. */
export interface Caller {
  readonly keyId: ApiKeyId;
  readonly workspaceId: WorkspaceId;
  readonly permissions: ReadonlySet<Permission>;
  /** Acts in every workspace. */
  readonly isOperator: boolean;
}

interface Entry {
  readonly hash: Buffer;
  readonly expiresAtMs: number | null;
  readonly caller: Caller;
  /** Milliseconds since the epoch, whole seconds; 0 before the first use since the start. */
  usedAtMs: number;
}

export interface AccessTable {
  putKey(record: ApiKeyRecord): void;
  removeKey(hash: string): void;
  putWorkspace(id: WorkspaceId): void;
  removeWorkspace(id: WorkspaceId): void;
  hasWorkspace(id: WorkspaceId): boolean;
  /** The caller behind a raw key, or null for one that is unknown, revoked or expired. Notes the use. */
  authenticate(rawKey: string, nowMs: number): Caller | null;
  /** When the key (by its hash) was last used since the start, in milliseconds since the epoch; null when it was not. */
  lastUse(hash: string): number | null;
  /** Uses noted since the last call of this; at most one a live key. Whoever takes them must write them down. */
  takeUses(): KeyUse[];
}

export function createAccessTable(): AccessTable {
  const keys = new Map<string, Entry>();
  const workspaces = new Set<WorkspaceId>();
  let used = new Set<Entry>();

  function noteUse(entry: Entry, nowMs: number): void {
    const atMs = nowMs - (nowMs % USE_RESOLUTION_MS);
    // Not back either: the clock may jump, the record shows the latest.
    if (atMs <= entry.usedAtMs) return;
    entry.usedAtMs = atMs;
    used.add(entry);
  }

  return {
    putKey(record) {
      const permissions = permissionsOf(record.policies);
      const isOperator = permissions.has(Permission.OPERATE);
      const caller = { keyId: record.id, workspaceId: record.workspaceId, permissions, isOperator };
      const hash = Buffer.from(record.hash, 'hex');
      keys.set(record.hash, { hash, expiresAtMs: record.expiresAtMs, caller, usedAtMs: 0 });
    },
    removeKey(hash) {
      const entry = keys.get(hash);
      if (entry !== undefined) used.delete(entry);
      keys.delete(hash);
    },
    putWorkspace: (id) => void workspaces.add(id),
    removeWorkspace: (id) => void workspaces.delete(id),
    hasWorkspace: (id) => workspaces.has(id),
    authenticate(rawKey, nowMs) {
      const hash = digest('sha256', Buffer.from(rawKey, 'latin1'), 'buffer');
      const entry = keys.get(hash.toString('hex'));
      // The map compares hashes, about which timing tells an attacker nothing useful; this compare is the verdict.
      if (entry === undefined || !timingSafeEqual(entry.hash, hash)) return null;
      if (entry.expiresAtMs !== null && entry.expiresAtMs <= nowMs) return null;
      noteUse(entry, nowMs);
      return entry.caller;
    },
    lastUse: (hash) => keys.get(hash)?.usedAtMs || null,
    takeUses() {
      const taken = [...used].map(({ caller, usedAtMs }) => ({ keyId: caller.keyId, atMs: usedAtMs }));
      used = new Set();
      return taken;
    },
  };
}

/** The key as the gateway knows it. */
export function apiKeyState(record: ApiKeyRecord): ApiKeyState {
  return {
    id: record.id,
    workspaceId: record.workspaceId,
    hash: record.hash,
    mayUseGateway: permissionsOf(record.policies).has(Permission.USE_GATEWAY),
    expiresAtMs: record.expiresAtMs,
  };
}
