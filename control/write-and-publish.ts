/**
 * One transaction whose changes reach the gateway in commit order. What `mutation.ts`
 * does for calls and `background-write.ts` for work without a caller rests on this.
 *
 * Invariant: when it resolves, the change is on disk and seen by the gateway's next request;
 * when the transaction was rolled back, the gateway hears nothing.
 */
import type { Transaction } from 'kysely';
import type { Change } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import type { Slot } from './publisher.ts';
import type { Schema } from './store/schema.ts';

/** What a transaction did, as far as this file cares. */
export interface Published {
  /** What the gateway must see, in order. */
  readonly changes: readonly Change[];
}

/** Runs `work` in one transaction, publishes its changes, and resolves with what it did; `committed` runs right after the commit. */
export async function writeAndPublish<T extends Published>(
  { store, publisher }: Pick<Plane, 'store' | 'publisher'>,
  work: (tx: Transaction<Schema>) => Promise<T>,
  committed: (done: T) => void | Promise<void> = () => {},
): Promise<T> {
  let slot: Slot | null = null;
  let done: T;
  try {
    done = await store.write(async (tx) => {
      const effect = await work(tx);
      // The last act inside: transactions run one at a time, so slots stand in commit order.
      slot = publisher.reserve();
      return effect;
    });
  } catch (error) {
    (slot as Slot | null)?.drop();
    throw error;
  }
  // Side by side: whatever becomes of the own tables, the gateway must see what is on disk.
  const updateOwn = async () => committed(done);
  await Promise.all([updateOwn(), (slot as Slot | null)?.publish(done.changes)]);
  return done;
}
