/** API keys and the policies they carry: messages in, rules, store, messages out. */
import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import { apiKeyState } from '../access-table.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { apiKeyMessage } from '../convert/accounts.ts';
import { idFrom } from '../convert/ids.ts';
import { DomainError, malformed, notFound } from '../domain-error.ts';
import { type Accounts, Permission, PolicySchema } from '../gen/accounts/v1/accounts_pb.ts';
import { mutate } from '../mutation.ts';
import { POLICIES, permissionsOf } from '../policies.ts';
import { apiKeyPrefix, generateApiKey, hashApiKey } from '../secrets/api-key.ts';
import { type ApiKeyRecord, insertApiKey, loadApiKey, softDeleteApiKey } from '../store/api-keys.ts';

type ApiKeysService = Pick<ServiceImpl<typeof Accounts>, 'createAPIKey' | 'deleteAPIKey' | 'listPolicies'>;

export function apiKeysService(plane: Plane): ApiKeysService {
  return {
    createAPIKey: createApiKey(plane),
    deleteAPIKey: deleteApiKey(plane),
    listPolicies: () => ({
      policies: [...POLICIES].map(([name, permissions]) =>
        create(PolicySchema, { name, permissions: [...permissions] }),
      ),
    }),
  };
}

function createApiKey(plane: Plane): ApiKeysService['createAPIKey'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const expiresAtMs = request.expiresAt === undefined ? null : timestampMs(request.expiresAt);
    if (expiresAtMs !== null && expiresAtMs <= plane.clock.nowMs()) {
      throw malformed([{ field: 'expiresAt', description: 'must be in the future' }]);
    }
    // Else a key that manages one workspace could make itself the operator of all.
    if (request.policies.includes('operator') && !call.caller.isOperator) throw new DomainError('permission_denied');
    const rawKey = generateApiKey(randomBytes);
    const record = newApiKey(plane, workspaceOf(call), rawKey, request.name, request.policies, expiresAtMs);
    return mutate(plane, call, async (tx) => {
      await insertApiKey(tx, record);
      return {
        answer: { apiKey: apiKeyMessage(record), rawKey },
        changes: [{ kind: 'key-put', key: apiKeyState(record) }],
        workspaceId: record.workspaceId,
        objectId: record.id,
        count: 1,
        committed: () => plane.access.putKey(record),
      };
    });
  };
}

/** The record of a raw key; only its hash and a prefix of it are in there. */
export function newApiKey(
  plane: Pick<Plane, 'clock' | 'newId'>,
  workspaceId: WorkspaceId,
  rawKey: string,
  name: string,
  policies: readonly string[],
  expiresAtMs: number | null,
): ApiKeyRecord {
  return {
    id: plane.newId<ApiKeyId>(),
    workspaceId,
    name,
    keyPrefix: apiKeyPrefix(rawKey),
    hash: hashApiKey(rawKey),
    policies: [...new Set(policies)],
    createdAtMs: plane.clock.nowMs(),
    expiresAtMs,
    lastUsedAtMs: null,
  };
}

function deleteApiKey(plane: Plane): ApiKeysService['deleteAPIKey'] {
  return (request, { values }) => {
    const call = callOf(values);
    return mutate(plane, call, async (tx) => {
      const record = await loadApiKey(tx, idFrom<ApiKeyId>(request.apiKeyId));
      const { caller } = call;
      if (record === null || (!caller.isOperator && record.workspaceId !== caller.workspaceId)) throw notFound();
      // A key that manages one workspace must not be able to lock the operator out.
      if (!caller.isOperator && permissionsOf(record.policies).has(Permission.OPERATE))
        throw new DomainError('permission_denied');
      await softDeleteApiKey(tx, record.workspaceId, record.id, plane.clock.nowMs());
      return {
        answer: {},
        changes: [{ kind: 'key-gone', hash: record.hash }],
        workspaceId: record.workspaceId,
        objectId: record.id,
        count: 1,
        committed: () => plane.access.removeKey(record.hash),
      };
    });
  };
}
