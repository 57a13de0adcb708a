/**
 * Builds the product before the first test file, where it is not built yet: a vitest global setup, so that
 * files that run at the same time find one whole `dist/server/` and none builds under another.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const ENSURE_BUILT = new URL('../../scripts/ensure-built.js', import.meta.url).pathname;

/** Rejects when the build fails. */
export async function setup(): Promise<void> {
  await promisify(execFile)(process.execPath, [ENSURE_BUILT]);
}
