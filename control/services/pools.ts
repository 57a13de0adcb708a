/** Pools: messages in, rules, store, messages out. Their policies are `pool-policy.ts`. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { PoolId, WorkspaceId } from '../../src/core/model.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { poolMessage, poolPut } from '../convert/pools.ts';
import { listPage } from '../cursor.ts';
import { DomainError, notFound } from '../domain-error.ts';
import type { Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { defaultPolicy, policyOf } from '../pool-policy.ts';
import { findPoolByName, insertPool, listPoolIds, loadPool, type PoolRecord } from '../store/pools.ts';

type PoolsService = Pick<ServiceImpl<typeof Proxies>, 'createPool' | 'getPool' | 'listPools'>;

export function poolsService(plane: Plane): PoolsService {
  return {
    createPool: createPool(plane),
    async getPool(request, { values }) {
      const pool = await loadPool(plane.store.db, workspaceOf(callOf(values)), idFrom<PoolId>(request.poolId));
      if (pool === null) throw notFound();
      return { pool: poolMessage(pool) };
    },
    async listPools(request, { values }) {
      const workspaceId = workspaceOf(callOf(values));
      const page = await listPage<PoolId>(request, (wanted) => listPoolIds(plane.store.db, workspaceId, wanted));
      return { poolIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
    },
  };
}

function createPool(plane: Plane): PoolsService['createPool'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const policy = policyOf(request);
    return mutate(plane, call, async (tx) => {
      if ((await findPoolByName(tx, workspaceId, request.name)) !== null) {
        throw new DomainError('already_exists', 'name: a live pool of this workspace has it');
      }
      const pool = { ...newPool(plane, workspaceId, request.name), enabled: request.enabled ?? true, policy };
      await insertPool(tx, pool);
      return {
        answer: { pool: poolMessage(pool) },
        changes: [poolPut(pool)],
        workspaceId,
        objectId: pool.id,
        count: 1,
      };
    });
  };
}

/** The record of a new pool with the default policy. */
export function newPool(plane: Pick<Plane, 'clock' | 'newId'>, workspaceId: WorkspaceId, name: string): PoolRecord {
  const nowMs = plane.clock.nowMs();
  return {
    id: plane.newId<PoolId>(),
    workspaceId,
    name,
    enabled: true,
    policy: defaultPolicy(),
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
