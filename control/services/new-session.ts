/**
 * From a request's session to a record: shape, token, labels, sealed password.
 * Shared by CreateSession and BulkCreateSessions.
 */
import type { Transaction } from 'kysely';
import type { PoolId, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { Plane } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { endpointOf } from '../convert/sessions.ts';
import { DomainError, type FieldViolation, notFound } from '../domain-error.ts';
import { vendorOf } from '../providers/vendors.ts';
import { Secret } from '../secrets/secret.ts';
import type { WorkspaceSealer } from '../secrets/workspace-sealer.ts';
import { hasPool } from '../store/pools.ts';
import { loadProvider, type ProviderRecord } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import type { SessionRecord } from '../store/sessions.ts';
import { type SessionShape, shapeSession } from './session-shape.ts';

/** What CreateSession and a row of BulkCreateSessions have in common. */
export interface SessionInit {
  readonly token: string;
  readonly scheme?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tlsInsecure?: boolean | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where new sessions go: all three exist, live, in one workspace. */
export interface Placement {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
  readonly provider: ProviderRecord;
}

/**
 * The live pool and provider of the workspace that a request names; `not_found` when either is absent,
 * `failed_precondition` for a vendor that lists its sessions itself.
 */
export async function loadPlacement(
  tx: Transaction<Schema>,
  workspaceId: WorkspaceId,
  request: { readonly poolId: Uint8Array; readonly providerId: Uint8Array },
): Promise<Placement> {
  const poolId = idFrom<PoolId>(request.poolId);
  const provider = await loadProvider(tx, workspaceId, idFrom<ProviderId>(request.providerId));
  if (provider === null || !(await hasPool(tx, workspaceId, poolId))) throw notFound();
  const vendor = vendorOf(provider.type);
  if (vendor?.kind === 'listed') {
    const detail = `providerId: ${vendor.label} lists its endpoints itself; its sessions are made by discovery`;
    throw new DomainError('failed_precondition', detail);
  }
  return { workspaceId, poolId, provider };
}

/** Fits a new session to its provider: the shape, or what is wrong. */
export function shapeInit(
  plane: Pick<Plane, 'localAddresses'>,
  provider: ProviderRecord,
  fitsToken: (token: string) => boolean,
  init: SessionInit,
  prefix: string,
): SessionShape | FieldViolation[] {
  const fields = {
    scheme: init.scheme ?? null,
    host: init.host ?? null,
    port: init.port ?? null,
    username: init.username ?? null,
    hasPassword: init.password !== undefined,
    passwordBytes: Buffer.byteLength(init.password ?? ''),
    tlsInsecure: init.tlsInsecure ?? false,
  };
  const shape = shapeSession(provider, fields, prefix, plane.localAddresses);
  if (fitsToken(init.token)) return shape;
  const misfit = { field: `${prefix}token`, description: 'must fit the tokenFormat of the provider' };
  return Array.isArray(shape) ? [misfit, ...shape] : [misfit];
}

/** The record of a new session, password sealed, and the password for the gateway. */
export function newSession(
  plane: Pick<Plane, 'clock' | 'newId'>,
  placement: Placement,
  sealer: WorkspaceSealer,
  shape: SessionShape,
  init: SessionInit,
): { record: SessionRecord; password: Secret | null } {
  const nowMs = plane.clock.nowMs();
  const id = plane.newId<SessionId>();
  const password = init.password === undefined ? null : new Secret(init.password);
  const endpoint = endpointOf(shape);
  const record: SessionRecord = {
    id,
    workspaceId: placement.workspaceId,
    poolId: placement.poolId,
    providerId: placement.provider.id,
    token: init.token,
    ...shape,
    // Only a STATIC session has a password, and that has an endpoint: the seal binds the two.
    passwordSealed:
      password === null || endpoint === null
        ? null
        : sealer.sealSessionPassword({ sessionId: id, endpoint, tlsInsecure: shape.tlsInsecure, serial: 1 }, password),
    labels: labelsOf(init.labels),
    enabled: true,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    unusable: false,
  };
  return { record, password };
}

/** Labels as stored: null for none. */
export function labelsOf(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> | null {
  return Object.keys(labels).length === 0 ? null : { ...labels };
}
