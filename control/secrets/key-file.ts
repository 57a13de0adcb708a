/**
 * Files with keys in them: for their owner only, whole or not there, on disk before
 * anything relies on them. Called by `master-key.ts` and `destroyed-record.ts`.
 * Blocking: they are small, and read or written a few times in a process's life.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { SecretError } from './secret-error.ts';

const OTHERS = 0o077;

/** The text of the file, or null when there is none. Throws a SecretError (`key-exposed`, `key-unreadable`). */
export function readPrivateFile(file: string): string | null {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw unreadable(file, error);
  }
  try {
    // Of the open file, not of the name: nothing can be swapped in between.
    const { mode } = fstatSync(fd);
    if ((mode & OTHERS) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretError('key-exposed', `the master key file ${file} has mode ${shown}: make it 0600 (chmod 600)`);
    }
    return readFileSync(fd, 'latin1');
  } catch (error) {
    throw error instanceof SecretError ? error : unreadable(file, error);
  } finally {
    closeSync(fd);
  }
}

/** Makes the file, unless one appeared meanwhile (then EEXIST). Throws a SecretError (`key-unreadable`). */
export function createPrivateFile(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Written aside and linked: a crash leaves no half-written key, and a file that appeared meanwhile is not replaced.
    const draft = writeDraft(file, text);
    linkSync(draft, file);
    unlinkSync(draft);
    // The name must be on disk before anything that this key wraps is.
    syncDirectory(dirname(file));
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Puts `text` in the file's place: after a crash it holds the old text or the new. Throws a SecretError (`key-unreadable`). */
export function replacePrivateFile(file: string, text: string): void {
  try {
    renameSync(writeDraft(file, text), file);
    syncDirectory(dirname(file));
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Gives the file another's name, in its place. Throws a SecretError (`key-unreadable`). */
export function renamePrivateFile(from: string, to: string): void {
  try {
    renameSync(from, to);
    syncDirectory(dirname(to));
  } catch (error) {
    throw unreadable(to, error);
  }
}

/** Removes what a crash may have left beside the file. */
export function removeDraft(file: string): void {
  try {
    rmSync(draftOf(file), { force: true });
  } catch {
    // A directory that cannot be written holds no draft of ours.
  }
}

function draftOf(file: string): string {
  return `${file}.draft`;
}

function writeDraft(file: string, text: string): string {
  const draft = draftOf(file);
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return draft;
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function unreadable(file: string, error: unknown): SecretError {
  return new SecretError(
    'key-unreadable',
    `the master key file ${file} cannot be read or written (${systemCode(error) ?? 'unknown error'})`,
    { cause: error },
  );
}
