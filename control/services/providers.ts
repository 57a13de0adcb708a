/** Providers: messages in, rules, store, messages out. What templates may say is `provider-template.ts`. */
import type { ServiceImpl } from '@connectrpc/connect';
import type { PoolId, ProviderId, ProviderType, Scheme, WorkspaceId } from '../../src/core/model.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes, idFrom } from '../convert/ids.ts';
import { providerMessage, providerPut, providerTypeName } from '../convert/providers.ts';
import { endpointOf } from '../convert/sessions.ts';
import { listPage } from '../cursor.ts';
import { type FieldViolation, malformed, notFound } from '../domain-error.ts';
import type { ConnectProviderRequest, Proxies } from '../gen/proxies/v1/proxies_pb.ts';
import { canonicalHost } from '../host.ts';
import { mutate } from '../mutation.ts';
import { hasPlaceholder, parseAccount } from '../provider-template.ts';
import { Secret } from '../secrets/secret.ts';
import { loadPool } from '../store/pools.ts';
import { insertProvider, listProviderIds, loadProvider, type ProviderRecord } from '../store/providers.ts';

type ProvidersService = Pick<ServiceImpl<typeof Proxies>, 'connectProvider' | 'getProvider' | 'listProviders'>;

export function providersService(plane: Plane): ProvidersService {
  return {
    connectProvider: connectProvider(plane),
    async getProvider(request, { values }) {
      const id = idFrom<ProviderId>(request.providerId);
      const provider = await loadProvider(plane.store.db, workspaceOf(callOf(values)), id);
      if (provider === null) throw notFound();
      return { provider: providerMessage(provider) };
    },
    async listProviders(request, { values }) {
      const workspaceId = workspaceOf(callOf(values));
      const page = await listPage<ProviderId>(request, (wanted) =>
        listProviderIds(plane.store.db, workspaceId, wanted),
      );
      return { providerIds: page.ids.map(idBytes), nextCursor: page.nextCursor };
    },
  };
}

function connectProvider(plane: Plane): ProvidersService['connectProvider'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const { type, credentials } = checkedSource(request);
    const blank = newProvider(plane, workspaceId, type, request.name ?? null);
    const targetPoolId = request.targetPoolId === undefined ? null : idFrom<PoolId>(request.targetPoolId);
    const sealer = await plane.vault.forWorkspace(plane.store.db, workspaceId);
    return mutate(plane, call, async (tx) => {
      if (targetPoolId !== null && (await loadPool(tx, workspaceId, targetPoolId)) === null) throw notFound();
      const open: ProviderRecord = {
        ...blank,
        targetPoolId,
        scheme: (request.endpoint?.scheme as Scheme | undefined) ?? null,
        host: request.endpoint === undefined ? null : canonicalHost(request.endpoint.host),
        port: request.endpoint?.port ?? null,
        usernameTemplate: request.usernameTemplate ?? null,
        passwordTemplate: request.passwordTemplate ?? null,
        tokenFormat: request.tokenFormat ?? null,
      };
      const row = { providerId: open.id, endpoint: endpointOf(open) };
      const credentialsSealed = credentials === null ? null : sealer.sealProviderCredentials(row, credentials);
      const provider = { ...open, credentialsSealed };
      await insertProvider(tx, provider);
      return {
        answer: { provider: providerMessage(provider) },
        changes: [providerPut(provider, credentials)],
        workspaceId,
        objectId: provider.id,
        count: 1,
      };
    });
  };
}

/** The record of a new provider without endpoint, templates or credentials. */
export function newProvider(
  plane: Pick<Plane, 'clock' | 'newId'>,
  workspaceId: WorkspaceId,
  type: ProviderType,
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
  };
}

/** The rules between fields: what a type needs, and what it cannot have. */
function checkedSource(request: ConnectProviderRequest): { type: ProviderType; credentials: Secret | null } {
  const type = providerTypeName(request.type);
  if (type === null) {
    const description = 'must be PROVIDER_TYPE_STATIC, PROVIDER_TYPE_GATEWAY or PROVIDER_TYPE_LOCAL';
    throw malformed([{ field: 'type', description }]);
  }
  const found = type === 'gateway' ? gatewayViolations(request) : plainViolations(request);
  if (found.length > 0) throw malformed(found);
  const text = request.credentials === undefined ? null : Buffer.from(request.credentials).toString();
  return { type, credentials: text === null ? null : new Secret(text) };
}

function plainViolations(request: ConnectProviderRequest): FieldViolation[] {
  const gatewayOnly = ['endpoint', 'usernameTemplate', 'passwordTemplate', 'tokenFormat', 'credentials'] as const;
  return gatewayOnly
    .filter((field) => request[field] !== undefined)
    .map((field) => ({ field, description: 'is for PROVIDER_TYPE_GATEWAY only' }));
}

function gatewayViolations(request: ConnectProviderRequest): FieldViolation[] {
  const found: FieldViolation[] = [];
  const { endpoint, usernameTemplate, passwordTemplate, credentials } = request;
  if (endpoint === undefined) found.push({ field: 'endpoint', description: 'is required' });
  if (usernameTemplate === undefined) found.push({ field: 'usernameTemplate', description: 'is required' });
  const uses = (name: Parameters<typeof hasPlaceholder>[1]) =>
    hasPlaceholder(usernameTemplate, name) || hasPlaceholder(passwordTemplate, name);
  if (usernameTemplate !== undefined && !uses('token')) {
    found.push({ field: 'usernameTemplate', description: 'this or passwordTemplate must hold {token}' });
  }
  // Checked on the template: what is filled in later is a token, a label or the account's own name.
  if (usernameTemplate?.includes(':') && endpoint?.scheme.startsWith('http')) {
    found.push({ field: 'usernameTemplate', description: 'must not hold a colon for http and https' });
  }
  if (credentials === undefined) {
    if (uses('username') || uses('password'))
      found.push({ field: 'credentials', description: 'is required by the templates' });
    return found;
  }
  const bytes = Buffer.from(credentials);
  const text = bytes.toString();
  if (!Buffer.from(text).equals(bytes) || parseAccount(text, uses('username')) === null) {
    const shape = uses('username') ? 'username:password' : 'a password';
    found.push({ field: 'credentials', description: `must be ${shape} in UTF-8 without NUL, CR or LF` });
  }
  return found;
}
