/**
 * The way to change something without a caller: as `mutation.ts` does it for an RPC,
 * one transaction with its audit row, then the gateway. Called by work in the background.
 *
 * Invariant: when it resolves, the change is on disk and seen by the gateway's next request.
 */
import type { Transaction } from 'kysely';
import type { WorkspaceId } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import type { Schema } from './store/schema.ts';
import { type Published, writeAndPublish } from './write-and-publish.ts';

/** What a transaction did; `count` 0 leaves no audit row. */
export interface BackgroundEffect<T> extends Published {
  readonly answer: T;
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
  const done = await writeAndPublish(plane, async (tx) => {
    const effect = await work(tx);
    if (effect.count > 0) {
      await appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: effect.workspaceId,
        actorKeyId: null,
        method,
        objectId: effect.objectId,
        outcome: 'ok',
        count: effect.count,
      });
    }
    return effect;
  });
  return done.answer;
}
