/**
 * Workspaces, but for their end (`delete-workspace.ts`): messages in, rules, store,
 * messages out. The wire, authentication and field rules are behind it already. A
 * key that is no operator's sees the workspace it works in, and no other.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Kysely } from 'kysely';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { Caller } from '../access-table.ts';
import { auditFields, changedFields } from '../audit-diff.ts';
import { inRequestOrder } from '../batch-order.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { workspaceMessage } from '../convert/accounts.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { poolPut } from '../convert/pools.ts';
import { listPage } from '../cursor.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { type Accounts, type Workspace, WorkspaceSchema } from '../gen/accounts/v1/accounts_pb.ts';
import { mutate } from '../mutation.ts';
import { loadKeyStatus } from '../store/key-rotations.ts';
import { insertPool } from '../store/pools.ts';
import type { Schema } from '../store/schema.ts';
import {
  insertWorkspace,
  listWorkspaceIds,
  loadWorkspace,
  loadWorkspaces,
  replaceWorkspace,
  type WorkspaceRecord,
} from '../store/workspaces.ts';
import { deleteWorkspace } from './delete-workspace.ts';
import { newPool } from './pools.ts';

/** The pool that every workspace starts with: where requests without a pool's name go. */
const DEFAULT_POOL = 'default';
/** Workspaces of a batch between two pauses: each takes look-ups of its own. */
const WORKSPACES_PER_SLICE = 50;

type WorkspacesService = Pick<
  ServiceImpl<typeof Accounts>,
  'createWorkspace' | 'getWorkspace' | 'batchGetWorkspaces' | 'listWorkspaces' | 'updateWorkspace' | 'deleteWorkspace'
>;

export function workspacesService(plane: Plane): WorkspacesService {
  return {
    createWorkspace: createWorkspace(plane),
    batchGetWorkspaces: batchGetWorkspaces(plane),
    listWorkspaces: listWorkspaces(plane),
    updateWorkspace: updateWorkspace(plane),
    deleteWorkspace: deleteWorkspace(plane),
    async getWorkspace(_request, { values }) {
      const workspace = await loadWorkspace(plane.store.db, workspaceOf(callOf(values)));
      if (workspace === null) throw notFound();
      return { workspace: await shown(plane.store.db, workspace) };
    },
  };
}

/** The workspace with the state of its encryption key. */
async function shown(db: Kysely<Schema>, workspace: WorkspaceRecord): Promise<Workspace> {
  return workspaceMessage(workspace, await loadKeyStatus(db, workspace.id));
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
      const message = await shown(tx, workspace);
      return {
        answer: { workspace: message },
        changes: [poolPut(pool)],
        workspaceId: workspace.id,
        objectId: workspace.id,
        count: 1,
        after: auditFields(WorkspaceSchema, message),
        committed: () => plane.access.putWorkspace(workspace.id),
      };
    });
}

function updateWorkspace(plane: Plane): WorkspacesService['updateWorkspace'] {
  return (request, { values }) => {
    const call = callOf(values);
    return mutate(plane, call, async (tx) => {
      const before = await loadWorkspace(tx, workspaceOf(call));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const name = request.name ?? before.name;
      const description = request.description === undefined ? before.description : request.description || null;
      const changed = name !== before.name || description !== before.description;
      const after = changed
        ? { ...before, name, description, version: before.version + 1, updatedAtMs: plane.clock.nowMs() }
        : before;
      if (changed) await replaceWorkspace(tx, after);
      return {
        answer: { workspace: await shown(tx, after) },
        changes: [],
        workspaceId: after.id,
        objectId: after.id,
        count: changed ? 1 : 0,
        ...changedFields(changeable(before), changeable(after)),
      };
    });
  };
}

function changeable({ name, description }: WorkspaceRecord): { name: string; description: string } {
  return { name, description: description ?? '' };
}

function batchGetWorkspaces(plane: Plane): WorkspacesService['batchGetWorkspaces'] {
  return async (request, { values }) => {
    const { db } = plane.store;
    const { caller } = callOf(values);
    const ids = request.workspaceIds.map((bytes) => idFrom<WorkspaceId>(bytes));
    // What is not the caller's to see is not even looked up: foreign and absent ids take the same time.
    const visible = ids.filter((id) => caller.isOperator || id === caller.workspaceId);
    const { found, absent } = inRequestOrder(ids, await loadWorkspaces(db, visible));
    const workspaces: Workspace[] = [];
    for (const [index, workspace] of found.entries()) {
      workspaces.push(await shown(db, workspace));
      if (index % WORKSPACES_PER_SLICE === WORKSPACES_PER_SLICE - 1) await pause();
    }
    return { workspaces, notFoundIds: absent.map(idBytes) };
  };
}

function listWorkspaces(plane: Plane): WorkspacesService['listWorkspaces'] {
  return async (request, { values }) => {
    const { caller } = callOf(values);
    const page = await listPage<WorkspaceId>(request, async (wanted) =>
      caller.isOperator
        ? listWorkspaceIds(plane.store.db, wanted)
        : ownOnly(caller).filter((id) => wanted.afterId === null || id > wanted.afterId),
    );
    return { workspaceIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
  };
}

/** The one workspace of a key that is no operator's; it lives, as the key does. */
function ownOnly(caller: Caller): WorkspaceId[] {
  return [caller.workspaceId];
}
