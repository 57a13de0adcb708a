/**
 * A thread that checks one copy of the database and ends: reading every page
 * would stop the control plane's own thread for seconds. Answers null, or why
 * the copy is no good.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { checkCopy } from './copy-check.ts';
import { StoreError, type StoreErrorKind } from './store-error.ts';

/** What the thread answers. */
export type CopyVerdict = { readonly kind: StoreErrorKind; readonly message: string } | null;

function verdictOn(path: string): CopyVerdict {
  try {
    checkCopy(path);
    return null;
  } catch (error) {
    if (error instanceof StoreError) return { kind: error.kind, message: error.message };
    throw error;
  }
}

parentPort!.postMessage(verdictOn(workerData as string));
