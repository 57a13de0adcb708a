/**
 * API keys and the policies they carry: messages in, rules, store, messages out.
 *
 * Who may hand out what: a key that manages the accounts of a workspace gives any
 * policy in there but `operator`, also one that it does not carry itself. It is the
 * workspace's administrator; to keep one from the proxies, give it no accounts.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { ApiKeyId, WorkspaceId } from '../../src/core/model.ts';
import { type AccessTable, apiKeyState } from '../access-table.ts';
import { auditFields } from '../audit-diff.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { apiKeyMessage } from '../convert/accounts.ts';
import { idFrom } from '../convert/ids.ts';
import { DomainError, malformed, notFound } from '../domain-error.ts';
import { type Accounts, type APIKey, APIKeySchema, Permission, PolicySchema } from '../gen/accounts/v1/accounts_pb.ts';
import { mutate } from '../mutation.ts';
import { POLICIES, permissionsOf } from '../policies.ts';
import { apiKeyPrefix, generateApiKey, hashApiKey } from '../secrets/api-key.ts';
import {
  type ApiKeyRecord,
  hasApiKeys,
  hasOtherOperatorKey,
  insertApiKey,
  listApiKeys,
  loadApiKey,
  softDeleteApiKey,
} from '../store/api-keys.ts';
import type { Schema } from '../store/schema.ts';

/** Live keys of one workspace, expired ones included: ListAPIKeys answers all of them at once. */
const MAX_KEYS = 10_000;
/** Rows of one statement of a list. */
const KEYS_PER_PAGE = 1_000;

type ApiKeysService = Pick<
  ServiceImpl<typeof Accounts>,
  'createAPIKey' | 'listAPIKeys' | 'deleteAPIKey' | 'listPolicies'
>;

export function apiKeysService(plane: Plane): ApiKeysService {
  return {
    createAPIKey: createApiKey(plane),
    listAPIKeys: listKeys(plane),
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
      if (await hasApiKeys(tx, record.workspaceId, MAX_KEYS)) {
        throw new DomainError('failed_precondition', `The workspace has ${MAX_KEYS} API keys: delete some first.`);
      }
      await insertApiKey(tx, record);
      const apiKey = apiKeyMessage(record);
      return {
        answer: { apiKey, rawKey },
        changes: [{ kind: 'key-put', key: apiKeyState(record) }],
        workspaceId: record.workspaceId,
        objectId: record.id,
        count: 1,
        after: auditFields(APIKeySchema, apiKey),
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

function listKeys(plane: Plane): ApiKeysService['listAPIKeys'] {
  return async (_request, { values }) => {
    const workspaceId = workspaceOf(callOf(values));
    const apiKeys: APIKey[] = [];
    let afterId: ApiKeyId | null = null;
    for (;;) {
      const page: ApiKeyRecord[] = await listApiKeys(plane.store.db, workspaceId, { afterId, limit: KEYS_PER_PAGE });
      for (const record of page) apiKeys.push(apiKeyMessage(withLastUse(plane.access, record)));
      if (page.length < KEYS_PER_PAGE) return { apiKeys };
      afterId = page.at(-1)!.id;
      await pause();
    }
  };
}

/** The fresher of what is on record and what the access table has noted since. */
function withLastUse(access: AccessTable, record: ApiKeyRecord): ApiKeyRecord {
  const lastUsedAtMs = Math.max(record.lastUsedAtMs ?? 0, access.lastUse(record.hash) ?? 0) || null;
  return { ...record, lastUsedAtMs };
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
      await refuseLastOperator(plane, tx, record);
      await softDeleteApiKey(tx, record.workspaceId, record.id, plane.clock.nowMs());
      return {
        answer: {},
        changes: [{ kind: 'key-gone', hash: record.hash }],
        workspaceId: record.workspaceId,
        objectId: record.id,
        count: 1,
        before: auditFields(APIKeySchema, apiKeyMessage(record)),
        committed: () => plane.access.removeKey(record.hash),
      };
    });
  };
}

/** Without a live operator key nobody could ever make one again: a leaked one is replaced first, then deleted. */
async function refuseLastOperator(plane: Plane, tx: Transaction<Schema>, record: ApiKeyRecord): Promise<void> {
  const nowMs = plane.clock.nowMs();
  if (!permissionsOf(record.policies).has(Permission.OPERATE)) return;
  if (record.expiresAtMs !== null && record.expiresAtMs <= nowMs) return;
  if (await hasOtherOperatorKey(tx, record.id, nowMs)) return;
  throw new DomainError('failed_precondition', 'apiKeyId: is the last operator key; make another one first');
}
