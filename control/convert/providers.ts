/** From a provider's record to its message and to what the gateway must see. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Change, ProviderType } from '../../src/core/model.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { hasPlaceholder, parseAccount } from '../provider-template.ts';
import type { Secret } from '../secrets/secret.ts';
import type { ProviderRecord } from '../store/providers.ts';
import { idBytes, stamps } from './ids.ts';
import { endpointOf } from './sessions.ts';

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
