/** From an assignment's record to its message and to what the gateway must see. */
import { create } from '@bufbuild/protobuf';
import type { Change } from '../../src/core/model.ts';
import { type Assignment, AssignmentSchema } from '../gen/proxies/v1/proxies_pb.ts';
import type { AssignmentRecord } from '../store/assignments.ts';
import { idBytes, stamps } from './ids.ts';

export function assignmentMessage(record: AssignmentRecord): Assignment {
  return create(AssignmentSchema, {
    id: idBytes(record.id),
    workspaceId: idBytes(record.workspaceId),
    poolId: idBytes(record.poolId),
    sessionId: idBytes(record.sessionId),
    accountName: record.accountName,
    pinned: record.pinned,
    ...stamps(record),
  });
}

export function assignmentPut(record: AssignmentRecord): Change {
  const { id, poolId, accountName, sessionId, pinned, updatedAtMs: boundAtMs } = record;
  return { kind: 'assignment-put', assignment: { id, poolId, accountName, sessionId, pinned, boundAtMs } };
}
