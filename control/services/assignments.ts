/**
 * Assignments, but for their making (`new-assignments.ts`): messages in, rules, store,
 * messages out. Which session a fresh one goes to is `session-choice.ts`.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { AssignmentId, PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { auditFields, changedFields } from '../audit-diff.ts';
import { inRequestOrder } from '../batch-order.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { assignmentMessage, assignmentPut } from '../convert/assignments.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { listPage } from '../cursor.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { type Assignment, AssignmentSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { type Effect, mutate } from '../mutation.ts';
import { type ChooseSessions, createSessionChoice, StaleChoice } from '../session-choice.ts';
import {
  type AssignmentRecord,
  listAssignmentIds,
  loadAssignment,
  loadAssignments,
  replaceAssignment,
  softDeleteAssignment,
} from '../store/assignments.ts';
import type { Schema } from '../store/schema.ts';
import { loadSession } from '../store/sessions.ts';
import { bulkCreateAssignment, createAssignment } from './new-assignments.ts';

type AssignmentsService = Pick<
  ServiceImpl<typeof Proxies>,
  | 'createAssignment'
  | 'getAssignment'
  | 'updateAssignment'
  | 'rebindAssignment'
  | 'bulkCreateAssignment'
  | 'deleteAssignment'
  | 'listAssignments'
  | 'batchGetAssignments'
>;

export function assignmentsService(plane: Plane): AssignmentsService {
  const choose = createSessionChoice(plane);
  return {
    createAssignment: createAssignment(plane, choose),
    bulkCreateAssignment: bulkCreateAssignment(plane, choose),
    updateAssignment: updateAssignment(plane),
    rebindAssignment: rebindAssignment(plane, choose),
    deleteAssignment: deleteAssignment(plane),
    listAssignments: listAssignments(plane),
    async getAssignment(request, { values }) {
      const id = idFrom<AssignmentId>(request.assignmentId);
      const assignment = await loadAssignment(plane.store.db, workspaceOf(callOf(values)), id);
      if (assignment === null) throw notFound();
      return { assignment: assignmentMessage(assignment) };
    },
    async batchGetAssignments(request, { values }) {
      const ids = request.assignmentIds.map((bytes) => idFrom<AssignmentId>(bytes));
      const assignments = await loadAssignments(plane.store.db, workspaceOf(callOf(values)), ids);
      const { found, absent } = inRequestOrder(ids, assignments);
      return { assignments: found.map(assignmentMessage), notFoundIds: absent.map(idBytes) };
    },
  };
}

function updateAssignment(plane: Plane): AssignmentsService['updateAssignment'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const before = await loadAssignment(tx, workspaceId, idFrom<AssignmentId>(request.assignmentId));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const sessionId = request.sessionId === undefined ? before.sessionId : idFrom<SessionId>(request.sessionId);
      // The one it is on may be deleted by now; to name that again changes nothing.
      if (sessionId !== before.sessionId && !(await isLiveIn(tx, workspaceId, before.poolId, sessionId))) {
        throw notFound();
      }
      return change(plane, tx, before, { sessionId, pinned: request.pinned ?? before.pinned });
    });
  };
}

function rebindAssignment(plane: Plane, choose: ChooseSessions): AssignmentsService['rebindAssignment'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const id = idFrom<AssignmentId>(request.assignmentId);
    const { poolId } = await loadMovable(plane.store.db, workspaceId, id);
    return choose({
      call,
      poolId,
      ask: async () => {
        const { accountName, sessionId } = await loadMovable(plane.store.db, workspaceId, id);
        return { accountNames: [accountName], exclude: sessionId };
      },
      write: (chosen) =>
        mutate(plane, call, async (tx) => {
          const before = await loadMovable(tx, workspaceId, id);
          const sessionId = chosen(before.accountName) ?? null;
          if (sessionId === null) {
            throw new DomainError('failed_precondition', 'assignmentId: no other session of its pool can serve');
          }
          // Moved there by another call meanwhile: that would be no fresh one.
          if (sessionId === before.sessionId || !(await canServe(tx, workspaceId, poolId, sessionId))) {
            throw new StaleChoice();
          }
          return change(plane, tx, before, { sessionId, pinned: before.pinned });
        }),
    });
  };
}

/** The live assignment, which must not be pinned. */
async function loadMovable(
  db: Plane['store']['db'],
  workspaceId: WorkspaceId,
  id: AssignmentId,
): Promise<AssignmentRecord> {
  const assignment = await loadAssignment(db, workspaceId, id);
  if (assignment === null) throw notFound();
  if (assignment.pinned) {
    throw new DomainError('failed_precondition', 'assignmentId: it is pinned; UpdateAssignment moves it');
  }
  return assignment;
}

/** Writes what an assignment becomes; one that stays as it is keeps its version. */
async function change(
  plane: Plane,
  tx: Transaction<Schema>,
  before: AssignmentRecord,
  wanted: Pick<AssignmentRecord, 'sessionId' | 'pinned'>,
): Promise<Effect<{ assignment: Assignment }>> {
  const was = assignmentMessage(before);
  const about = { workspaceId: before.workspaceId, objectId: before.id };
  if (wanted.sessionId === before.sessionId && wanted.pinned === before.pinned) {
    return { ...about, answer: { assignment: was }, changes: [], count: 0 };
  }
  const record = { ...before, ...wanted, version: before.version + 1, updatedAtMs: plane.clock.nowMs() };
  await replaceAssignment(tx, record);
  const is = assignmentMessage(record);
  return {
    ...about,
    answer: { assignment: is },
    changes: [assignmentPut(record)],
    count: 1,
    ...changedFields(auditFields(AssignmentSchema, was), auditFields(AssignmentSchema, is)),
  };
}

async function isLiveIn(
  tx: Transaction<Schema>,
  workspaceId: WorkspaceId,
  poolId: PoolId,
  sessionId: SessionId,
): Promise<boolean> {
  return (await loadSession(tx, workspaceId, sessionId))?.poolId === poolId;
}

/** Whether a session that the gateway chose still stands as it did then. */
async function canServe(
  tx: Transaction<Schema>,
  workspaceId: WorkspaceId,
  poolId: PoolId,
  sessionId: SessionId,
): Promise<boolean> {
  const session = await loadSession(tx, workspaceId, sessionId);
  return session !== null && session.poolId === poolId && session.enabled;
}

function deleteAssignment(plane: Plane): AssignmentsService['deleteAssignment'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const assignment = await loadAssignment(tx, workspaceId, idFrom<AssignmentId>(request.assignmentId));
      if (assignment === null) throw notFound();
      const { id, poolId, accountName } = assignment;
      await softDeleteAssignment(tx, workspaceId, id, plane.clock.nowMs());
      return {
        answer: {},
        changes: [{ kind: 'assignment-gone', poolId, accountName }],
        workspaceId,
        objectId: id,
        count: 1,
        before: auditFields(AssignmentSchema, assignmentMessage(assignment)),
      };
    });
  };
}

function listAssignments(plane: Plane): AssignmentsService['listAssignments'] {
  return async (request, { values }) => {
    const filter = {
      workspaceId: workspaceOf(callOf(values)),
      poolId: request.poolId === undefined ? null : idFrom<PoolId>(request.poolId),
      sessionId: request.sessionId === undefined ? null : idFrom<SessionId>(request.sessionId),
      accountName: request.accountName ?? null,
    };
    const page = await listPage<AssignmentId>(request, (wanted) => listAssignmentIds(plane.store.db, filter, wanted));
    return { assignmentIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
  };
}
