/**
 * DeleteWorkspace: the end of everything in a workspace, in one transaction.
 *
 *   tx: sessions, assignments, pools, providers, keys (in slices) ─ workspace ─ its encryption key ─ audit ─ commit
 *    └ then, before the answer: nobody's key works · the gateway cuts its tunnels · the master keyring forgets it
 *
 * From within the transaction on the workspace counts as absent, so that calls which wait behind it put nothing
 * into it; it counts again if the transaction comes to nothing.
 */
import { setImmediate } from 'node:timers/promises';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { Change, WorkspaceId } from '../../src/core/model.ts';
import { auditFields } from '../audit-diff.ts';
import { type Call, callOf, checkpoint, type Plane, workspaceOf } from '../call.ts';
import { workspaceMessage } from '../convert/accounts.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { type Accounts, WorkspaceSchema } from '../gen/accounts/v1/accounts_pb.ts';
import { type Effect, mutate } from '../mutation.ts';
import { hasOtherOperatorKey } from '../store/api-keys.ts';
import { loadKeyStatus } from '../store/key-rotations.ts';
import type { Schema } from '../store/schema.ts';
import { type RemovedContents, softDeleteContents } from '../store/workspace-contents.ts';
import { loadWorkspace, softDeleteWorkspace } from '../store/workspaces.ts';

export function deleteWorkspace(plane: Plane): ServiceImpl<typeof Accounts>['deleteWorkspace'] {
  return async (_request, { values }) => {
    const call = callOf(values);
    const id = workspaceOf(call);
    let isInDoubt = false;
    try {
      return await mutate(plane, call, async (tx) => {
        const removed = await removeAll(plane, tx, call, id);
        isInDoubt = true;
        plane.access.removeWorkspace(id);
        return {
          ...removed.effect,
          committed() {
            isInDoubt = false;
            for (const hash of removed.contents.keyHashes) plane.access.removeKey(hash);
            for (const providerId of removed.contents.providerIds) plane.discovery.cancel(providerId);
            return plane.vault.destroyed(id);
          },
        };
      });
    } catch (error) {
      if (isInDoubt) plane.access.putWorkspace(id);
      throw error;
    }
  };
}

async function removeAll(
  plane: Plane,
  tx: Transaction<Schema>,
  call: Call,
  id: WorkspaceId,
): Promise<{ effect: Effect<Record<string, never>>; contents: RemovedContents }> {
  const workspace = await loadWorkspace(tx, id);
  if (workspace === null) throw notFound();
  const atMs = plane.clock.nowMs();
  if (!(await hasOtherOperatorKey(tx, id, atMs))) {
    throw new DomainError('failed_precondition', 'workspaceId: no operator key lives outside this workspace');
  }
  const before = auditFields(WorkspaceSchema, workspaceMessage(workspace, await loadKeyStatus(tx, id)));
  const pause = async (): Promise<void> => {
    await setImmediate();
    checkpoint(call);
  };
  const contents = await softDeleteContents(tx, { workspaceId: id, atMs, pause });
  await softDeleteWorkspace(tx, id, atMs);
  await plane.vault.destroyWorkspaceKey(tx, id);
  const effect = {
    answer: {},
    changes: goneChanges(contents),
    workspaceId: id,
    objectId: id,
    count: 1 + contents.rows,
    before,
  };
  return { effect, contents };
}

/** Keys first: no new request gets in while the rest goes. Sessions and assignments go with their pool. */
function goneChanges({ keyHashes, poolIds, providerIds }: RemovedContents): Change[] {
  return [
    ...keyHashes.map((hash): Change => ({ kind: 'key-gone', hash })),
    ...poolIds.map((poolId): Change => ({ kind: 'pool-gone', poolId })),
    ...providerIds.map((providerId): Change => ({ kind: 'provider-gone', providerId })),
  ];
}
