/**
 * The way to change something without a caller: as `mutation.ts` does it for an RPC,
 * one transaction with its audit row, then the gateway. Called by work in the background.
 *
 * Invariant: when it resolves, the change is on disk and seen by the gateway's next request.
 */
import type { Transaction } from 'kysely';
import type { Change, WorkspaceId } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import type { Slot } from './publisher.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import type { Schema } from './store/schema.ts';

/** What a transaction did; `count` 0 leaves no audit row. */
export interface BackgroundEffect<T> {
  readonly answer: T;
  /** What the gateway must see, in order. */
  readonly changes: readonly Change[];
  readonly workspaceId: WorkspaceId;
  readonly objectId: string;
  /** How many objects changed. */
  readonly count: number;
}

/** Runs `work` in one transaction, audited under `method` with no actor, publishes its changes, resolves with its answer. */
export async function writeInBackground<T>(
  plane: Pick<Plane, 'store' | 'publisher' | 'clock'>,
  method: string,
  work: (tx: Transaction<Schema>) => Promise<BackgroundEffect<T>>,
): Promise<T> {
  let slot: Slot | null = null;
  let effect: BackgroundEffect<T>;
  try {
    effect = await plane.store.write(async (tx) => {
      const done = await work(tx);
      if (done.count > 0) {
        await appendAuditEvent(tx, {
          atMs: plane.clock.nowMs(),
          workspaceId: done.workspaceId,
          actorKeyId: null,
          method,
          objectId: done.objectId,
          outcome: 'ok',
          count: done.count,
        });
      }
      slot = plane.publisher.reserve();
      return done;
    });
  } catch (error) {
    (slot as Slot | null)?.drop();
    throw error;
  }
  await (slot as Slot | null)?.publish(effect.changes);
  return effect.answer;
}
