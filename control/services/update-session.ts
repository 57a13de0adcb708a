/**
 * UpdateSession: partial by presence, and careful with the password.
 *
 * - A stored password is bound to where it is sent: changing scheme, host or port, or
 *   no longer checking who is there, needs the password again, so that nobody can have
 *   it sent to a host of their own.
 * - A password that is given always counts as a change, even an equal one: else
 *   `version` would tell whether a guess was right.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { SessionId, WorkspaceId } from '../../src/core/model.ts';
import { auditFields, CHANGED, changedFields } from '../audit-diff.ts';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idFrom } from '../convert/ids.ts';
import { endpointOf, sessionMessage, sessionPut } from '../convert/sessions.ts';
import { DomainError, type FieldViolation, malformed, notFound } from '../domain-error.ts';
import { type Proxies, type Session, SessionSchema, type UpdateSessionRequest } from '../gen/proxies/v1/proxies_pb.ts';
import { type Effect, mutate } from '../mutation.ts';
import { Secret } from '../secrets/secret.ts';
import { loadPool } from '../store/pools.ts';
import { loadProvider } from '../store/providers.ts';
import type { Schema } from '../store/schema.ts';
import { loadSession, replaceSession, type SessionRecord } from '../store/sessions.ts';
import { reportUnusable } from '../unusable.ts';
import { labelsOf } from './new-session.ts';
import { passwordAfter, UnreadablePassword } from './session-password.ts';
import { shapeSession } from './session-shape.ts';

export function updateSession(plane: Plane): ServiceImpl<typeof Proxies>['updateSession'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    const contradictions = contradictionsIn(request);
    if (contradictions.length > 0) throw malformed(contradictions);
    const update = mutate(plane, call, async (tx) => {
      const before = await loadSession(tx, workspaceId, idFrom<SessionId>(request.sessionId));
      if (before === null) throw notFound();
      if (request.expectedVersion !== undefined && request.expectedVersion !== BigInt(before.version)) {
        throw new DomainError('aborted', 'expectedVersion: is not the current version');
      }
      const { after, password } = await applyUpdate(plane, tx, workspaceId, before, request);
      if (sameSession(before, after)) {
        return { answer: { session: sessionMessage(before) }, changes: [], workspaceId, objectId: before.id, count: 0 };
      }
      const record = { ...after, version: before.version + 1, updatedAtMs: plane.clock.nowMs() };
      await replaceSession(tx, record);
      const session = sessionMessage(record);
      return {
        answer: { session },
        changes: [sessionPut(record, password)],
        workspaceId,
        objectId: record.id,
        count: 1,
        ...auditOf(before, record, session, Boolean(request.password)),
      };
    });
    try {
      return await update;
    } catch (error) {
      if (error instanceof UnreadablePassword) await reportUnusable(plane, 'sessions', [error.row]);
      throw error;
    }
  };
}

/** What the audit row tells; of the password only that another, or none, is there now: the same sealed anew is neither. */
function auditOf(
  before: SessionRecord,
  after: SessionRecord,
  session: Session,
  isGiven: boolean,
): Pick<Effect<unknown>, 'before' | 'after'> {
  const was = auditFields(SessionSchema, sessionMessage(before));
  const fields = changedFields(was, auditFields(SessionSchema, session));
  const isGone = before.passwordSealed !== null && after.passwordSealed === null;
  if (!isGiven && !isGone) return fields;
  return { ...fields, after: { ...fields.after, password: CHANGED } };
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
  before: SessionRecord,
  request: UpdateSessionRequest,
): Promise<{ after: SessionRecord; password: Secret | null }> {
  const provider = await loadProvider(tx, workspaceId, before.providerId);
  // A row that somebody put back under a pool that is gone is nobody's to hand to the gateway.
  if (provider === null || (await loadPool(tx, workspaceId, before.poolId)) === null) throw notFound();
  const given = request.password ? new Secret(request.password) : null;
  const keepsPassword = given === null && !request.clearPassword && before.passwordSealed !== null;
  const fields = {
    scheme: request.scheme ?? before.scheme,
    host: cleared(request.host, before.host),
    port: request.port ?? before.port,
    username: cleared(request.username, before.username),
    hasPassword: given !== null || keepsPassword,
    passwordBytes: Buffer.byteLength(request.password ?? ''),
    tlsInsecure: request.tlsInsecure ?? before.tlsInsecure,
  };
  const shape = shapeSession(provider, fields, '', plane.localAddresses);
  if (Array.isArray(shape)) throw malformed(shape);
  const moved = shape.scheme !== before.scheme || shape.host !== before.host || shape.port !== before.port;
  if (moved && keepsPassword) {
    throw new DomainError('failed_precondition', 'password: must be given again when scheme, host or port change');
  }
  if (shape.tlsInsecure && !before.tlsInsecure && keepsPassword) {
    throw new DomainError('failed_precondition', 'password: must be given again when tlsInsecure is turned on');
  }
  const change = { given, keeps: keepsPassword };
  const delivery = { endpoint: endpointOf(shape), tlsInsecure: shape.tlsInsecure };
  const { passwordSealed, password } = await passwordAfter(plane, tx, before, delivery, change);
  const after: SessionRecord = {
    ...before,
    ...shape,
    passwordSealed,
    labels: request.clearLabels ? null : (labelsOf(request.labels) ?? before.labels),
    enabled: request.enabled ?? before.enabled,
    // Whatever got here has no password, a new one, or one that has just been opened.
    unusable: false,
  };
  return { after, password };
}

/** A text field after an update: absent keeps it, empty clears it. */
function cleared(given: string | undefined, before: string | null): string | null {
  return given === undefined ? before : given === '' ? null : given;
}

/** Whether nothing changed; sealed passwords are compared as blobs, and sealing anew always makes another blob. */
function sameSession(a: SessionRecord, b: SessionRecord): boolean {
  const plain = ['scheme', 'host', 'port', 'username', 'enabled', 'passwordSealed', 'unusable', 'tlsInsecure'] as const;
  return plain.every((field) => a[field] === b[field]) && sameLabels(a.labels ?? {}, b.labels ?? {});
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
