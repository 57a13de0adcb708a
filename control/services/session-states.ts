/**
 * How sessions fare: which there are is the store's word, how they fare the
 * gateway's. A session whose password does not open is never given to the gateway;
 * its mark in the store says so here.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { stateMessage } from '../convert/observed.ts';
import { listPage } from '../cursor.ts';
import { malformed, notFound } from '../domain-error.ts';
import type { ListSessionStatesRequest, Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { loadPool } from '../store/pools.ts';
import { listSessionIds, loadSessions } from '../store/sessions.ts';

const DEFAULT_LIMIT = 1_000;

type SessionStatesService = Pick<ServiceImpl<typeof Proxies>, 'listSessionStates'>;

export function sessionStatesService(plane: Plane): SessionStatesService {
  return {
    async listSessionStates(request, { values }) {
      const workspaceId = workspaceOf(callOf(values));
      const pool = await loadPool(plane.store.db, workspaceId, idFrom<PoolId>(request.poolId));
      if (pool === null) throw notFound();
      const { ids, nextCursor } = await pageOfPool(plane, request, { workspaceId, poolId: pool.id, providerId: null });
      // In id order, and those of other pools left out.
      const sessions = (await loadSessions(plane.store.db, workspaceId, ids)).filter(
        ({ poolId }) => poolId === pool.id,
      );
      const sessionIds = sessions.map((session) => session.id);
      const live = new Map(
        (await plane.gateway.sessionStates({ poolId: pool.id, sessionIds })).map((state) => [state.sessionId, state]),
      );
      return {
        states: sessions.map(({ id, unusable }) => stateMessage(id, unusable, live.get(id) ?? null)),
        nextCursor,
      };
    },
  };
}

/** The sessions that the request names, or else a page of the pool. */
async function pageOfPool(
  plane: Plane,
  request: ListSessionStatesRequest,
  filter: Parameters<typeof listSessionIds>[1],
): Promise<{ ids: SessionId[]; nextCursor: string }> {
  if (request.sessionIds.length === 0) {
    const { limit = DEFAULT_LIMIT, cursor } = request;
    return listPage<SessionId>({ limit, cursor }, (page) => listSessionIds(plane.store.db, filter, page));
  }
  if (request.cursor) throw malformed([{ field: 'cursor', description: 'goes without sessionIds' }]);
  return { ids: request.sessionIds.map((bytes) => idFrom<SessionId>(bytes)), nextCursor: '' };
}
