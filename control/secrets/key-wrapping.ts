/**
 * Workspace keys: a random 256-bit key for each workspace and version, kept in the
 * store only wrapped (AES-256-GCM, bound to workspace and version) by the workspace's
 * own leaf of the master key. Changing the master key rewraps these rows and no others;
 * destroying the leaf makes them unreadable wherever they were copied to.
 *
 *   wrapped = nonce (12) ‖ tag (16) ‖ encrypted key (32)
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { WorkspaceKeyRecord } from '../store/workspace-keys.ts';
import type { Keyring } from './keyring.ts';
import type { MasterKey } from './master-key.ts';
import { KEY_LENGTH } from './sealing.ts';
import { SecretError } from './secret-error.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const WRAPPED_LENGTH = NONCE_LENGTH + TAG_LENGTH + KEY_LENGTH;

/** A new random workspace key. */
export function generateWorkspaceKey(): Buffer {
  return randomBytes(KEY_LENGTH);
}

/** Wraps a workspace key for the store; throws a SecretError (`key-destroyed`) for a destroyed workspace. */
export function wrapKey(keyring: Keyring, workspaceId: WorkspaceId, version: number, key: Buffer): Buffer {
  const wrapping = keyring.keyOf(workspaceId);
  if (wrapping === null) throw destroyed(workspaceId);
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(ALGORITHM, wrapping, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(associatedData(workspaceId, version));
  const text = cipher.update(key);
  cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

/**
 * Unwraps a workspace key of the store; throws a SecretError: `key-destroyed`, `key-wrong` (wrapped by
 * another master key), `key-changed` (the row is not what was stored).
 */
export function unwrapKey(masterKey: MasterKey, record: WorkspaceKeyRecord): Buffer {
  const { workspaceId, version, keyring: keyringId } = record;
  if (keyringId === null) return unwrapBare(masterKey, record);
  const keyring = masterKey.keyring(keyringId);
  if (keyring === null) {
    const ids = masterKey.keyringIds.map((id) => id.toString('hex')).join(', ');
    throw new SecretError(
      'key-wrong',
      `the key of workspace ${workspaceId} is wrapped by the master key ${keyringId.toString('hex')}, and ${ids} is at hand`,
    );
  }
  if (masterKey.isDestroyed(workspaceId)) throw destroyed(workspaceId);
  const wrapping = keyring.keyOf(workspaceId);
  if (wrapping === null) throw destroyed(workspaceId);
  const key = decrypt(wrapping, record);
  if (key === null) {
    throw new SecretError(
      'key-changed',
      `version ${version} of the key of workspace ${workspaceId} was changed in the database`,
    );
  }
  return key;
}

/** Rows of schema 1 name no keyring: the master key itself wraps them. */
function unwrapBare(masterKey: MasterKey, record: WorkspaceKeyRecord): Buffer {
  for (const bareKey of masterKey.bareKeys) {
    const key = decrypt(bareKey, record);
    if (key !== null) return key;
  }
  throw new SecretError(
    'key-wrong',
    `the master key does not open the key of workspace ${record.workspaceId}: it is another master key, or the row was changed`,
  );
}

function decrypt(wrapping: Buffer, { workspaceId, version, wrappedKey }: WorkspaceKeyRecord): Buffer | null {
  try {
    if (wrappedKey.length !== WRAPPED_LENGTH) return null;
    const nonce = wrappedKey.subarray(0, NONCE_LENGTH);
    const decipher = createDecipheriv(ALGORITHM, wrapping, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(associatedData(workspaceId, version));
    decipher.setAuthTag(wrappedKey.subarray(NONCE_LENGTH, NONCE_LENGTH + TAG_LENGTH));
    return Buffer.concat([decipher.update(wrappedKey.subarray(NONCE_LENGTH + TAG_LENGTH)), decipher.final()]);
  } catch {
    // The tag does not fit; OpenSSL's reason is not passed on.
    return null;
  }
}

function associatedData(workspaceId: WorkspaceId, version: number): Buffer {
  return Buffer.from(`workspace-key\0${workspaceId}\0${version}`);
}

function destroyed(workspaceId: WorkspaceId): SecretError {
  return new SecretError('key-destroyed', `the encryption key of workspace ${workspaceId} was destroyed`);
}
