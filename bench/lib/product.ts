/**
 * The product of a source tree, as `npm start` would run it: built where the source
 * is newer, in the launcher's environment. Used by whatever bench starts it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface ProductProgram {
  readonly main: string;
  /** What the launcher adds to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Builds it when needed; throws when that fails, with the bundler's words on stderr. */
export function productOf(root: string): ProductProgram {
  const build = join(root, 'scripts/ensure-built.js');
  // A commit of before decision 0019: `npm start` ran the source.
  if (!existsSync(build)) return { main: join(root, 'src/main.ts'), env: {} };
  const { status } = spawnSync(process.execPath, [build], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`${root} cannot be built`);
  return { main: join(root, 'dist/server/main.js'), env: { MALLOC_ARENA_MAX: '2' } };
}
