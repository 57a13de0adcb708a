/**
 * The one way to change something: a transaction that holds the change and its
 * audit row, then the gateway, then the answer. Called by every mutating service.
 *
 * Invariant: when `mutate` resolves, the change is on disk, audited by exactly
 * one row, and seen by the gateway's next request.
 */
import type { Transaction } from 'kysely';
import type { Change, WorkspaceId } from '../src/core/model.ts';
import type { Call, Plane } from './call.ts';
import type { Slot } from './publisher.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import type { Schema } from './store/schema.ts';

/** What a transaction did. */
export interface Effect<T> {
  readonly answer: T;
  /** What the gateway must see, in order. */
  readonly changes: readonly Change[];
  readonly workspaceId: WorkspaceId;
  /** null for calls on many objects. */
  readonly objectId: string | null;
  /** How many objects changed; 0 for a write that changed nothing. */
  readonly count: number;
  /** Brings the control plane's own tables up to date, right after the commit. */
  readonly committed?: () => void;
}

/** Runs `work` in one transaction with its audit row, publishes its changes, and resolves with its answer. */
export async function mutate<T>(
  plane: Plane,
  call: Call,
  work: (tx: Transaction<Schema>) => Promise<Effect<T>>,
): Promise<T> {
  let slot: Slot | null = null;
  let effect: Effect<T>;
  try {
    effect = await plane.store.write(async (tx) => {
      const done = await work(tx);
      await appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: done.workspaceId,
        actorKeyId: call.caller.keyId,
        method: call.method,
        objectId: done.objectId,
        outcome: 'ok',
        count: done.count,
      });
      slot = plane.publisher.reserve();
      return done;
    });
  } catch (error) {
    (slot as Slot | null)?.drop();
    throw error;
  }
  call.audited = true;
  effect.committed?.();
  await (slot as Slot | null)?.publish(effect.changes);
  return effect.answer;
}
