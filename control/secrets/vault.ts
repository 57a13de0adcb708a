/**
 * Sealing by purpose: which workspace, which row, which column, which endpoint.
 * Services ask for a workspace's sealer once per call (one look-up, cached) and
 * then seal and open synchronously, so that bulk work needs no await per row.
 *
 * Invariant: the cache holds committed keys only. What is read inside a transaction
 * is not kept, as a rolled-back key would go on sealing values that nothing opens.
 */
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/core/clock.ts';
import type { Endpoint, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { createRandomPool, type RandomFill } from '../random-pool.ts';
import type { Schema } from '../store/schema.ts';
import { insertWorkspaceKey, loadAnyWorkspaceKey, loadWorkspaceKeys } from '../store/workspace-keys.ts';
import { generateWorkspaceKey, unwrapKey, wrapKey } from './key-wrapping.ts';
import { open, type SealedPlace, type SealingKey, seal } from './sealing.ts';
import { Secret } from './secret.ts';
import { SecretError } from './secret-error.ts';

/** Workspaces whose keys stay unwrapped in memory. */
const MAX_CACHED_WORKSPACES = 1_000;

/** The place of a session's password. */
export interface SessionPlace {
  readonly sessionId: SessionId;
  readonly endpoint: Endpoint;
}

/** The place of a provider's credentials. */
export interface ProviderPlace {
  readonly providerId: ProviderId;
  readonly endpoint: Endpoint | null;
}

/** Seals and opens the secrets of one workspace. Opening throws a SecretError of kind `unsealable`. */
export interface WorkspaceSealer {
  sealSessionPassword(place: SessionPlace, password: Secret): Buffer;
  openSessionPassword(place: SessionPlace, blob: Uint8Array): Secret;
  sealProviderCredentials(place: ProviderPlace, credentials: Secret): Buffer;
  openProviderCredentials(place: ProviderPlace, blob: Uint8Array): Secret;
}

export interface Vault {
  /** Makes the first encryption key of a new workspace, inside the transaction that adds it. */
  createWorkspaceKey(tx: Kysely<Schema>, workspaceId: WorkspaceId): Promise<void>;
  /** The workspace's sealer; rejects with a SecretError (`no-workspace-key`, `key-wrong`). */
  forWorkspace(db: Kysely<Schema>, workspaceId: WorkspaceId): Promise<WorkspaceSealer>;
  /** Drops the cached keys of a workspace: call after a commit that added or destroyed one. */
  forget(workspaceId: WorkspaceId): void;
}

export interface VaultOptions {
  /** 32 bytes, of `loadMasterKey`. */
  readonly masterKey: Buffer;
  readonly clock: Clock;
}

/** Opens the vault over a store; rejects with a SecretError (`key-wrong`) when the store's keys are of another master key. */
export async function openVault(db: Kysely<Schema>, options: VaultOptions): Promise<Vault> {
  const { masterKey, clock } = options;
  const sample = await loadAnyWorkspaceKey(db);
  if (sample !== null) unwrapKey(masterKey, sample);
  const fillRandom = createRandomPool();
  const cache = new LRUCache<WorkspaceId, WorkspaceSealer>({ max: MAX_CACHED_WORKSPACES });

  return {
    async createWorkspaceKey(tx, workspaceId) {
      const version = 1;
      const wrappedKey = wrapKey(masterKey, workspaceId, version, generateWorkspaceKey());
      await insertWorkspaceKey(tx, { workspaceId, version, wrappedKey, createdAtMs: clock.nowMs() });
    },

    async forWorkspace(source, workspaceId) {
      const cached = cache.get(workspaceId);
      if (cached !== undefined) return cached;
      const records = await loadWorkspaceKeys(source, workspaceId);
      const keys = records.map((record) => ({ version: record.version, key: unwrapKey(masterKey, record) }));
      const sealer = createSealer(workspaceId, keys, fillRandom);
      if (!source.isTransaction) cache.set(workspaceId, sealer);
      return sealer;
    },

    forget(workspaceId) {
      cache.delete(workspaceId);
    },
  };
}

/** `keys` in rising order of version: the last one seals, all of them open. */
function createSealer(workspaceId: WorkspaceId, keys: readonly SealingKey[], fillRandom: RandomFill): WorkspaceSealer {
  const current = keys.at(-1);
  if (current === undefined) {
    throw new SecretError('no-workspace-key', `workspace ${workspaceId} has no encryption key`);
  }
  const byVersion = new Map(keys.map(({ version, key }) => [version, key]));
  const keyOf = (version: number) => byVersion.get(version);
  const session = ({ sessionId, endpoint }: SessionPlace): SealedPlace => {
    return { workspaceId, rowId: sessionId, column: 'sessions.password', endpoint };
  };
  const provider = ({ providerId, endpoint }: ProviderPlace): SealedPlace => {
    return { workspaceId, rowId: providerId, column: 'providers.credentials', endpoint };
  };
  const sealText = (place: SealedPlace, secret: Secret) =>
    seal(current, place, Buffer.from(secret.reveal()), fillRandom);
  const openText = (place: SealedPlace, blob: Uint8Array) => new Secret(open(keyOf, place, blob).toString());
  return {
    sealSessionPassword: (place, password) => sealText(session(place), password),
    openSessionPassword: (place, blob) => openText(session(place), blob),
    sealProviderCredentials: (place, credentials) => sealText(provider(place), credentials),
    openProviderCredentials: (place, blob) => openText(provider(place), blob),
  };
}
