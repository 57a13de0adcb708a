/**
 * Running the steps of a script one after the other, each a child on this very
 * runtime with its output shown as it comes. Used by check.ts and build.ts.
 */
import { spawnSync } from 'node:child_process';

export interface Step {
  readonly name: string;
  /** A script and its arguments, from the root of the project. */
  readonly args: readonly string[];
}

/** Runs every step, also after a failure, and prints a line for each; answers whether all of them passed. */
export function runSteps(steps: readonly Step[]): boolean {
  const results = steps.map(({ name, args }) => {
    const startedMs = performance.now();
    const { status } = spawnSync(process.execPath, [...args], {
      stdio: 'inherit',
      cwd: new URL('..', import.meta.url),
    });
    return { name, passed: status === 0, seconds: (performance.now() - startedMs) / 1_000 };
  });
  for (const { name, passed, seconds } of results) {
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)`);
  }
  return results.every(({ passed }) => passed);
}
