/**
 * One discovery of one provider, from the first page of the vendor's list to the
 * last row that is not on it any more:
 *
 *   page ─ page ─ … ─▶ batch of 500 ─▶ one transaction, progress in it ─▶ gateway
 *   list complete ─▶ rows that this run did not see ─▶ disabled, in batches ─▶ DONE
 *   anything fails ─▶ FAILED with a sentence; what was done stays, nothing is disabled
 *
 * The vendor is asked outside of any transaction. Every batch checks again that the
 * provider and its target pool are there.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import { FIELD } from '../../src/core/log.ts';
import type { Change, PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import { writeInBackground } from '../background-write.ts';
import type { Plane } from '../call.ts';
import { SecretError } from '../secrets/secret-error.ts';
import { loadSeenEndpoints } from '../store/discovered-endpoints.ts';
import { loadPool } from '../store/pools.ts';
import { loadProvider, observeProvider, type ProviderRecord } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { StoreError } from '../store/store-error.ts';
import type { AccountInterface, ListedEndpoint } from './account-interface.ts';
import { applyListed, type DiscoveryTarget, disableVanished } from './discovered-sessions.ts';
import { type DiscoveryCounts, ended, NOTHING_YET, running } from './discovery-state.ts';
import { openAccountOf } from './open-account.ts';
import { patiently } from './patience.ts';
import type { VendorAccounts } from './vendor-accounts.ts';
import { VendorError } from './vendor-error.ts';

/** Endpoints of one transaction: some tens of milliseconds. */
const BATCH_ENDPOINTS = 500;
/** Longest list that is read, and in how many pages. */
const MAX_ENDPOINTS = 100_000;
const MAX_PAGES = 1_000;
/** Rows looked at together for those that are gone. */
const GONE_PAGE_ROWS = 1_000;
/** In audit rows: nobody called it. */
const AUDIT_METHOD = 'discovery';

export type DiscoveryPlane = Pick<Plane, 'store' | 'vault' | 'publisher' | 'clock' | 'log' | 'newId'>;

export interface DiscoverySource {
  readonly workspaceId: WorkspaceId;
  readonly providerId: ProviderId;
}

/** Why a discovery cannot go on, in a sentence for the operator. */
class Abandoned extends Error {}

/** Runs a discovery to its end, which stands in the provider's row; `signal` stops it where it is. Never rejects. */
export async function runDiscovery(
  plane: DiscoveryPlane,
  accounts: VendorAccounts,
  source: DiscoverySource,
  signal: AbortSignal,
): Promise<void> {
  const run = new DiscoveryRun(plane, source, signal);
  try {
    await run.follow(accounts);
  } catch (error) {
    // Whoever stopped it goes on with it: the next start does, and a deleted provider needs none.
    if (signal.aborted) return;
    await run.fail(error);
  }
}

class DiscoveryRun {
  readonly #plane: DiscoveryPlane;
  readonly #source: DiscoverySource;
  readonly #signal: AbortSignal;
  readonly #startedAtMs: number;
  #counts: DiscoveryCounts = NOTHING_YET;

  constructor(plane: DiscoveryPlane, source: DiscoverySource, signal: AbortSignal) {
    this.#plane = plane;
    this.#source = source;
    this.#signal = signal;
    this.#startedAtMs = plane.clock.nowMs();
  }

  async follow(accounts: VendorAccounts): Promise<void> {
    const { store, vault } = this.#plane;
    const { workspaceId, providerId } = this.#source;
    const provider = await loadProvider(store.db, workspaceId, providerId);
    if (provider === null) throw new Abandoned('the provider is gone');
    const { targetPoolId } = provider;
    if (targetPoolId === null) throw new Abandoned('targetPoolId: is not set');
    const account = await openAccountOf(accounts, vault, store.db, provider);
    if (account === null) throw new Abandoned('credentials: hold no apiKey');
    await this.#write(targetPoolId, async () => ({ changes: [], count: 0 }));
    const taken = await this.#applyList(account, targetPoolId);
    await this.#disableGone(targetPoolId);
    if (taken > 0) {
      throw new Abandoned(
        `${taken} endpoints were left out: sessions of other providers have their tokens in the pool`,
      );
    }
    await this.#end(null);
  }

  /** Applies the whole list in batches; answers how many endpoints were left out. */
  async #applyList(account: AccountInterface, poolId: PoolId): Promise<number> {
    const batch: ListedEndpoint[] = [];
    let listed = 0;
    let taken = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { endpoints, isLast } = await patiently(() => account.loadEndpoints(page, this.#signal), this.#signal);
      listed += endpoints.length;
      if (listed > MAX_ENDPOINTS) break;
      batch.push(...endpoints);
      while (batch.length >= BATCH_ENDPOINTS || (isLast && batch.length > 0)) {
        taken += await this.#applyBatch(batch.splice(0, BATCH_ENDPOINTS), poolId);
      }
      if (isLast) return taken;
    }
    throw new VendorError('endless');
  }

  async #applyBatch(listed: readonly ListedEndpoint[], poolId: PoolId): Promise<number> {
    const { plane, target } = { plane: this.#plane, target: this.#target(poolId) };
    let taken = 0;
    await this.#write(poolId, async (tx) => {
      const sealer = await plane.vault.forWorkspace(plane.store.db, target.workspaceId);
      const batch = await applyListed(plane, tx, target, sealer, listed, () => pause());
      taken = batch.taken;
      const { found, created, updated, enabled, disabled } = this.#counts;
      this.#counts = {
        found: found + listed.length,
        created: created + batch.created,
        updated: updated + batch.updated,
        enabled: enabled + batch.enabled,
        disabled,
      };
      return { changes: batch.changes, count: batch.changes.length };
    });
    return taken;
  }

  async #disableGone(poolId: PoolId): Promise<void> {
    const { plane, target } = { plane: this.#plane, target: this.#target(poolId) };
    let afterKey: string | null = null;
    for (;;) {
      const rows = await loadSeenEndpoints(plane.store.db, target.providerId, afterKey, GONE_PAGE_ROWS);
      const gone = rows.filter(({ seenRun, vanished }) => seenRun !== target.run && !vanished);
      if (gone.length > 0) {
        await this.#write(poolId, async (tx) => {
          const sealer = await plane.vault.forWorkspace(plane.store.db, target.workspaceId);
          const { changes, disabled } = await disableVanished(plane, tx, target, sealer, gone);
          this.#counts = { ...this.#counts, disabled: this.#counts.disabled + disabled };
          return { changes, count: disabled };
        });
      }
      if (rows.length < GONE_PAGE_ROWS) return;
      afterKey = rows.at(-1)?.key ?? null;
      await pause();
    }
  }

  /** One transaction, with the progress so far; refuses when the provider or the pool is not there any more. */
  async #write(
    poolId: PoolId,
    work: (tx: Transaction<Schema>) => Promise<{ changes: readonly Change[]; count: number }>,
  ): Promise<void> {
    const { workspaceId, providerId } = this.#source;
    const before = this.#counts;
    if (this.#signal.aborted) throw new VendorError('stopped');
    try {
      await writeInBackground(this.#plane, AUDIT_METHOD, async (tx) => {
        const provider: ProviderRecord | null = await loadProvider(tx, workspaceId, providerId);
        const pool = await loadPool(tx, workspaceId, poolId);
        if (provider === null || pool === null) throw new Abandoned('the provider or its target pool is gone');
        const { changes, count } = await work(tx);
        await observeProvider(tx, providerId, { discovery: running(this.#startedAtMs, this.#counts) });
        return { answer: undefined, changes, workspaceId, objectId: providerId, count };
      });
    } catch (error) {
      this.#counts = before;
      throw error;
    }
  }

  #target(poolId: PoolId): DiscoveryTarget {
    return { ...this.#source, poolId, run: this.#startedAtMs };
  }

  async fail(error: unknown): Promise<void> {
    const sentence = sentenceOf(error);
    const { log } = this.#plane;
    const fields = { [FIELD.objectId]: this.#source.providerId, [FIELD.error]: sentence ?? error };
    if (sentence === null) log.error(fields, 'a discovery failed');
    else log.warn(fields, 'a discovery failed');
    try {
      await this.#end(sentence ?? 'an internal error; the log says more');
    } catch (failure) {
      // The store refuses: the row says RUNNING, which the next start takes for an interruption.
      log.warn(
        { [FIELD.objectId]: this.#source.providerId, [FIELD.error]: failure },
        'a discovery has no end on record',
      );
    }
  }

  async #end(error: string | null): Promise<void> {
    const { store, clock } = this.#plane;
    const discovery = ended(this.#startedAtMs, clock.nowMs(), this.#counts, error);
    await store.write((tx) => observeProvider(tx, this.#source.providerId, { discovery }));
  }
}

/** What the operator is told; null for a failure that is a defect of ours. */
function sentenceOf(error: unknown): string | null {
  if (error instanceof VendorError || error instanceof Abandoned) return error.message;
  if (error instanceof SecretError) return 'credentials: the stored ones cannot be read; give them again';
  if (error instanceof StoreError) return 'the store could not take it';
  return null;
}
