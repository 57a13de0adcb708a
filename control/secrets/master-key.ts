/**
 * The master key: 32 bytes that wrap every workspace's key, kept apart from the
 * database. From the configuration, or from a file that the first start makes for
 * its owner only. Never made anew once the store holds keys that the old one
 * wrapped: that would look like a good start and have lost every secret.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KEY_LENGTH } from './sealing.ts';
import { SecretError } from './secret-error.ts';

const OTHERS = 0o077;
const HEX = /^[0-9a-fA-F]{64}$/;
/** Standard or URL-safe, with or without its padding. */
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

export interface MasterKeySource {
  /** The key itself, in base64 or hexadecimal, or null to use the file. */
  readonly value: string | null;
  readonly file: string;
  /** Whether the file may be made when absent: true while the store holds no wrapped key. */
  readonly mayCreate: boolean;
}

/** The master key's 32 bytes; throws a SecretError (`key-malformed`, `key-missing`, `key-exposed`, `key-unreadable`). */
export function loadMasterKey(source: MasterKeySource): Buffer {
  if (source.value !== null) return parseMasterKey(source.value, 'SALLYPORT_MASTER_KEY');
  return readKeyFile(source.file) ?? createKeyFile(source);
}

function parseMasterKey(text: string, where: string): Buffer {
  const trimmed = text.trim();
  if (HEX.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (BASE64.test(trimmed)) return Buffer.from(trimmed, 'base64');
  throw new SecretError(
    'key-malformed',
    `the master key in ${where} must be ${KEY_LENGTH} bytes in base64 or hexadecimal`,
  );
}

/** null when there is no such file. */
function readKeyFile(file: string): Buffer | null {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unreadable(file, error);
  }
  try {
    // Of the open file, not of the name: nothing can be swapped in between.
    const { mode } = fstatSync(fd);
    if ((mode & OTHERS) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretError('key-exposed', `the master key file ${file} has mode ${shown}: make it 0600 (chmod 600)`);
    }
    return parseMasterKey(readFileSync(fd, 'latin1'), file);
  } catch (error) {
    throw error instanceof SecretError ? error : unreadable(file, error);
  } finally {
    closeSync(fd);
  }
}

function createKeyFile({ file, mayCreate }: MasterKeySource): Buffer {
  if (!mayCreate) {
    throw new SecretError(
      'key-missing',
      `the master key file ${file} is missing, and the database holds secrets that only it opens: put it back`,
    );
  }
  const key = randomBytes(KEY_LENGTH);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Written aside and linked: a crash leaves no half-written key, and a file that appeared meanwhile is not replaced.
    const draft = `${file}.${process.pid}`;
    writeDurably(draft, `${key.toString('base64')}\n`);
    linkSync(draft, file);
    unlinkSync(draft);
    // The name must be on disk before anything that this key wraps is.
    syncDirectory(dirname(file));
    return key;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function writeDurably(file: string, text: string): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unreadable(file: string, error: unknown): SecretError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  return new SecretError('key-unreadable', `the master key file ${file} cannot be read or made (${code})`, {
    cause: error,
  });
}
