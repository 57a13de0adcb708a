/**
 * A session's password over an update: kept, given anew, or cleared. Whatever it was
 * sealed under is retired when it goes, so that the old value put back does not open.
 * Called by UpdateSession, inside its transaction.
 */
import type { Transaction } from 'kysely';
import type { Endpoint } from '../../src/core/model.ts';
import type { Plane } from '../call.ts';
import { DomainError } from '../domain-error.ts';
import type { Secret } from '../secrets/secret.ts';
import { SecretError } from '../secrets/secret-error.ts';
import type { SessionPlace, WorkspaceSealer } from '../secrets/workspace-sealer.ts';
import type { Schema } from '../store/schema.ts';
import { loadSealSerial, nextSealSerial, retireSeal } from '../store/seal-serials.ts';
import type { SessionRecord } from '../store/sessions.ts';
import type { UnusableRow } from '../unusable.ts';

/** The stored password does not open; `row` is what to report once the transaction is undone. */
export class UnreadablePassword extends DomainError {
  readonly row: UnusableRow;
  constructor({ id, workspaceId, passwordSealed }: SessionRecord) {
    super('failed_precondition', 'password: the stored one cannot be read; give it again or clear it');
    this.row = { id, workspaceId, sealed: passwordSealed, reason: 'unsealable' };
  }
}

/** The sealed password after an update, and the password in clear for the gateway; null for none. */
export interface PasswordAfter {
  readonly passwordSealed: Buffer | null;
  readonly password: Secret | null;
}

/** Where a password is sent, and how. */
type Delivery = Pick<SessionPlace, 'tlsInsecure'> & { readonly endpoint: Endpoint | null };

/** `to` is as it is after the update; `given` the new password, `keeps` whether the stored one stays where it is sent. */
export async function passwordAfter(
  plane: Pick<Plane, 'vault' | 'store'>,
  tx: Transaction<Schema>,
  before: SessionRecord,
  { endpoint, tlsInsecure }: Delivery,
  { given, keeps }: { readonly given: Secret | null; readonly keeps: boolean },
): Promise<PasswordAfter> {
  const { id: sessionId, passwordSealed: stored } = before;
  if (endpoint === null || (given === null && !keeps) || (given === null && stored === null)) {
    if (stored !== null) await retireSeal(tx, sessionId);
    return { passwordSealed: null, password: null };
  }
  const sealer = await plane.vault.forWorkspace(plane.store.db, before.workspaceId);
  if (given !== null) {
    const serial = await nextSealSerial(tx, sessionId, stored !== null);
    const place = { sessionId, endpoint, tlsInsecure, serial };
    return { passwordSealed: sealer.sealSessionPassword(place, given), password: given };
  }
  const place = { sessionId, endpoint, tlsInsecure: before.tlsInsecure, serial: await loadSealSerial(tx, sessionId) };
  const password = openStored(sealer, before, place);
  if (password === null || tlsInsecure === before.tlsInsecure) return { passwordSealed: stored, password };
  // Its upstream is checked again: what opens without that is retired.
  const serial = await retireSeal(tx, sessionId);
  return { passwordSealed: sealer.sealSessionPassword({ ...place, tlsInsecure, serial }, password), password };
}

function openStored(sealer: WorkspaceSealer, session: SessionRecord, place: SessionPlace): Secret | null {
  if (session.passwordSealed === null) return null;
  try {
    return sealer.openSessionPassword(place, session.passwordSealed);
  } catch (error) {
    if (error instanceof SecretError && error.kind === 'unsealable') throw new UnreadablePassword(session);
    throw error;
  }
}
