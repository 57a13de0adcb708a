/**
 * Brings every workspace key under the master key that wraps new ones: while the master
 * key is changed, after a crash in the middle of that, from a previous master key, and
 * from schema 1. Called at start and by RotateMasterKey.
 *
 *   row: old ─ transaction of 100 ─▶ new      each row names its keyring, so in between either opens it
 *
 * Invariant: a keyring is let go only after a look in the store found no key under it.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { FIELD, type Logger } from '../../src/core/log.ts';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { Store } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import {
  deleteWorkspaceKeys,
  listDestroyedKeys,
  listKeyringIds,
  loadAnyWorkspaceKey,
  loadKeysNotOf,
  rewrapWorkspaceKey,
  type WorkspaceKeyRecord,
} from '../store/workspace-keys.ts';
import { unwrapKey, wrapKey } from './key-wrapping.ts';
import { loadMasterKey, loadPreviousKey, type MasterKey, type MasterKeySource } from './master-key.ts';
import { SecretError } from './secret-error.ts';

/** Keys in one transaction: about 50 ms of deriving, so other writes wait no longer. */
const KEYS_PER_TRANSACTION = 100;
/** Keys between two pauses: some 5 ms. */
const KEYS_PER_TURN = 10;
/** Workspaces that a start destroys at a time: each time writes the key file once. */
const DESTROYED_PER_PAGE = 1_000;

/**
 * Rejects with a SecretError (`key-wrong`) when a key of the store is wrapped by a master key that is not at
 * hand: to go on would take each such workspace for one that was tampered with.
 */
export async function checkMasterKey(db: Kysely<Schema>, masterKey: MasterKey): Promise<void> {
  for (const id of await listKeyringIds(db)) {
    if (masterKey.keyring(id) !== null) continue;
    const ids = masterKey.keyringIds.map((known) => known.toString('hex')).join(', ');
    throw new SecretError(
      'key-wrong',
      `the database holds keys that the master key ${id.toString('hex')} wraps, and the one at hand is ${ids}: put the other back`,
    );
  }
  // Rows of schema 1 sort first and name no keyring: one of them is tried.
  const sample = await loadAnyBareKey(db);
  if (sample !== null) unwrapKey(masterKey, sample);
}

/**
 * The master key of the configuration, at work over the store: made on a first start, and everything that an
 * older one wraps brought over. Rejects with a SecretError, whose text says what to do.
 */
export async function openMasterKey(
  store: Store,
  source: Omit<MasterKeySource, 'mayCreate'>,
  log: Logger,
): Promise<MasterKey> {
  const masterKey = loadMasterKey({ ...source, mayCreate: await mayMakeNew(store.db, source) });
  await settleMasterKey(store, masterKey, log);
  return masterKey;
}

/** Only where nothing would be lost: the store holds no key, or the previous master key opens them all. */
async function mayMakeNew(db: Kysely<Schema>, source: Omit<MasterKeySource, 'mayCreate'>): Promise<boolean> {
  if ((await loadAnyWorkspaceKey(db)) === null) return true;
  const previous = loadPreviousKey(source);
  if (previous === null || (await loadAnyBareKey(db)) !== null) return false;
  return (await listKeyringIds(db)).every((id) => id.equals(previous.id));
}

async function loadAnyBareKey(db: Kysely<Schema>): Promise<WorkspaceKeyRecord | null> {
  const any = await loadAnyWorkspaceKey(db);
  if (any === null || any.keyring === null) return any;
  const [other] = await loadKeysNotOf(db, any.keyring, 1);
  return other?.keyring === null ? other : null;
}

/**
 * At start: ends a change of the master key that was interrupted, brings over what an older key wraps, and
 * destroys what should have been destroyed. Rejects with a SecretError (`key-wrong`, `key-unreadable`).
 */
export async function settleMasterKey(store: Store, masterKey: MasterKey, log: Logger): Promise<void> {
  await checkMasterKey(store.db, masterKey);
  try {
    const count = await rewrapAll(store, masterKey);
    if (count > 0) log.info({ count }, 'workspace keys rewrapped under the master key');
    masterKey.dropPrevious();
    if (masterKey.isChanging) masterKey.finishNext();
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind !== 'key-changed') throw error;
    // One row that somebody changed must not keep everybody from being served: both master keys stay in use.
    log.error({ [FIELD.error]: error.message }, 'the change of the master key cannot be completed');
  }
  for (const keyring of masterKey.keyringIds) await destroyPending(store, masterKey, keyring);
}

/**
 * Rewraps until no key of the store is under another keyring than the one that wraps new ones; answers how many
 * were. Rejects with a SecretError (`key-changed`) at a key that does not open; keys of destroyed workspaces go.
 */
export async function rewrapAll(store: Store, masterKey: MasterKey): Promise<number> {
  let count = 0;
  for (;;) {
    const handled = await store.write((tx) => rewrapPage(tx, masterKey));
    if (handled === 0) return count;
    count += handled;
  }
}

/** Rewraps up to `limit` keys, inside the transaction `tx`; answers how many it looked at, 0 when none is left. */
export async function rewrapPage(
  tx: Kysely<Schema>,
  masterKey: MasterKey,
  limit: number = KEYS_PER_TRANSACTION,
): Promise<number> {
  const { wrapping } = masterKey;
  const page = await loadKeysNotOf(tx, wrapping.id, limit);
  for (const [index, record] of page.entries()) {
    const { workspaceId, version } = record;
    if (masterKey.isDestroyed(workspaceId)) {
      await deleteWorkspaceKeys(tx, workspaceId);
      continue;
    }
    const wrappedKey = wrapKey(wrapping, workspaceId, version, unwrapKey(masterKey, record));
    await rewrapWorkspaceKey(tx, { workspaceId, version, wrappedKey, keyring: wrapping.id });
    if (index % KEYS_PER_TURN === KEYS_PER_TURN - 1) await pause();
  }
  return page.length;
}

/** Workspaces whose deletion was committed, and the process ended before their keys were destroyed. */
async function destroyPending(store: Store, masterKey: MasterKey, keyring: Buffer): Promise<void> {
  let afterId: WorkspaceId | null = null;
  for (;;) {
    const page: WorkspaceId[] = await listDestroyedKeys(store.db, keyring, { afterId, limit: DESTROYED_PER_PAGE });
    // Writes nothing for those that are destroyed already.
    if (page.length > 0) masterKey.destroy(page);
    if (page.length < DESTROYED_PER_PAGE) return;
    afterId = page.at(-1) ?? null;
  }
}
