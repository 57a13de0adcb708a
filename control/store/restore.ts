/**
 * Puts a backup in the database's place, while no process has it. Called by
 * `control/restore.ts`, which says whether the copy's keys open.
 *
 *   lock ─ copy beside ─ check ─ migrate, accept ─ keep the old one under another name ─ rename ─ sync
 *
 * Invariant: until the one rename that puts the new file in place, the database is
 * the old one, whole; from then on the new one, whole.
 */
import { createReadStream, createWriteStream, existsSync, linkSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { checkCopy } from './copy-check.ts';
import { lockDatabase, openAlone, openStore, type Store } from './database.ts';
import { copyPathOf, removeLeftovers, syncPath } from './database-file.ts';
import { StoreError } from './store-error.ts';

/** What SQLite keeps beside a database that was not closed cleanly: part of it, and poison to another one. */
const SIDE_FILES = ['-wal', '-shm', '-journal'];

export interface StoreRestore {
  readonly backupPath: string;
  readonly databasePath: string;
  /** Names the file that the replaced database is kept under. */
  readonly nowMs: number;
  /** Throws when the restored store is not to be used; it may be read here, in its newest schema. */
  readonly accept: (store: Store) => Promise<void>;
}

/**
 * Replaces the database by the backup, which stays as it is. Answers where the replaced one is kept, null when there was
 * none. Rejects with a StoreError (`in-use`, `not-a-database`, `foreign-database`, `newer-schema`, `corrupt`, …) or with
 * what `accept` threw, and then nothing has changed.
 */
export async function restoreStore(options: StoreRestore): Promise<string | null> {
  const { backupPath, databasePath, nowMs, accept } = options;
  const lock = lockDatabase(databasePath);
  try {
    removeLeftovers(databasePath);
    const draft = copyPathOf(databasePath, 'restore');
    await prepareDraft(backupPath, draft, accept);
    return swapIn(draft, databasePath, nowMs);
  } finally {
    removeLeftovers(databasePath);
    lock.close();
  }
}

/** A copy of the backup at `draft`: checked, migrated, accepted, on disk. */
async function prepareDraft(backupPath: string, draft: string, accept: StoreRestore['accept']): Promise<void> {
  try {
    await pipeline(createReadStream(backupPath), createWriteStream(draft, { flags: 'wx', mode: 0o600 }));
    checkCopy(draft);
    const store = await openStore({ path: draft });
    try {
      await accept(store);
    } finally {
      await store.close();
    }
    syncPath(draft);
  } catch (error) {
    throw aboutBackup(error, backupPath, draft);
  }
}

/** An error that names the backup where it named the draft, which nobody knows. */
function aboutBackup(error: unknown, backupPath: string, draft: string): unknown {
  if (error instanceof StoreError) {
    return new StoreError(error.kind, error.message.replaceAll(draft, backupPath), { cause: error.cause });
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined) return error;
  return new StoreError('unwritable', `${path === draft ? draft : backupPath} cannot be used (${code})`, {
    cause: error,
  });
}

/** Keeps the old database by a second name, then lets the draft take its first. */
function swapIn(draft: string, databasePath: string, nowMs: number): string | null {
  let kept: string | null = null;
  if (existsSync(databasePath)) {
    emptyWal(databasePath);
    kept = `${databasePath}.before-restore-${new Date(nowMs).toISOString().replaceAll(/[-:.]/g, '')}`;
    linkSync(databasePath, kept);
  }
  // There are none unless the old database is too damaged to be opened: they must not meet the new one.
  for (const suffix of SIDE_FILES) {
    const side = `${databasePath}${suffix}`;
    if (existsSync(side)) renameSync(side, `${kept ?? draft}${suffix}`);
  }
  renameSync(draft, databasePath);
  syncPath(dirname(databasePath));
  return kept;
}

/** Brings what a crash left in the WAL into the database; refuses to go on over a file that is not ours. */
function emptyWal(databasePath: string): void {
  try {
    const old = openAlone(databasePath);
    try {
      old.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      old.close();
    }
  } catch (error) {
    // Damaged, or of a newer program: a reason to restore, not one against it.
    if (!(error instanceof StoreError) || error.kind === 'foreign-database') throw error;
  }
}
