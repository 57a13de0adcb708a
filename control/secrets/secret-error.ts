/**
 * Why a secret or a key cannot be used, as a closed set of kinds. The texts name
 * files and rules; no bytes of a key, a blob or a plaintext are ever in one.
 */
export type SecretErrorKind =
  /** The master key's file is missing, and making a new one would lose what the old one sealed. */
  | 'key-missing'
  /** The master key is not 32 bytes in base64 or hexadecimal. */
  | 'key-malformed'
  /** The master key's file can be read or written by others than its owner. */
  | 'key-exposed'
  /** The master key's file cannot be read or made. */
  | 'key-unreadable'
  /** The master key is not the one that wrapped the keys of this store. */
  | 'key-wrong'
  /** A workspace's key in the store does not open with the master key that wrapped it: the row was changed. */
  | 'key-changed'
  /** A workspace's key was destroyed with the workspace, and a backup with it is back. */
  | 'key-destroyed'
  /** A workspace has no encryption key in the store. */
  | 'no-workspace-key'
  /** A sealed value does not open: changed, moved to another row, or sealed for another endpoint. */
  | 'unsealable';

export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly kind: SecretErrorKind;

  constructor(kind: SecretErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
