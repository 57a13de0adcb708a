/**
 * Keeps sticky keys on their sessions over a restart. The consistent choice needs
 * no table, but hands a share of the keys to sessions that were added later; the
 * gateway holds keys in use where they are, and this writes down which ones, so
 * that the next run does the same. `kill -9` loses at most one interval of it.
 */
import type { Plane } from './call.ts';
import type { GatewayPort } from './ports.ts';
import { loadStickyKeys, replaceStickyKeys } from './store/sticky-keys.ts';

const INTERVAL_MS = 5_000;
/** Expiries slide while keys are in use: written anew this often although nothing was added. */
const REFRESH_MS = 120_000;

type KeeperPlane = Pick<Plane, 'store' | 'clock' | 'log'>;
type KeeperPort = Pick<GatewayPort, 'stickyOverrides' | 'restoreSticky'>;

export interface StickyKeeper {
  /** Stops, after writing once more. */
  close(): Promise<void>;
}

/** Puts back what the last run wrote, then goes on writing. */
export async function startStickyKeeper(plane: KeeperPlane, gateway: KeeperPort): Promise<StickyKeeper> {
  const { store, clock, log } = plane;
  await gateway.restoreSticky(await loadStickyKeys(store.db, clock.nowMs()));
  let version = -1;
  let held = 0;
  let writtenAtMs = clock.monotonicMs();
  let running: Promise<void> = Promise.resolve();

  async function keep(): Promise<void> {
    const due = held > 0 && clock.monotonicMs() - writtenAtMs >= REFRESH_MS;
    const overrides = await gateway.stickyOverrides(due ? -1 : version);
    const { entries } = overrides;
    version = overrides.version;
    if (entries === null || (entries.length === 0 && held === 0)) return;
    await store.write((tx) => replaceStickyKeys(tx, entries, nextTurn));
    held = entries.length;
    writtenAtMs = clock.monotonicMs();
  }

  /** One after the other; a failure costs stickiness over a restart, not the process. */
  function keepNext(): Promise<void> {
    running = running.then(keep).catch((error: unknown) => {
      log.warn({ error }, 'sticky keys were not written down');
    });
    return running;
  }

  const timer = setInterval(keepNext, INTERVAL_MS).unref();
  return {
    close() {
      clearInterval(timer);
      version = -1;
      return keepNext();
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
