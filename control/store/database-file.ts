/**
 * The database's files on disk: there, ours, and for their owner only. Modes are
 * given when a file is made, not by umask, which a worker thread cannot set;
 * SQLite gives -wal and -shm the mode of the database.
 */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StoreError } from './store-error.ts';

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;
const COPY_INFIX = '.copy-';

/** Makes the file, empty, and its directory where absent; takes group's and others' rights from one that exists. */
export function preparePrivateFile(path: string): void {
  try {
    // Directories that exist keep their mode: they may hold more than ours.
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (createExclusively(path)) return;
    const found = statSync(path);
    if (!found.isFile()) throw new StoreError('unwritable', `${path} is not a file`);
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat !== undefined && (stat.mode & OTHERS) !== 0) chmodSync(file, OWNER_ONLY);
    }
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new StoreError('unwritable', `cannot make or open the database ${path} (${code})`, { cause: error });
  }
}

/** Where a copy of the database at `path` is made: beside it, so that it is as private and on the same disk. */
export function copyPathOf(path: string, name: string): string {
  return `${path}${COPY_INFIX}${name}`;
}

/** Removes what copies under way left behind when their process died; call it while the database is locked. */
export function removeLeftovers(path: string): void {
  const prefix = basename(copyPathOf(path, ''));
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(prefix)) rmSync(join(dirname(path), name), { force: true });
  }
}

/** Makes an empty file for its owner only; false when there is one. Its name is on disk when this returns. */
export function createExclusively(path: string): boolean {
  try {
    const fd = openSync(path, 'wx', OWNER_ONLY);
    fsyncSync(fd);
    closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  // A file is durable only once its name is: sync the directory as well.
  syncPath(dirname(path));
  return true;
}

/** Waits until a file's content, or a directory's names, are on disk. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
