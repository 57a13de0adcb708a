/**
 * The control plane as a whole: opens the store and the vault, fills an empty store,
 * loads the gateway's index, then listens. Called by the control thread with plain
 * options and the gateway's abilities as functions.
 *
 * Invariant: nothing listens before the index is loaded, so the first answered call
 * already acts on the whole state.
 */
import { networkInterfaces } from 'node:os';
import { systemClock } from '../src/core/clock.ts';
import { FIELD, type Logger } from '../src/core/log.ts';
import { createAccessTable } from './access-table.ts';
import { type Bootstrap, bootstrap } from './bootstrap.ts';
import type { Plane } from './call.ts';
import { canonicalAddress } from './host.ts';
import { createRateLimit } from './interceptors/rate-limit.ts';
import { loadIndex } from './load-index.ts';
import { createPlaneMetrics, type PlaneMetrics } from './metrics/registry.ts';
import type { GatewayPort } from './ports.ts';
import { createPublisher } from './publisher.ts';
import { createRandomPool } from './random-pool.ts';
import { createRoutes } from './routes.ts';
import { loadMasterKey } from './secrets/master-key.ts';
import { openVault, type Vault } from './secrets/vault.ts';
import { startServer } from './server.ts';
import { startStickyKeeper } from './sticky-keeper.ts';
import { openStore, type Store } from './store/database.ts';
import { loadAnyWorkspaceKey } from './store/workspace-keys.ts';
import { createUuidSource } from './uuid.ts';

/** Plain data: it crosses a thread boundary. */
export interface ControlOptions {
  readonly databasePath: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly masterKey: { readonly value: string | null; readonly file: string };
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
  /** From now on calls answer `unavailable` and `/readyz` 503; nothing is closed. */
  setDraining(): void;
  /** Stops listening, lets calls finish, closes the store. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the control plane. `onFatal` is told once when acknowledged state can no longer be
 * promised. Rejects with a StoreError, a SecretError, a BootstrapKeyError or the system's listen error.
 */
export async function startControlPlane(
  options: ControlOptions,
  gateway: GatewayPort,
  log: Logger,
  onFatal: (error: unknown) => void,
): Promise<ControlPlane> {
  const metrics = createPlaneMetrics(options.version, () => gateway.snapshot());
  const store = await openStore({ path: options.databasePath, onCommit: metrics.observeCommit });
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
  const plane: Plane = {
    store,
    vault: await openVaultOf(store, options),
    publisher,
    access: createAccessTable(),
    clock: systemClock,
    log,
    newId: createUuidSource(systemClock, createRandomPool()),
    localAddresses,
    observeRpc: metrics.observeRpc,
    isServing,
  };
  const made = await bootstrap(plane, options.bootstrapKey);
  await loadIndex(plane, (changes) => gateway.apply(changes));
  const stickyKeeper = await startStickyKeeper(plane, gateway);
  loaded = true;
  const routes = createRoutes(plane, createRateLimit(plane.clock, options.rpcRate, options.rpcBurst));
  const server = await startServer({ listen: options.listen }, routes, {
    isReady: () => ready && isServing(),
    metrics: metrics.render,
  });
  log.info({ [FIELD.target]: server.url }, 'control plane is listening');
  return {
    url: server.url,
    bootstrap: made,
    setReady() {
      ready = true;
    },
    setDraining() {
      draining = true;
    },
    async close() {
      draining = true;
      await server.close();
      await stickyKeeper.close();
      await store.close();
    },
  };
}

/** The vault under the master key, whose file may be made only while nothing was sealed with another. */
async function openVaultOf(store: Store, options: ControlOptions): Promise<Vault> {
  const mayCreate = (await loadAnyWorkspaceKey(store.db)) === null;
  const masterKey = loadMasterKey({ ...options.masterKey, mayCreate });
  return openVault(store.db, { masterKey, clock: systemClock });
}

/** Read anew each time: interfaces come and go. */
function localAddresses(): ReadonlySet<string> {
  const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(found.flatMap(({ address }) => canonicalAddress(address) ?? []));
}
