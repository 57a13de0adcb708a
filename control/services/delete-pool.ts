/**
 * DeletePool: the pool and all that is in it, in one transaction. Many rows are
 * deleted slice by slice, so that the plane's other calls go on; other writes wait
 * for the transaction, reads do not. The gateway needs one change, whatever the size.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { PoolId } from '../../src/core/model.ts';
import { auditFields } from '../audit-diff.ts';
import { callOf, type Plane, pauseOf, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { poolMessage } from '../convert/pools.ts';
import { notFound } from '../domain-error.ts';
import { PoolSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { clearTargetPool, softDeleteAssignmentsOfPool, softDeleteSessionsOfPool } from '../store/pool-contents.ts';
import { loadPool, softDeletePool } from '../store/pools.ts';

export function deletePool(plane: Plane): ServiceImpl<typeof Proxies>['deletePool'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const poolId = idFrom<PoolId>(request.poolId);
    return mutate(plane, call, async (tx) => {
      const pool = await loadPool(tx, workspaceId, poolId);
      if (pool === null) throw notFound();
      const atMs = plane.clock.nowMs();
      const removal = { workspaceId, poolId, atMs, pause: pauseOf(call) };
      const sessions = await softDeleteSessionsOfPool(tx, removal);
      const assignments = await softDeleteAssignmentsOfPool(tx, removal);
      const providers = await clearTargetPool(tx, removal);
      await softDeletePool(tx, workspaceId, poolId, atMs);
      return {
        answer: {},
        changes: [{ kind: 'pool-gone', poolId }],
        workspaceId,
        objectId: poolId,
        count: 1 + sessions + assignments + providers,
        before: auditFields(PoolSchema, poolMessage(pool)),
      };
    });
  };
}
