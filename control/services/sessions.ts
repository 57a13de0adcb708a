/** Sessions, one at a time: messages in, rules, store, messages out. Many at once are `bulk-sessions.ts`. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { PoolId, ProviderId, SessionId } from '../../src/core/model.ts';
import { auditFields, CHANGED } from '../audit-diff.ts';
import { inRequestOrder } from '../batch-order.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes, idFrom, idText } from '../convert/ids.ts';
import { sessionMessage, sessionPut } from '../convert/sessions.ts';
import { listPage } from '../cursor.ts';
import { DomainError, malformed, notFound } from '../domain-error.ts';
import { type Proxies, SessionSchema } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import type { Schema } from '../store/schema.ts';
import { retireSeal } from '../store/seal-serials.ts';
import {
  findSessionsByTokens,
  insertSession,
  listSessionIds,
  loadSession,
  loadSessions,
  type SessionRecord,
  softDeleteSession,
} from '../store/sessions.ts';
import { loadPlacement, newSession, shapeInit } from './new-session.ts';
import { tokenCheck } from './session-shape.ts';
import { updateSession } from './update-session.ts';

type SessionsService = Pick<
  ServiceImpl<typeof Proxies>,
  'createSession' | 'getSession' | 'updateSession' | 'deleteSession' | 'listSessions' | 'batchGetSessions'
>;

export function sessionsService(plane: Plane): SessionsService {
  return {
    createSession: createSession(plane),
    updateSession: updateSession(plane),
    deleteSession: deleteSession(plane),
    listSessions: listSessions(plane),
    batchGetSessions: batchGetSessions(plane),
    async getSession(request, { values }) {
      const id = idFrom<SessionId>(request.sessionId);
      const session = await loadSession(plane.store.db, workspaceOf(callOf(values)), id);
      if (session === null) throw notFound();
      return { session: sessionMessage(session) };
    },
  };
}

function createSession(plane: Plane): SessionsService['createSession'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const sealer = await plane.vault.forWorkspace(plane.store.db, workspaceId);
      const placement = await loadPlacement(tx, workspaceId, request);
      const shape = shapeInit(plane, placement.provider, tokenCheck(placement.provider), request, '');
      if (Array.isArray(shape)) throw malformed(shape);
      const { record, password } = newSession(plane, placement, sealer, shape, request);
      if (!(await insertSession(tx, record))) throw await tokenTaken(tx, record);
      const session = sessionMessage(record);
      return {
        answer: { session },
        changes: [sessionPut(record, password)],
        workspaceId,
        objectId: record.id,
        count: 1,
        after: { ...auditFields(SessionSchema, session), ...(password !== null && { password: CHANGED }) },
      };
    });
  };
}

/** Names the session that has the token already. */
async function tokenTaken(tx: Transaction<Schema>, session: SessionRecord): Promise<DomainError> {
  const [holder] = await findSessionsByTokens(tx, session.poolId, [session.token]);
  if (holder === undefined) throw new Error('an insert met a token that no session of the pool has');
  return new DomainError('failed_precondition', `token: session ${idText(holder.id)} of this pool has it`);
}

function deleteSession(plane: Plane): SessionsService['deleteSession'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const session = await loadSession(tx, workspaceId, idFrom<SessionId>(request.sessionId));
      if (session === null) throw notFound();
      await softDeleteSession(tx, workspaceId, session.id, plane.clock.nowMs());
      // An older copy of the row, put back, must not open.
      if (session.passwordSealed !== null) await retireSeal(tx, session.id);
      return {
        answer: {},
        changes: [{ kind: 'session-gone', poolId: session.poolId, sessionId: session.id }],
        workspaceId,
        objectId: session.id,
        count: 1,
        before: auditFields(SessionSchema, sessionMessage(session)),
      };
    });
  };
}

function listSessions(plane: Plane): SessionsService['listSessions'] {
  return async (request, { values }) => {
    const filter = {
      workspaceId: workspaceOf(callOf(values)),
      poolId: request.poolId === undefined ? null : idFrom<PoolId>(request.poolId),
      providerId: request.providerId === undefined ? null : idFrom<ProviderId>(request.providerId),
    };
    const page = await listPage<SessionId>(request, (wanted) => listSessionIds(plane.store.db, filter, wanted));
    return { sessionIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
  };
}

function batchGetSessions(plane: Plane): SessionsService['batchGetSessions'] {
  return async (request, { values }) => {
    const ids = request.sessionIds.map((bytes) => idFrom<SessionId>(bytes));
    const sessions = await loadSessions(plane.store.db, workspaceOf(callOf(values)), ids);
    const { found, absent } = inRequestOrder(ids, sessions);
    return { sessions: found.map((session) => sessionMessage(session)), notFoundIds: absent.map(idBytes) };
  };
}
