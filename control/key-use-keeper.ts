/**
 * Writes down when API keys were last used: every 30 s those that were used since,
 * and once more at close. Between, ListAPIKeys looks into the access table, so
 * that `kill -9` costs at most one interval of it. Started by `plane.ts`.
 */
import type { Plane } from './call.ts';
import { type KeyUse, noteKeyUses } from './store/api-keys.ts';

const INTERVAL_MS = 30_000;
/** Keys of one transaction: a few milliseconds of work. */
const KEYS_PER_WRITE = 500;

type KeeperPlane = Pick<Plane, 'store' | 'access' | 'log'>;

export interface KeyUseKeeper {
  /** Stops, after writing once more. */
  close(): Promise<void>;
}

export function startKeyUseKeeper({ store, access, log }: KeeperPlane): KeyUseKeeper {
  /** Taken from the access table and not on disk yet; one a key, so no more than there are keys. */
  const pending = new Map<string, KeyUse>();
  let running: Promise<void> = Promise.resolve();
  let failing = false;

  async function keep(): Promise<void> {
    for (const use of access.takeUses()) pending.set(use.keyId, use);
    while (pending.size > 0) {
      const uses = [...pending.values()].slice(0, KEYS_PER_WRITE);
      await store.write((tx) => noteKeyUses(tx, uses));
      for (const { keyId } of uses) pending.delete(keyId);
    }
    failing = false;
  }

  /** One after the other. What a failed write held is tried again with the next one; a streak of failures is told once. */
  function keepNext(): Promise<void> {
    running = running.then(keep).catch((error: unknown) => {
      if (!failing) log.warn({ error }, 'uses of API keys were not written down');
      failing = true;
    });
    return running;
  }

  const timer = setInterval(keepNext, INTERVAL_MS).unref();
  return {
    close() {
      clearInterval(timer);
      return keepNext();
    },
  };
}
