/** ConnectProvider: a new source of sessions, its credentials sealed. Discovery begins where the vendor can be asked. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import { auditFields, CHANGED } from '../audit-diff.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { providerMessage, providerPut, providerTypeName } from '../convert/providers.ts';
import { endpointOf } from '../convert/sessions.ts';
import { DomainError, type FieldViolation, malformed, notFound } from '../domain-error.ts';
import { type ConnectProviderRequest, ProviderSchema, type Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import type { ProviderAccount } from '../providers/account.ts';
import { running } from '../providers/discovery-state.ts';
import { vendorOf } from '../providers/vendors.ts';
import type { Secret } from '../secrets/secret.ts';
import { loadPool } from '../store/pools.ts';
import { hasProviderOfVendor, insertProvider, type ProviderRecord } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { StoreError } from '../store/store-error.ts';
import {
  askedSource,
  builtInSource,
  type ProviderSource,
  readCredentials,
  refusedFields,
  sourceViolations,
} from './provider-source.ts';

/** What the first credentials of a row are sealed under. */
const FIRST_SERIAL = 1;

export function connectProvider(plane: Plane): ServiceImpl<typeof Proxies>['connectProvider'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const { type, source, secret, account } = checkedRequest(request);
    const blank = newProvider(plane, workspaceId, type, request.name ?? null);
    const targetPoolId = request.targetPoolId === undefined ? null : idFrom<PoolId>(request.targetPoolId);
    return mutate(plane, call, async (tx) => {
      if (targetPoolId !== null && (await loadPool(tx, workspaceId, targetPoolId)) === null) throw notFound();
      const hasApiKey = account !== null && account.apiKey !== null;
      const discovers = hasApiKey && targetPoolId !== null;
      const open: ProviderRecord = {
        ...{ ...blank, ...source, targetPoolId, hasApiKey },
        mintTokens: request.mintTokens ?? false,
        discovery: discovers ? running(blank.createdAtMs) : null,
      };
      const provider = { ...open, credentialsSealed: await sealed(plane, open, secret) };
      await insertAlone(tx, provider);
      const message = providerMessage(provider);
      return {
        answer: { provider: message },
        changes: [providerPut(provider, secret)],
        workspaceId,
        objectId: provider.id,
        count: 1,
        after: { ...auditFields(ProviderSchema, message), ...(secret !== null && { credentials: CHANGED }) },
        committed: () => {
          if (discovers) plane.discovery.start({ workspaceId, providerId: provider.id });
        },
      };
    });
  };
}

/** The rules between fields: what a type needs, and what it cannot have. */
function checkedRequest(request: ConnectProviderRequest): {
  type: string;
  source: ProviderSource;
  secret: Secret | null;
  account: ProviderAccount | null;
} {
  const type = providerTypeName(request.type);
  if (type === null) throw malformed([{ field: 'type', description: 'must be a type of provider' }]);
  const found: FieldViolation[] = refusedFields(type, request);
  if (found.length > 0) throw malformed(found);
  const source = askedSource(builtInSource(type), request);
  found.push(...sourceViolations(type, source, request.credentials !== undefined));
  const read = request.credentials === undefined ? null : readCredentials(type, source, request.credentials);
  if (read !== null && 'field' in read) found.push(read);
  if (found.length > 0 || (read !== null && 'field' in read)) throw malformed(found);
  return { type, source, secret: read?.secret ?? null, account: read?.account ?? null };
}

async function sealed(plane: Plane, provider: ProviderRecord, secret: Secret | null): Promise<Buffer | null> {
  if (secret === null) return null;
  const sealer = await plane.vault.forWorkspace(plane.store.db, provider.workspaceId);
  const place = { providerId: provider.id, endpoint: endpointOf(provider), serial: FIRST_SERIAL };
  return sealer.sealProviderCredentials(place, secret);
}

/** Adds the provider; `already_exists` when it is the second one of its vendor. */
async function insertAlone(tx: Transaction<Schema>, provider: ProviderRecord): Promise<void> {
  const vendor = vendorOf(provider.type);
  const taken = () => new DomainError('already_exists', 'type: a live provider of this workspace has it');
  if (vendor !== null && (await hasProviderOfVendor(tx, provider.workspaceId, provider.type))) throw taken();
  try {
    await insertProvider(tx, provider);
  } catch (error) {
    if (vendor !== null && error instanceof StoreError && error.kind === 'constraint') throw taken();
    throw error;
  }
}

/** The record of a new provider without endpoint, templates or credentials. */
export function newProvider(
  plane: Pick<Plane, 'clock' | 'newId'>,
  workspaceId: WorkspaceId,
  type: string,
  name: string | null,
): ProviderRecord {
  const nowMs = plane.clock.nowMs();
  return {
    id: plane.newId<ProviderId>(),
    workspaceId,
    type,
    name,
    targetPoolId: null,
    scheme: null,
    host: null,
    port: null,
    usernameTemplate: null,
    passwordTemplate: null,
    tokenFormat: null,
    credentialsSealed: null,
    enabled: true,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    mintTokens: false,
    state: null,
    stateRefreshedAtMs: null,
    discovery: null,
    unusable: false,
    hasApiKey: false,
  };
}
