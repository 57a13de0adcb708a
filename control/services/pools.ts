/** Pools, but for their end (`delete-pool.ts`): messages in, rules, store, messages out. Their policies are `pool-policy.ts`. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { PoolId, WorkspaceId } from '../../src/core/model.ts';
import { auditFields, changedFields } from '../audit-diff.ts';
import { inRequestOrder } from '../batch-order.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { poolMessage, poolPut } from '../convert/pools.ts';
import { listPage } from '../cursor.ts';
import { DomainError, notFound } from '../domain-error.ts';
import { PoolSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { defaultPolicy, policyOf } from '../pool-policy.ts';
import {
  findPoolByName,
  insertPool,
  listPoolIds,
  loadPool,
  loadPools,
  type PoolRecord,
  replacePool,
} from '../store/pools.ts';
import type { Schema } from '../store/schema.ts';
import { deletePool } from './delete-pool.ts';

type PoolsService = Pick<
  ServiceImpl<typeof Proxies>,
  'createPool' | 'getPool' | 'batchGetPools' | 'updatePool' | 'deletePool' | 'listPools'
>;

export function poolsService(plane: Plane): PoolsService {
  return {
    createPool: createPool(plane),
    updatePool: updatePool(plane),
    deletePool: deletePool(plane),
    async getPool(request, { values }) {
      const pool = await loadPool(plane.store.db, workspaceOf(callOf(values)), idFrom<PoolId>(request.poolId));
      if (pool === null) throw notFound();
      return { pool: poolMessage(pool) };
    },
    async batchGetPools(request, { values }) {
      const ids = request.poolIds.map((bytes) => idFrom<PoolId>(bytes));
      const pools = await loadPools(plane.store.db, workspaceOf(callOf(values)), ids);
      const { found, absent } = inRequestOrder(ids, pools);
      return { pools: found.map(poolMessage), notFoundIds: absent.map(idBytes) };
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
    const policy = policyOf(request, null);
    return mutate(plane, call, async (tx) => {
      await refuseTakenName(tx, workspaceId, request.name, null);
      const pool = { ...newPool(plane, workspaceId, request.name), enabled: request.enabled ?? true, policy };
      await insertPool(tx, pool);
      const message = poolMessage(pool);
      return {
        answer: { pool: message },
        changes: [poolPut(pool)],
        workspaceId,
        objectId: pool.id,
        count: 1,
        after: auditFields(PoolSchema, message),
      };
    });
  };
}

function updatePool(plane: Plane): PoolsService['updatePool'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const before = await loadPool(tx, workspaceId, idFrom<PoolId>(request.poolId));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const name = request.name ?? before.name;
      await refuseTakenName(tx, workspaceId, name, before.id);
      const enabled = request.enabled ?? before.enabled;
      const policy = policyOf(request, before.policy);
      // As this release would store it: what an earlier one left out is no change.
      const changed = name !== before.name || enabled !== before.enabled || policy !== policyOf({}, before.policy);
      if (!changed) {
        return { answer: { pool: poolMessage(before) }, changes: [], workspaceId, objectId: before.id, count: 0 };
      }
      const nowMs = plane.clock.nowMs();
      const pool = { ...before, name, enabled, policy, version: before.version + 1, updatedAtMs: nowMs };
      await replacePool(tx, pool);
      const [was, is] = [poolMessage(before), poolMessage(pool)];
      return {
        answer: { pool: is },
        changes: [poolPut(pool)],
        workspaceId,
        objectId: pool.id,
        count: 1,
        ...changedFields(auditFields(PoolSchema, was), auditFields(PoolSchema, is)),
      };
    });
  };
}

/** Refuses a name that a live pool of the workspace has, other than the pool `own`. */
async function refuseTakenName(
  tx: Transaction<Schema>,
  workspaceId: WorkspaceId,
  name: string,
  own: PoolId | null,
): Promise<void> {
  const holder = await findPoolByName(tx, workspaceId, name);
  if (holder === null || holder.id === own) return;
  throw new DomainError('already_exists', 'name: a live pool of this workspace has it');
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
