/** From a provider's record to its message and to what the gateway must see. */
import { create, fromJsonString, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Change } from '../../src/core/model.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { asksForUsername, type ProviderAccount, readAccount } from '../providers/account.ts';
import { discoveryMessage } from '../providers/discovery-state.ts';
import { kindOf, VENDORS, vendorOf } from '../providers/vendors.ts';
import type { Secret } from '../secrets/secret.ts';
import type { ProviderRecord } from '../store/providers.ts';
import { idBytes, stamps } from './ids.ts';
import { endpointOf } from './sessions.ts';

/** Every type by its stored name: a vendor's is what follows `PROVIDER_TYPE_`, in lower case. */
const PROVIDER_TYPES: ReadonlyMap<string, pb.ProviderType> = new Map(
  ['static', 'gateway', 'local', ...VENDORS.keys()].map((name) => [
    name,
    pb.ProviderType[name.toUpperCase() as keyof typeof pb.ProviderType],
  ]),
);

/** The stored name of a provider type, or null for a number that is none. */
export function providerTypeName(type: pb.ProviderType): string | null {
  for (const [name, value] of PROVIDER_TYPES) if (value === type) return name;
  return null;
}

export function providerMessage(record: ProviderRecord): pb.Provider {
  const init: MessageInitShape<typeof pb.ProviderSchema> = {
    id: idBytes(record.id),
    workspaceId: idBytes(record.workspaceId),
    type: PROVIDER_TYPES.get(record.type) ?? pb.ProviderType.UNSPECIFIED,
    capabilities: { enumerable: record.hasApiKey, stateApi: record.hasApiKey },
    enabled: record.enabled,
    ...stamps(record),
  };
  const endpoint = endpointOf(record);
  if (record.name !== null) init.name = record.name;
  if (record.targetPoolId !== null) init.targetPoolId = idBytes(record.targetPoolId);
  if (record.mintTokens) init.mintTokens = true;
  if (endpoint !== null) init.endpoint = endpoint;
  if (record.usernameTemplate !== null) init.usernameTemplate = record.usernameTemplate;
  if (record.passwordTemplate !== null) init.passwordTemplate = record.passwordTemplate;
  if (record.tokenFormat !== null) init.tokenFormat = record.tokenFormat;
  if (record.state !== null) init.state = fromJsonString(pb.ProviderStateSchema, record.state);
  if (record.stateRefreshedAtMs !== null) init.stateRefreshedAt = timestampFromMs(record.stateRefreshedAtMs);
  if (record.discovery !== null) init.discovery = discoveryMessage(record.discovery);
  return create(pb.ProviderSchema, init);
}

/**
 * The provider as the gateway needs it, its credential in clear. One whose credentials
 * do not open is handed over as disabled: nothing leaves without them.
 */
export function providerPut(record: ProviderRecord, credentials: Secret | null): Change {
  const { id, workspaceId, name, usernameTemplate, passwordTemplate, tokenFormat, mintTokens } = record;
  const account = credentials === null ? null : readAccount(record, credentials.reveal());
  return {
    kind: 'provider-put',
    provider: {
      id,
      workspaceId,
      name,
      type: kindOf(record.type),
      enabled: record.enabled && !record.unusable,
      endpoint: endpointOf(record),
      usernameTemplate,
      passwordTemplate,
      password: account === null || typeof account === 'string' ? null : carriedCredential(record, account),
      tokenFormat,
      mintTokens,
      parameters: vendorOf(record.type)?.gateway?.parameters ?? [],
    },
  };
}

/** What the gateway fills the templates from; the key of the account interface stays here. */
function carriedCredential(record: ProviderRecord, { username, password }: ProviderAccount): string | null {
  if (asksForUsername(record)) return `${username}:${password}`;
  return password === '' ? null : password;
}
