/** From a pool's record to its message and to what the gateway must see. */
import { create } from '@bufbuild/protobuf';
import type { Change } from '../../src/core/model.ts';
import { type Pool, PoolSchema } from '../gen/proxies/v1/proxies_pb.ts';
import { gatewayPolicy, policyMessage } from '../pool-policy.ts';
import type { PoolRecord } from '../store/pools.ts';
import { idBytes, stamps } from './ids.ts';

/** The pool with every policy, defaults filled in. */
export function poolMessage(record: PoolRecord): Pool {
  return create(PoolSchema, {
    ...policyMessage(record.policy),
    id: idBytes(record.id),
    workspaceId: idBytes(record.workspaceId),
    name: record.name,
    enabled: record.enabled,
    ...stamps(record),
  });
}

export function poolPut(record: PoolRecord): Change {
  const { id, workspaceId, name, enabled, policy } = record;
  return { kind: 'pool-put', pool: { id, workspaceId, name, enabled, policy: gatewayPolicy(policy) } };
}
