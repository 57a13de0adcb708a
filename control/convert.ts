/**
 * Between records (UUID text, milliseconds, null) and messages (bytes, timestamps,
 * absence), and from records to what the gateway must see. Called by services and
 * at start. No rule is decided here.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Change, Endpoint, ProviderType } from '../src/core/model.ts';
import { type APIKey, APIKeySchema, type Workspace, WorkspaceSchema } from './gen/accounts/v1/accounts_pb.ts';
import * as pb from './gen/proxies/v1/proxies_pb.ts';
import { hasPlaceholder, parseAccount } from './provider-template.ts';
import type { Secret } from './secrets/secret.ts';
import type { ApiKeyRecord } from './store/api-keys.ts';
import type { PoolRecord } from './store/pools.ts';
import type { ProviderRecord } from './store/providers.ts';
import type { SessionRecord } from './store/sessions.ts';
import { blobToUuid, uuidToBlob } from './store/uuid-blob.ts';
import type { WorkspaceRecord } from './store/workspaces.ts';

/** The id that 16 bytes of a message name; the message was checked before. */
export function idFrom<Id extends string>(bytes: Uint8Array): Id {
  return blobToUuid<Id>(bytes);
}

/** An id as the 16 bytes of a message. */
export function idBytes(uuid: string): Uint8Array<ArrayBuffer> {
  // Not copied: a bulk answer converts 200,000 of them.
  return uuidToBlob(uuid) as Buffer<ArrayBuffer>;
}

/** An id as JSON shows it: padded standard base64. */
export function idText(uuid: string): string {
  return uuidToBlob(uuid).toString('base64');
}

function stamps(record: { version: number; createdAtMs: number; updatedAtMs: number }) {
  return {
    version: BigInt(record.version),
    createdAt: timestampFromMs(record.createdAtMs),
    updatedAt: timestampFromMs(record.updatedAtMs),
  };
}

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

/** The session as it may be seen: whether it has a password does not show. */
export function sessionMessage(record: SessionRecord): pb.Session {
  const init: MessageInitShape<typeof pb.SessionSchema> = {
    id: idBytes(record.id),
    workspaceId: idBytes(record.workspaceId),
    poolId: idBytes(record.poolId),
    providerId: idBytes(record.providerId),
    token: record.token,
    enabled: record.enabled,
    ...stamps(record),
  };
  if (record.scheme !== null) init.scheme = record.scheme;
  if (record.host !== null) init.host = record.host;
  if (record.port !== null) init.port = record.port;
  if (record.username !== null) init.username = record.username;
  if (record.labels !== null) init.labels = { ...record.labels };
  return create(pb.SessionSchema, init);
}

/** Where a session's password is sent: its own endpoint, or null where it has none. */
export function endpointOf(record: Pick<SessionRecord, 'scheme' | 'host' | 'port'>): Endpoint | null {
  const { scheme, host, port } = record;
  return scheme === null || host === null || port === null ? null : { scheme, host, port };
}

/** The session as the gateway needs it, password in clear. */
export function sessionPut(record: SessionRecord, password: Secret | null): Change {
  const endpoint = endpointOf(record);
  return {
    kind: 'session-put',
    session: {
      id: record.id,
      poolId: record.poolId,
      providerId: record.providerId,
      token: record.token,
      endpoint,
      localAddress: endpoint === null ? record.host : null,
      username: record.username,
      password: password?.reveal() ?? null,
      enabled: record.enabled,
    },
  };
}

export function poolPut(record: PoolRecord): Change {
  const { id, workspaceId, name, enabled } = record;
  return { kind: 'pool-put', pool: { id, workspaceId, name, enabled } };
}

const PROVIDER_TYPES: Readonly<Record<string, pb.ProviderType>> = {
  static: pb.ProviderType.STATIC,
  gateway: pb.ProviderType.GATEWAY,
  local: pb.ProviderType.LOCAL,
};

/** The stored name of a provider type, or null for a type that is not served. */
export function providerTypeName(type: pb.ProviderType): ProviderType | null {
  return (
    (Object.keys(PROVIDER_TYPES).find((name) => PROVIDER_TYPES[name] === type) as ProviderType | undefined) ?? null
  );
}

export function providerMessage(record: ProviderRecord): pb.Provider {
  const init: MessageInitShape<typeof pb.ProviderSchema> = {
    id: idBytes(record.id),
    workspaceId: idBytes(record.workspaceId),
    type: PROVIDER_TYPES[record.type] ?? pb.ProviderType.UNSPECIFIED,
    capabilities: { enumerable: false, stateApi: false },
    enabled: record.enabled,
    ...stamps(record),
  };
  const endpoint = endpointOf(record);
  if (record.name !== null) init.name = record.name;
  if (record.targetPoolId !== null) init.targetPoolId = idBytes(record.targetPoolId);
  if (endpoint !== null) init.endpoint = endpoint;
  if (record.usernameTemplate !== null) init.usernameTemplate = record.usernameTemplate;
  if (record.passwordTemplate !== null) init.passwordTemplate = record.passwordTemplate;
  if (record.tokenFormat !== null) init.tokenFormat = record.tokenFormat;
  return create(pb.ProviderSchema, init);
}

/** The provider as the gateway needs it: `{username}` filled in, the password in clear. */
export function providerPut(record: ProviderRecord, credentials: Secret | null): Change {
  const { id, workspaceId, type, enabled, usernameTemplate, passwordTemplate } = record;
  const needsUsername = hasPlaceholder(usernameTemplate, 'username') || hasPlaceholder(passwordTemplate, 'username');
  const account = credentials === null ? null : parseAccount(credentials.reveal(), needsUsername);
  const filled = (template: string | null) => template?.replaceAll('{username}', () => account?.username ?? '') ?? null;
  return {
    kind: 'provider-put',
    provider: {
      id,
      workspaceId,
      type: type as ProviderType,
      enabled,
      endpoint: endpointOf(record),
      usernameTemplate: filled(usernameTemplate),
      passwordTemplate: filled(passwordTemplate),
      password: account?.password ?? null,
    },
  };
}
