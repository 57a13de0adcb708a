/**
 * Asks a vendor again when asking again may help. For work in the background only: a
 * caller who waits is told at once, with how long to wait.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { VendorError, type VendorErrorKind } from './vendor-error.ts';

const ATTEMPTS = 4;
/** Doubles with each attempt, where the vendor does not say how long to wait. */
const FIRST_WAIT_MS = 250;
/** A vendor that asks for longer is asked at the next regular run instead. */
const LONGEST_WAIT_MS = 300_000;

const CURABLE: ReadonlySet<VendorErrorKind> = new Set(['limited', 'timeout', 'unreachable', 'failed']);

/** What `attempt` answers at last; rejects with its last VendorError, or as `stopped` when the signal says so. */
export async function patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof VendorError) || !CURABLE.has(error.kind) || attempts === ATTEMPTS) throw error;
      const waitMs = error.retryAfterMs ?? FIRST_WAIT_MS * 2 ** (attempts - 1);
      if (waitMs > LONGEST_WAIT_MS) throw error;
      await wait(waitMs, undefined, { signal, ref: false }).catch(() => {
        throw new VendorError('stopped');
      });
    }
  }
}
