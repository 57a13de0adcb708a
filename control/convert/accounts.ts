/** From records of workspaces, API keys and audit rows to messages. */
import { create, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import * as pb from '../gen/accounts/v1/accounts_pb.ts';
import type { ApiKeyRecord } from '../store/api-keys.ts';
import type { StoredAuditEvent } from '../store/audit-events.ts';
import type { KeyStatus } from '../store/key-rotations.ts';
import type { WorkspaceRecord } from '../store/workspaces.ts';
import { idBytes, stamps } from './ids.ts';

export function workspaceMessage(record: WorkspaceRecord, key: KeyStatus): pb.Workspace {
  const init: MessageInitShape<typeof pb.WorkspaceSchema> = {
    id: idBytes(record.id),
    name: record.name,
    ...stamps(record),
  };
  if (record.description !== null) init.description = record.description;
  if (key.rotation !== null) {
    const { fromVersion, toVersion, checked, total, startedAtMs } = key.rotation;
    const counts = { checkedCount: BigInt(checked), totalCount: BigInt(total) };
    init.keyRotation = { fromVersion, toVersion, ...counts, startedAt: timestampFromMs(startedAtMs) };
  }
  return create(pb.WorkspaceSchema, init);
}

export function apiKeyMessage(record: ApiKeyRecord): pb.APIKey {
  return create(pb.APIKeySchema, {
    id: idBytes(record.id),
    name: record.name,
    keyPrefix: record.keyPrefix,
    workspaceId: idBytes(record.workspaceId),
    policies: [...record.policies],
    createdAt: timestampFromMs(record.createdAtMs),
    ...(record.expiresAtMs !== null && { expiresAt: timestampFromMs(record.expiresAtMs) }),
    ...(record.lastUsedAtMs !== null && { lastUsedAt: timestampFromMs(record.lastUsedAtMs) }),
  });
}

export function auditEventMessage(row: StoredAuditEvent): pb.AuditEvent {
  const init: MessageInitShape<typeof pb.AuditEventSchema> = {
    id: BigInt(row.id),
    time: timestampFromMs(row.atMs),
    method: row.method,
    outcome: row.outcome,
    count: row.count,
  };
  if (row.workspaceId !== null) init.workspaceId = idBytes(row.workspaceId);
  if (row.actorKeyId !== null) init.actorKeyId = idBytes(row.actorKeyId);
  if (row.objectId !== null) init.objectId = idBytes(row.objectId);
  if (row.before !== null) init.before = JSON.parse(row.before) as JsonObject;
  if (row.after !== null) init.after = JSON.parse(row.after) as JsonObject;
  if (row.hash !== null) init.hash = row.hash;
  return create(pb.AuditEventSchema, init);
}
