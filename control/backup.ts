/**
 * One backup, from the running store to a file that is checked, and from there to
 * whoever asked: copy ─ check ─ read ─ remove. Called by the service; one at a time.
 *
 * Invariant: the file lives beside the database, for its owner only, and is gone
 * when `remove` has run; what a crash leaves, the next start of the store removes.
 */
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../src/core/clock.ts';
import type { CopyVerdict } from './store/copy-check-worker.ts';
import type { Store } from './store/database.ts';
import { copyPathOf } from './store/database-file.ts';
import { StoreError } from './store/store-error.ts';

/** Largest piece of a backup on its way, bytes: the protocol's own bound. */
const PIECE_BYTES = 256 * 1024;

export interface Backup {
  /** When the copy ended, milliseconds since the epoch: all that was acknowledged before is in it. */
  readonly endedAtMs: number;
  /** Size of the file. */
  readonly totalBytes: number;
  /** The file in pieces of at most 256 KiB; each is read when it is asked for. */
  pieces(): AsyncIterable<Uint8Array>;
  /** Removes the file; idempotent. */
  remove(): Promise<void>;
}

/** Makes a backup that has been checked. Rejects with a StoreError, or with the signal's reason. */
export async function makeBackup(store: Store, clock: Clock, signal: AbortSignal): Promise<Backup> {
  const path = copyPathOf(store.path, 'backup');
  let removed: Promise<unknown> | null = null;
  // Once only: the name is used again by the next backup.
  const remove = async () => {
    removed ??= Promise.all([path, `${path}-journal`].map((file) => rm(file, { force: true })));
    await removed;
  };
  try {
    await store.copyTo(path, signal);
    const endedAtMs = clock.nowMs();
    await checkBeside(path, signal);
    return {
      endedAtMs,
      totalBytes: (await stat(path)).size,
      pieces: () => createReadStream(path, { highWaterMark: PIECE_BYTES }),
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Checks the copy on a thread of its own. */
async function checkBeside(path: string, signal: AbortSignal): Promise<void> {
  // Written like this for scripts/bundle.ts, which makes every such file an entry of its own.
  const worker = new Worker(new URL('./store/copy-check-worker.ts', import.meta.url), { workerData: path });
  const { promise, resolve, reject } = Promise.withResolvers<CopyVerdict>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  worker.once('message', resolve).once('error', reject);
  worker.once('exit', () => reject(new Error('the thread that checks a backup ended without an answer')));
  try {
    signal.throwIfAborted();
    const verdict = await promise;
    if (verdict !== null) throw new StoreError(verdict.kind, verdict.message);
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
