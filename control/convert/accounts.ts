/** From records of workspaces and API keys to messages. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type APIKey, APIKeySchema, type Workspace, WorkspaceSchema } from '../gen/accounts/v1/accounts_pb.ts';
import type { ApiKeyRecord } from '../store/api-keys.ts';
import type { WorkspaceRecord } from '../store/workspaces.ts';
import { idBytes, stamps } from './ids.ts';

export function workspaceMessage(record: WorkspaceRecord): Workspace {
  return create(WorkspaceSchema, {
    id: idBytes(record.id),
    name: record.name,
    ...(record.description !== null && { description: record.description }),
    ...stamps(record),
  });
}

export function apiKeyMessage(record: ApiKeyRecord): APIKey {
  return create(APIKeySchema, {
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
