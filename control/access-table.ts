/**
 * Who may call, in memory: API keys by the SHA-256 of them, and which workspaces
 * live. Filled at start, then changed by committed writes only; read by every call.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { ApiKeyId, ApiKeyState, WorkspaceId } from '../src/core/model.ts';
import { Permission } from './gen/accounts/v1/accounts_pb.ts';
import { permissionsOf } from './policies.ts';
import type { ApiKeyRecord } from './store/api-keys.ts';

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
}

export interface AccessTable {
  putKey(record: ApiKeyRecord): void;
  removeKey(hash: string): void;
  putWorkspace(id: WorkspaceId): void;
  hasWorkspace(id: WorkspaceId): boolean;
  /** The caller behind a raw key, or null for one that is unknown, revoked or expired. */
  authenticate(rawKey: string, nowMs: number): Caller | null;
}

export function createAccessTable(): AccessTable {
  const keys = new Map<string, Entry>();
  const workspaces = new Set<WorkspaceId>();
  return {
    putKey(record) {
      const permissions = permissionsOf(record.policies);
      const isOperator = permissions.has(Permission.OPERATE);
      const caller = { keyId: record.id, workspaceId: record.workspaceId, permissions, isOperator };
      keys.set(record.hash, { hash: Buffer.from(record.hash, 'hex'), expiresAtMs: record.expiresAtMs, caller });
    },
    removeKey: (hash) => void keys.delete(hash),
    putWorkspace: (id) => void workspaces.add(id),
    hasWorkspace: (id) => workspaces.has(id),
    authenticate(rawKey, nowMs) {
      const hash = createHash('sha256').update(rawKey, 'latin1').digest();
      const entry = keys.get(hash.toString('hex'));
      // The map compares hashes, about which timing tells an attacker nothing useful; this compare is the verdict.
      if (entry === undefined || !timingSafeEqual(entry.hash, hash)) return null;
      return entry.expiresAtMs !== null && entry.expiresAtMs <= nowMs ? null : entry.caller;
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
