/**
 * Workspaces: messages in, rules, store, messages out. The wire, authentication
 * and field rules are behind it already.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { WorkspaceId } from '../../src/core/model.ts';
import { callOf, type Plane } from '../call.ts';
import { workspaceMessage } from '../convert/accounts.ts';
import { poolPut } from '../convert/pools.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';
import { mutate } from '../mutation.ts';
import { insertPool } from '../store/pools.ts';
import { insertWorkspace, type WorkspaceRecord } from '../store/workspaces.ts';
import { newPool } from './pools.ts';

/** The pool that every workspace starts with: where requests without a pool's name go. */
const DEFAULT_POOL = 'default';

type WorkspacesService = Pick<ServiceImpl<typeof Accounts>, 'createWorkspace'>;

export function workspacesService(plane: Plane): WorkspacesService {
  return { createWorkspace: createWorkspace(plane) };
}

function createWorkspace(plane: Plane): WorkspacesService['createWorkspace'] {
  return (request, { values }) =>
    mutate(plane, callOf(values), async (tx) => {
      const nowMs = plane.clock.nowMs();
      const workspace: WorkspaceRecord = {
        id: plane.newId<WorkspaceId>(),
        name: request.name,
        description: request.description || null,
        version: 1,
        createdAtMs: nowMs,
        updatedAtMs: nowMs,
      };
      const pool = newPool(plane, workspace.id, DEFAULT_POOL);
      await insertWorkspace(tx, workspace);
      await plane.vault.createWorkspaceKey(tx, workspace.id);
      await insertPool(tx, pool);
      return {
        answer: { workspace: workspaceMessage(workspace) },
        changes: [poolPut(pool)],
        workspaceId: workspace.id,
        objectId: workspace.id,
        count: 1,
        committed: () => plane.access.putWorkspace(workspace.id),
      };
    });
}
