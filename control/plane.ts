/**
 * The control plane as a whole: opens the store and the vault, fills an empty store,
 * loads the gateway's index, then listens. Called by the control thread with plain
 * options and the gateway's abilities as functions.
 *
 * Invariant: nothing listens before the index is loaded, so the first answered call
 * already acts on the whole state.
 */
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import type { RecordBindings } from '../src/core/account-binding.ts';
import { systemClock } from '../src/core/clock.ts';
import { FIELD, type Logger } from '../src/core/log.ts';
import { createAccessTable } from './access-table.ts';
import { type Bootstrap, bootstrap } from './bootstrap.ts';
import type { Plane } from './call.ts';
import { canonicalAddress } from './host.ts';
import { createRateLimit } from './interceptors/rate-limit.ts';
import { startKeyUseKeeper } from './key-use-keeper.ts';
import { loadIndex } from './load-index.ts';
import { createPlaneMetrics, type PlaneMetrics } from './metrics/registry.ts';
import type { GatewayPort } from './ports.ts';
import { createDiscovery } from './providers/discovery.ts';
import { createVendorAccounts, type VendorSettings } from './providers/vendor-accounts.ts';
import { createPublisher } from './publisher.ts';
import { createRandomPool } from './random-pool.ts';
import { createResealer } from './resealer.ts';
import { createRoutes } from './routes.ts';
import { createSealCounter } from './seal-counter.ts';
import type { MasterKeySource } from './secrets/master-key.ts';
import { openMasterKey } from './secrets/rewrap.ts';
import { openVault } from './secrets/vault.ts';
import { startServer } from './server.ts';
import { createBindingRecorder } from './services/record-bindings.ts';
import { startStickyKeeper } from './sticky-keeper.ts';
import { openStore, type Store } from './store/database.ts';
import { startUsageWriter } from './usage-writer.ts';
import { createUuidSource } from './uuid.ts';

/** Plain data: it crosses a thread boundary. */
export interface ControlOptions extends VendorSettings {
  readonly databasePath: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names that callers may use for it, besides that of `listen`. */
  readonly controlHosts: readonly string[];
  readonly masterKey: Pick<MasterKeySource, 'value' | 'file' | 'previous'>;
  /** Raw API key of the first start; null for a random one. */
  readonly bootstrapKey: string | null;
  /** Calls a second for one API key, and at once. */
  readonly rpcRate: number;
  readonly rpcBurst: number;
  /** Version of the program, for `sallyport_build_info`. */
  readonly version: string;
}

export interface ControlPlane {
  /** Base URL with the real port. */
  readonly url: string;
  /** What the first start made; null on later ones. */
  readonly bootstrap: Bootstrap | null;
  /** The gateway listens as well: from now on `/readyz` answers 200. */
  setReady(): void;
  /** Writes down which sessions the gateway has given to accounts; until `close`, also while draining. */
  readonly recordBindings: RecordBindings;
  /** From now on calls answer `unavailable` and `/readyz` 503; nothing is closed. */
  setDraining(): void;
  /** Stops listening, lets calls finish, closes the store. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the control plane. `onFatal` is told once when acknowledged state can no longer be
 * promised, `onStatement` each SQL text that the store prepares. Rejects with a StoreError, a SecretError,
 * a BootstrapKeyError or the system's listen error.
 */
export async function startControlPlane(
  options: ControlOptions,
  gateway: GatewayPort,
  log: Logger,
  onFatal: (error: unknown) => void,
  onStatement: (sql: string) => void = () => {},
): Promise<ControlPlane> {
  const metrics = createPlaneMetrics(options.version, () => gateway.snapshot());
  const store = await openStore({
    path: options.databasePath,
    onCommit: metrics.observeCommit,
    onStatement(sql) {
      onStatement(sql);
      return metrics.watchStatement(sql);
    },
  });
  try {
    return await startOn(store, options, gateway, log, onFatal, metrics);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startOn(
  store: Store,
  options: ControlOptions,
  gateway: GatewayPort,
  log: Logger,
  onFatal: (error: unknown) => void,
  metrics: PlaneMetrics,
): Promise<ControlPlane> {
  let ready = false;
  let draining = false;
  let loaded = false;
  const publisher = createPublisher((changes) => gateway.apply(changes), onFatal);
  const isServing = () => loaded && !draining && !store.isBroken() && !publisher.isBroken();
  const { vault, sealCounter } = await openSecrets(store, options, log);
  const clock = systemClock;
  const resealer = createResealer({ store, vault, publisher, clock, log });
  const shared = {
    ...{ store, vault, resealer, publisher, gateway, clock, log, localAddresses, isServing },
    access: createAccessTable(),
    newId: createUuidSource(clock, createRandomPool()),
    observeRpc: metrics.observeRpc,
  };
  const vendorAccounts = createVendorAccounts(options);
  const plane: Plane = { ...shared, vendorAccounts, discovery: createDiscovery(shared, vendorAccounts) };
  const made = await bootstrap(plane, options.bootstrapKey);
  await loadIndex(plane, (changes) => gateway.apply(changes));
  const keepers = await startKeepers(plane, gateway);
  resealer.kick();
  await plane.discovery.resume();
  loaded = true;
  const routes = createRoutes(plane, createRateLimit(plane.clock, options.rpcRate, options.rpcBurst));
  const server = await startServer({ listen: options.listen, names: options.controlHosts }, routes, {
    isReady: () => ready && isServing(),
    metrics: metrics.render,
  });
  log.info({ [FIELD.target]: server.url }, 'control plane is listening');
  return {
    url: server.url,
    bootstrap: made,
    recordBindings: createBindingRecorder(plane),
    setReady() {
      ready = true;
    },
    setDraining() {
      draining = true;
    },
    async close() {
      draining = true;
      vendorAccounts.destroy();
      await plane.discovery.close();
      await server.close();
      await resealer.close();
      await sealCounter.close();
      await keepers.close();
      await store.close();
    },
  };
}

/** The vault under the master key, and the count of what it seals. */
async function openSecrets(store: Store, options: ControlOptions, log: Logger) {
  // Beside the database, which is ours to write, wherever the key is.
  const recordFile = join(dirname(options.databasePath), 'master.key.destroyed');
  const masterKey = await openMasterKey(store, { ...options.masterKey, recordFile }, log);
  const sealCounter = createSealCounter(store, log);
  const vault = await openVault(store.db, { masterKey, clock: systemClock, log, onSeal: sealCounter.count });
  return { vault, sealCounter };
}

/** What writes down from time to time, and once more at the end, what lives in memory. */
async function startKeepers(plane: Plane, gateway: GatewayPort): Promise<{ close(): Promise<void> }> {
  const keepers = [await startStickyKeeper(plane, gateway), startKeyUseKeeper(plane), startUsageWriter(plane, gateway)];
  return {
    async close() {
      for (const keeper of keepers) await keeper.close();
    },
  };
}

/** Read anew each time: interfaces come and go. */
function localAddresses(): ReadonlySet<string> {
  const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(found.flatMap(({ address }) => canonicalAddress(address) ?? []));
}
