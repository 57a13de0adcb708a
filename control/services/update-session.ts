/**
 * UpdateSession: partial by presence, and careful with the password.
 *
 * - A stored password is bound to where it is sent: changing scheme, host or port
 *   needs the password again, so that nobody can have it sent to a host of their own.
 * - A password that is given always counts as a change, even an equal one: else
 *   `version` would tell whether a guess was right.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { SessionId, WorkspaceId } from '../../src/core/model.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { endpointOf, sessionMessage, sessionPut } from '../convert/sessions.ts';
import { DomainError, type FieldViolation, malformed, notFound } from '../domain-error.ts';
import type { Proxies, UpdateSessionRequest } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { Secret } from '../secrets/secret.ts';
import { SecretError } from '../secrets/secret-error.ts';
import type { WorkspaceSealer } from '../secrets/vault.ts';
import { loadProvider } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { loadSession, replaceSession, type SessionRecord } from '../store/sessions.ts';
import { labelsOf } from './new-session.ts';
import { shapeSession } from './session-shape.ts';

export function updateSession(plane: Plane): ServiceImpl<typeof Proxies>['updateSession'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const contradictions = contradictionsIn(request);
    if (contradictions.length > 0) throw malformed(contradictions);
    const sealer = await plane.vault.forWorkspace(plane.store.db, workspaceId);
    return mutate(plane, call, async (tx) => {
      const before = await loadSession(tx, workspaceId, idFrom<SessionId>(request.sessionId));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const { after, password } = await applyUpdate(plane, tx, workspaceId, sealer, before, request);
      if (sameSession(before, after)) {
        return { answer: { session: sessionMessage(before) }, changes: [], workspaceId, objectId: before.id, count: 0 };
      }
      const record = { ...after, version: before.version + 1, updatedAtMs: plane.clock.nowMs() };
      await replaceSession(tx, record);
      return {
        answer: { session: sessionMessage(record) },
        changes: [sessionPut(record, password)],
        workspaceId,
        objectId: record.id,
        count: 1,
      };
    });
  };
}

function contradictionsIn(request: UpdateSessionRequest): FieldViolation[] {
  const found: FieldViolation[] = [];
  if (request.clearLabels && Object.keys(request.labels).length > 0) {
    found.push({ field: 'clearLabels', description: 'must not come with labels' });
  }
  if (request.clearPassword && request.password) {
    found.push({ field: 'clearPassword', description: 'must not come with password' });
  }
  return found;
}

/** The session after the update, its password sealed anew if given; and the password in clear for the gateway. */
async function applyUpdate(
  plane: Plane,
  tx: Transaction<Schema>,
  workspaceId: WorkspaceId,
  sealer: WorkspaceSealer,
  before: SessionRecord,
  request: UpdateSessionRequest,
): Promise<{ after: SessionRecord; password: Secret | null }> {
  const provider = await loadProvider(tx, workspaceId, before.providerId);
  if (provider === null) throw notFound();
  const given = request.password ? new Secret(request.password) : null;
  const keepsPassword = given === null && !request.clearPassword && before.passwordSealed !== null;
  const fields = {
    scheme: request.scheme ?? before.scheme,
    host: cleared(request.host, before.host),
    port: request.port ?? before.port,
    username: cleared(request.username, before.username),
    hasPassword: given !== null || keepsPassword,
  };
  const shape = shapeSession(provider, fields, '', plane.localAddresses);
  if (Array.isArray(shape)) throw malformed(shape);
  const moved = shape.scheme !== before.scheme || shape.host !== before.host || shape.port !== before.port;
  if (moved && keepsPassword) {
    throw new DomainError('failed_precondition', 'password: must be given again when scheme, host or port change');
  }
  const endpoint = endpointOf(shape);
  const row = endpoint === null ? null : { sessionId: before.id, endpoint };
  let passwordSealed = keepsPassword ? before.passwordSealed : null;
  let password = given;
  if (row !== null && given !== null) passwordSealed = sealer.sealSessionPassword(row, given);
  if (row !== null && keepsPassword && before.passwordSealed !== null) {
    password = openStored(sealer, row, before.passwordSealed);
  }
  const after: SessionRecord = {
    ...before,
    ...shape,
    passwordSealed,
    labels: request.clearLabels ? null : (labelsOf(request.labels) ?? before.labels),
    enabled: request.enabled ?? before.enabled,
  };
  return { after, password };
}

/** The stored password; one that does not open any more must be given again or cleared. */
function openStored(
  sealer: WorkspaceSealer,
  row: Parameters<WorkspaceSealer['openSessionPassword']>[0],
  blob: Buffer,
): Secret {
  try {
    return sealer.openSessionPassword(row, blob);
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind !== 'unsealable') throw error;
    throw new DomainError('failed_precondition', 'password: the stored one cannot be read; give it again or clear it');
  }
}

/** A text field after an update: absent keeps it, empty clears it. */
function cleared(given: string | undefined, before: string | null): string | null {
  return given === undefined ? before : given === '' ? null : given;
}

/** Whether nothing changed; sealed passwords are compared as blobs, and sealing anew always makes another blob. */
function sameSession(a: SessionRecord, b: SessionRecord): boolean {
  const plain = ['scheme', 'host', 'port', 'username', 'enabled', 'passwordSealed'] as const;
  return plain.every((field) => a[field] === b[field]) && sameLabels(a.labels ?? {}, b.labels ?? {});
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
