/**
 * UpdateProvider: partial by presence, and careful with the credentials.
 *
 * - Stored credentials are bound to where they are sent: another endpoint needs them
 *   again, so that nobody can have them sent to a host of their own.
 * - Credentials that are given always count as a change, even equal ones: else
 *   `version` would tell whether a guess was right.
 * - A vendor's endpoint and templates are taken anew from what is built in whenever its
 *   credentials are given: so an update of the service reaches them.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { PoolId, ProviderId } from '../../src/core/model.ts';
import { type AuditFields, auditFields, CHANGED, changedFields } from '../audit-diff.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { providerMessage, providerPut } from '../convert/providers.ts';
import { endpointOf } from '../convert/sessions.ts';
import { DomainError, malformed, notFound } from '../domain-error.ts';
import { ProviderSchema, type Proxies, type UpdateProviderRequest } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { openCredentials } from '../providers/open-account.ts';
import { vendorOf } from '../providers/vendors.ts';
import type { Secret } from '../secrets/secret.ts';
import { SecretError } from '../secrets/secret-error.ts';
import { loadPool } from '../store/pools.ts';
import { loadProvider, type ProviderRecord, replaceProvider } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { nextSealSerial } from '../store/seal-serials.ts';
import {
  askedSource,
  builtInSource,
  readCredentials,
  refusedFields,
  sourceViolations,
  storedMisfit,
} from './provider-source.ts';

export function updateProvider(plane: Plane): ServiceImpl<typeof Proxies>['updateProvider'] {
  return (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const before = await loadProvider(tx, workspaceId, idFrom<ProviderId>(request.providerId));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const refused = refusedFields(before.type, request);
      if (refused.length > 0) throw malformed(refused);
      const plain = { ...before, ...(await plainFields(tx, before, request)), ...sourceAfter(before, request) };
      const { after, credentials } = await withCredentials(plane, tx, before, plain, request);
      if (sameProvider(before, after)) {
        const provider = providerMessage(before);
        return { answer: { provider }, changes: [], workspaceId, objectId: before.id, count: 0 };
      }
      const record = { ...after, version: before.version + 1, updatedAtMs: plane.clock.nowMs() };
      await replaceProvider(tx, record);
      return {
        answer: { provider: providerMessage(record) },
        changes: [providerPut(record, credentials)],
        workspaceId,
        objectId: record.id,
        count: 1,
        ...auditOf(before, record),
      };
    });
  };
}

/** What is neither of the source nor secret. */
async function plainFields(
  tx: Transaction<Schema>,
  before: ProviderRecord,
  request: UpdateProviderRequest,
): Promise<Pick<ProviderRecord, 'name' | 'targetPoolId' | 'enabled' | 'mintTokens'>> {
  let { targetPoolId } = before;
  if (request.targetPoolId !== undefined) {
    targetPoolId = request.targetPoolId.length === 0 ? null : idFrom<PoolId>(request.targetPoolId);
    if (targetPoolId !== null && (await loadPool(tx, before.workspaceId, targetPoolId)) === null) throw notFound();
  }
  return {
    name: (request.name ?? before.name) || null,
    targetPoolId,
    enabled: request.enabled ?? before.enabled,
    mintTokens: request.mintTokens ?? before.mintTokens,
  };
}

function sourceAfter(before: ProviderRecord, request: UpdateProviderRequest) {
  const renewed = vendorOf(before.type) !== null && request.credentials !== undefined;
  return askedSource(renewed ? builtInSource(before.type) : before, request);
}

/** The provider with its credentials, sealed anew if given; and those in clear for the gateway. */
async function withCredentials(
  plane: Plane,
  tx: Transaction<Schema>,
  before: ProviderRecord,
  plain: ProviderRecord,
  request: UpdateProviderRequest,
): Promise<{ after: ProviderRecord; credentials: Secret | null }> {
  const { type, credentialsSealed } = before;
  const given = request.credentials === undefined ? null : readCredentials(type, plain, request.credentials);
  const found = sourceViolations(type, plain, given !== null || credentialsSealed !== null);
  if (given !== null && 'field' in given) throw malformed([...found, given]);
  if (found.length > 0) throw malformed(found);
  if (given === null) return { after: plain, credentials: await storedCredentials(plane, tx, before, plain) };
  const serial = await nextSealSerial(tx, before.id, credentialsSealed !== null);
  const sealer = await plane.vault.forWorkspace(plane.store.db, before.workspaceId);
  const place = { providerId: before.id, endpoint: endpointOf(plain), serial };
  const after = {
    ...plain,
    credentialsSealed: sealer.sealProviderCredentials(place, given.secret),
    hasApiKey: given.account.apiKey !== null,
    unusable: false,
  };
  return { after, credentials: given.secret };
}

/** The stored credentials, which may go where they went before only; null without any, or when they do not open. */
async function storedCredentials(
  plane: Plane,
  tx: Transaction<Schema>,
  before: ProviderRecord,
  plain: ProviderRecord,
): Promise<Secret | null> {
  if (before.credentialsSealed === null) return null;
  if (!sameFields(before, plain, ['scheme', 'host', 'port'])) {
    throw new DomainError('failed_precondition', 'credentials: must be given again when the endpoint changes');
  }
  // Everything else of a provider whose credentials do not open can still be changed.
  const stored = before.unusable ? null : await openedOrNull(plane, tx, before);
  const misfit = stored === null ? null : storedMisfit(before.type, plain, stored);
  if (misfit !== null) throw malformed([misfit]);
  return stored;
}

async function openedOrNull(plane: Plane, tx: Transaction<Schema>, provider: ProviderRecord): Promise<Secret | null> {
  try {
    return await openCredentials(plane.vault, tx, provider);
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind !== 'unsealable') throw error;
    throw new DomainError('failed_precondition', 'credentials: the stored ones cannot be read; give them again');
  }
}

const PLAIN_FIELDS = [
  ...(['name', 'targetPoolId', 'enabled', 'mintTokens', 'scheme', 'host', 'port'] as const),
  ...(['usernameTemplate', 'passwordTemplate', 'tokenFormat', 'credentialsSealed'] as const),
];

/** Whether nothing changed; sealed credentials are compared as blobs, and sealing anew always makes another blob. */
function sameProvider(a: ProviderRecord, b: ProviderRecord): boolean {
  return sameFields(a, b, PLAIN_FIELDS);
}

function sameFields(a: ProviderRecord, b: ProviderRecord, fields: readonly (keyof ProviderRecord)[]): boolean {
  return fields.every((field) => a[field] === b[field]);
}

/** What the audit row tells; of the credentials only that others are there now. */
function auditOf(before: ProviderRecord, after: ProviderRecord): { before: AuditFields; after: AuditFields } {
  const was = auditFields(ProviderSchema, providerMessage(before));
  const fields = changedFields(was, auditFields(ProviderSchema, providerMessage(after)));
  if (before.credentialsSealed === after.credentialsSealed) return fields;
  return { ...fields, after: { ...fields.after, credentials: CHANGED } };
}
