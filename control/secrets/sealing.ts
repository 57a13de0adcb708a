/**
 * Sealing: AES-256-GCM over one value of one column of one row, bound to where it
 * will be sent. Pure functions over a key; `vault.ts` finds the key.
 *
 *   blob = format (1 byte) ‖ key version (4, big-endian) ‖ nonce (12) ‖ tag (16) ‖ ciphertext
 *
 * The associated data names all that must not change under the blob, so that a
 * value moved to another row, column or workspace, left behind when a row's endpoint
 * was changed in the file, or put back after it was replaced, does not open. Nonces are
 * random: the bound of NIST SP 800-38D is 2^32 values under one key (`seal-counter.ts`).
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { Endpoint, WorkspaceId } from '../../src/core/model.ts';
import type { RandomFill } from '../random-pool.ts';
import { SecretError } from './secret-error.ts';

const FORMAT = 1;
const ALGORITHM = 'aes-256-gcm';
const NONCE_OFFSET = 5;
const TAG_OFFSET = 17;
const TEXT_OFFSET = 33;
/** Without this, Node takes tags of 4 bytes when opening, and forging costs 2^32 tries. */
const TAG_LENGTH = 16;

/** Bytes of every key here: workspace keys and the master key. */
export const KEY_LENGTH = 32;

/** What a sealed value belongs to. */
export interface SealedPlace {
  readonly workspaceId: WorkspaceId;
  /** UUID text of the row. */
  readonly rowId: string;
  /** Table and column. */
  readonly column: string;
  /** Where the value will be sent; null where the row has no endpoint. */
  readonly endpoint: Endpoint | null;
  /** Which secret of the row it is, of `store/seal-serials.ts`: 1 for the first. */
  readonly serial: number;
}

/** 32 bytes; as a KeyObject, the cipher need not import it anew for each value. */
type Key = Buffer | KeyObject;

/** A workspace's key of one version. */
export interface SealingKey {
  readonly version: number;
  readonly key: Key;
}

/** Seals a value for its place; `fillRandom` gives the nonce. */
export function seal(
  sealingKey: SealingKey,
  place: SealedPlace,
  plaintext: Uint8Array,
  fillRandom: RandomFill,
): Buffer {
  // A part of a buffer that many share, as every byte of it is written here: one of its own would have to be collected.
  const blob = Buffer.allocUnsafe(TEXT_OFFSET + plaintext.length);
  const nonce = blob.subarray(NONCE_OFFSET, TAG_OFFSET);
  fillRandom(nonce);
  const cipher = createCipheriv(ALGORITHM, sealingKey.key, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(associatedData(place, sealingKey.version));
  blob[0] = FORMAT;
  blob.writeUInt32BE(sealingKey.version, 1);
  blob.set(cipher.update(plaintext), TEXT_OFFSET);
  cipher.final();
  blob.set(cipher.getAuthTag(), TAG_OFFSET);
  return blob;
}

/**
 * Opens a sealed value. `keyOf` gives the workspace's key of a version, or undefined. Whatever is wrong, it
 * throws the same SecretError of kind `unsealable`: which check failed would only help whoever changed the blob.
 */
export function open(keyOf: (version: number) => Key | undefined, place: SealedPlace, blob: Uint8Array): Buffer {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.length);
  if (bytes.length < TEXT_OFFSET || bytes[0] !== FORMAT) throw unsealable();
  const version = bytes.readUInt32BE(1);
  const key = keyOf(version);
  if (key === undefined) throw unsealable();
  try {
    const nonce = bytes.subarray(NONCE_OFFSET, TAG_OFFSET);
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(associatedData(place, version));
    decipher.setAuthTag(bytes.subarray(TAG_OFFSET, TEXT_OFFSET));
    const text = decipher.update(bytes.subarray(TEXT_OFFSET));
    // Adds no bytes in this mode: it checks the tag, and throws.
    decipher.final();
    return text;
  } catch {
    // OpenSSL's reason is not passed on either.
    throw unsealable();
  }
}

/** The key version of a sealed value; 0, which no key has, for bytes that are none. */
export function sealedVersion(blob: Buffer): number {
  return blob.length < TEXT_OFFSET ? 0 : blob.readUInt32BE(1);
}

/** Fields are joined by NUL, which none of them can hold, so no two places give the same bytes. */
function associatedData(place: SealedPlace, keyVersion: number): Buffer {
  const { workspaceId, rowId, column, endpoint, serial } = place;
  const where = endpoint === null ? '' : `${endpoint.scheme}://${endpoint.host}:${endpoint.port}`;
  // A first secret has no seventh field: so were values sealed before there were serials.
  const replaced = serial > 1 ? `\0${serial}` : '';
  return Buffer.from(`${FORMAT}\0${workspaceId}\0${rowId}\0${column}\0${where}\0${keyVersion}${replaced}`);
}

function unsealable(): SecretError {
  return new SecretError(
    'unsealable',
    'a sealed value does not open: it was changed, moved, or sealed for another place',
  );
}
