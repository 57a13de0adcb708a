/**
 * SQLite's online backup over the writing handle: what that handle commits while
 * the copy is under way is brought into the copy by SQLite itself. Called by
 * `database.ts`; runs on the control thread, a few pages a turn of the loop.
 *
 *   begin (no transaction open) ── step ─ step ─ (transaction open: wait) ─ step … ── last step: sync ── finished
 *                                    └ start over after a transaction was rolled back whole, a few times at most
 */
import { open } from 'node:fs/promises';
import { createExclusively } from './database-file.ts';
import { StoreError } from './store-error.ts';

/** Pages of 4 KiB copied in one turn: about a quarter of a millisecond. */
const PAGES_PER_STEP = 50;
/** Pages between two syncs beside the thread, so that the one at the end, which blocks it, finds little to do. */
const PAGES_PER_SYNC = 2_000;
/** How often a copy may start over. */
const MAX_RESTARTS = 20;

interface Progress {
  readonly totalPages: number;
  readonly remainingPages: number;
}

/** The writing handle, as far as a copy needs it. */
export interface CopySource {
  readonly inTransaction: boolean;
  backup(path: string, options: { progress: (progress: Progress) => number }): Promise<Progress>;
}

/** A copy that has begun. */
export interface Copy {
  /** Resolves when the copy is on disk, with all that was committed before. */
  readonly finished: Promise<void>;
}

/** Begins a copy into `path`, which must not exist; resolves once the first pages are taken. */
export async function startCopy(source: CopySource, path: string, signal: AbortSignal): Promise<Copy> {
  if (!createExclusively(path)) throw new StoreError('unwritable', `${path} exists already`);
  const begun = Promise.withResolvers<void>();
  const finished = copyPages(source, path, signal, begun.resolve);
  // Whoever awaits `finished` hears of a failure; here it only ends the wait for the first step.
  finished.then(begun.resolve, begun.resolve);
  await begun.promise;
  return { finished };
}

async function copyPages(source: CopySource, path: string, signal: AbortSignal, begun: () => void): Promise<void> {
  const file = await open(path, 'r+');
  let syncing: Promise<void> | null = null;
  let unsynced = 0;
  let restarts = 0;
  let copied = 0;
  try {
    const last = await source.backup(path, {
      progress({ totalPages, remainingPages }) {
        begun();
        signal.throwIfAborted();
        const before = copied;
        copied = totalPages - remainingPages;
        if (copied < before && ++restarts > MAX_RESTARTS) {
          throw new StoreError('busy', 'the copy of the database had to start over too often');
        }
        unsynced += PAGES_PER_STEP;
        if (unsynced >= PAGES_PER_SYNC && syncing === null) {
          unsynced = 0;
          syncing = file
            .datasync()
            // A failure to sync shows again, and counts, at the end.
            .catch(() => {})
            .finally(() => {
              syncing = null;
            });
        }
        return source.inTransaction ? 0 : PAGES_PER_STEP;
      },
    });
    if (last.totalPages === 0) throw new StoreError('busy', 'the copy of the database could not begin');
  } finally {
    // Not awaited: a write that commits meanwhile would be acknowledged before the end of the copy, and not be in it.
    Promise.resolve(syncing)
      .then(() => file.close())
      .catch(() => {});
  }
}
