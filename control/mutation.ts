/**
 * The one way to change something: a transaction that holds the change and its
 * audit row, then the gateway, then the answer. Called by every mutating service.
 *
 * Invariant: when `mutate` resolves, the change is on disk, audited by exactly
 * one row, and seen by the gateway's next request.
 */
import type { Transaction } from 'kysely';
import type { WorkspaceId } from '../src/core/model.ts';
import type { AuditFields } from './audit-diff.ts';
import { type Call, checkpoint, type Plane } from './call.ts';
import { notFound } from './domain-error.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import type { Schema } from './store/schema.ts';
import { type Published, writeAndPublish } from './write-and-publish.ts';

/** What a transaction did. */
export interface Effect<T> extends Published {
  readonly answer: T;
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
  const done = await writeAndPublish(
    plane,
    async (tx) => {
      // It may have waited for its turn longer than its client did.
      checkpoint(call);
      refuseIfDeleted(plane, call);
      const effect = await work(tx);
      checkpoint(call);
      await appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: effect.workspaceId ?? call.caller.workspaceId,
        actorKeyId: call.caller.keyId,
        method: call.method,
        objectId: effect.objectId,
        outcome: 'ok',
        count: effect.count,
        before: effect.before ?? null,
        after: effect.after ?? null,
      });
      return effect;
    },
    (effect) => {
      call.audited = true;
      return effect.committed?.();
    },
  );
  return done.answer;
}

/** While the call waited for its turn, its workspace may have been deleted: nothing may come to life in there again. */
function refuseIfDeleted(plane: Plane, call: Call): void {
  if (call.workspaceId !== null && !plane.access.hasWorkspace(call.workspaceId)) throw notFound();
}
