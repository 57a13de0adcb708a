/**
 * Workspace keys: a random 256-bit key for each workspace and version, kept in the
 * store only wrapped by the master key (AES-256-GCM bound to workspace and version).
 * Destroying the wrapped keys destroys the workspace's secrets, in backups too once
 * those lack the row; changing the master key rewraps these rows and no others.
 *
 *   wrapped = nonce (12) ‖ tag (16) ‖ encrypted key (32)
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { WorkspaceId } from '../../src/core/model.ts';
import type { WorkspaceKeyRecord } from '../store/workspace-keys.ts';
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

/** Wraps a workspace key for the store. */
export function wrapKey(masterKey: Buffer, workspaceId: WorkspaceId, version: number, key: Buffer): Buffer {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(ALGORITHM, masterKey, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(associatedData(workspaceId, version));
  const text = cipher.update(key);
  cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

/** Unwraps a workspace key of the store; throws a SecretError of kind `key-wrong`. */
export function unwrapKey(masterKey: Buffer, record: WorkspaceKeyRecord): Buffer {
  const { wrappedKey } = record;
  try {
    if (wrappedKey.length !== WRAPPED_LENGTH) throw new RangeError('wrong length');
    const nonce = wrappedKey.subarray(0, NONCE_LENGTH);
    const decipher = createDecipheriv(ALGORITHM, masterKey, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(associatedData(record.workspaceId, record.version));
    decipher.setAuthTag(wrappedKey.subarray(NONCE_LENGTH, NONCE_LENGTH + TAG_LENGTH));
    return Buffer.concat([decipher.update(wrappedKey.subarray(NONCE_LENGTH + TAG_LENGTH)), decipher.final()]);
  } catch {
    throw new SecretError(
      'key-wrong',
      `the master key does not open the key of workspace ${record.workspaceId}: it is another master key, or the row was changed`,
    );
  }
}

function associatedData(workspaceId: WorkspaceId, version: number): Buffer {
  return Buffer.from(`workspace-key\0${workspaceId}\0${version}`);
}
