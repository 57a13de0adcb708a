/**
 * The one way to change something: a transaction that holds the change and its
 * audit row, then the gateway, then the answer. Called by every mutating service.
 *
 * Invariant: when `mutate` resolves, the change is on disk, audited by exactly
 * one row, and seen by the gateway's next request.
 */
import type { Transaction } from 'kysely';
import type { Change, WorkspaceId } from '../src/core/model.ts';
import type { AuditFields } from './audit-diff.ts';
import { type Call, checkpoint, type Plane } from './call.ts';
import { notFound } from './domain-error.ts';
import type { Slot } from './publisher.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import type { Schema } from './store/schema.ts';

/** What a transaction did. */
export interface Effect<T> {
  readonly answer: T;
  /** What the gateway must see, in order. */
  readonly changes: readonly Change[];
  /** null for what concerns no single workspace, such as the master key: its row stands under the caller's. */
  readonly workspaceId: WorkspaceId | null;
  /** null for calls on many objects. */
  readonly objectId: string | null;
  /** How many objects changed; 0 for a write that changed nothing. */
  readonly count: number;
  /** For the audit row: the fields that changed, as they were. Absent for new objects and for calls on many. */
  readonly before?: AuditFields | null;
  /** For the audit row: the fields that changed, as they are now. Absent for deleted objects and for calls on many. */
  readonly after?: AuditFields | null;
  /** Brings the control plane's own tables up to date, right after the commit; the answer waits for it. */
  readonly committed?: () => void | Promise<void>;
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
      // It may have waited for its turn longer than its client did.
      checkpoint(call);
      refuseIfDeleted(plane, call);
      const done = await work(tx);
      checkpoint(call);
      await appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: done.workspaceId ?? call.caller.workspaceId,
        actorKeyId: call.caller.keyId,
        method: call.method,
        objectId: done.objectId,
        outcome: 'ok',
        count: done.count,
        before: done.before ?? null,
        after: done.after ?? null,
      });
      slot = plane.publisher.reserve();
      return done;
    });
  } catch (error) {
    (slot as Slot | null)?.drop();
    throw error;
  }
  call.audited = true;
  // Side by side: whatever becomes of the own tables, the gateway must see what is on disk.
  const updateOwn = async () => effect.committed?.();
  await Promise.all([updateOwn(), (slot as Slot | null)?.publish(effect.changes)]);
  return effect.answer;
}

/** While the call waited for its turn, its workspace may have been deleted: nothing may come to life in there again. */
function refuseIfDeleted(plane: Plane, call: Call): void {
  if (call.workspaceId !== null && !plane.access.hasWorkspace(call.workspaceId)) throw notFound();
}
