/**
 * How many values each workspace key has sealed, for the one bound that random nonces
 * have: 2^32 values under one key (NIST SP 800-38D §8.3). Half-way there the log says to
 * rotate the key. Counted in memory and written down every 2^16 seals and at the end, so a
 * crash loses less than that of a key's count: no fraction that matters of 2^31.
 */
import { FIELD, type Logger } from '../src/core/log.ts';
import type { WorkspaceId } from '../src/core/model.ts';
import type { Store } from './store/database.ts';
import { addSeals } from './store/workspace-keys.ts';

/** Seals of one key between two writes. */
const WRITE_EVERY = 2 ** 16;
/** Half of what random 96-bit nonces are good for. */
const ALARM_AT = 2 ** 31;

export interface SealCounter {
  /** Counts one value that was sealed. */
  readonly count: (workspaceId: WorkspaceId, version: number) => void;
  /** Writes what is counted. */
  close(): Promise<void>;
}

interface Tally {
  readonly workspaceId: WorkspaceId;
  readonly version: number;
  seals: number;
}

/** Starts counting; `bounds` are for tests. */
export function createSealCounter(
  store: Pick<Store, 'write'>,
  log: Logger,
  bounds: { readonly writeEvery: number; readonly alarmAt: number } = { writeEvery: WRITE_EVERY, alarmAt: ALARM_AT },
): SealCounter {
  /** One for each key that sealed since its last write: as many as there are workspaces, at most. */
  const tallies = new Map<string, Tally>();
  let writing: Promise<void> = Promise.resolve();

  async function write(taken: readonly Tally[]): Promise<void> {
    try {
      await store.write(async (tx) => {
        for (const { workspaceId, version, seals } of taken) {
          const sum = await addSeals(tx, workspaceId, version, seals);
          if (sum >= bounds.alarmAt) {
            log.error({ [FIELD.workspaceId]: workspaceId, seals: sum }, 'a workspace key has sealed enough: rotate it');
          }
        }
      });
    } catch (error) {
      log.warn({ [FIELD.error]: (error as Error).name }, 'seals were not counted');
    }
  }

  function flush(taken: readonly Tally[]): void {
    writing = writing.then(() => write(taken));
  }

  return {
    count(workspaceId, version) {
      const name = `${workspaceId}/${version}`;
      const tally = tallies.get(name) ?? { workspaceId, version, seals: 0 };
      tally.seals++;
      tallies.set(name, tally);
      if (tally.seals < bounds.writeEvery) return;
      tallies.delete(name);
      flush([tally]);
    },
    async close() {
      if (tallies.size > 0) flush([...tallies.values()]);
      tallies.clear();
      await writing;
    },
  };
}
