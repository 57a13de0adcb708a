/** One run of the command line: `sallyport …` as a process of its own, to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { FROM_SOURCE } from './product.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it without a terminal; `env` is all the environment it has but PATH and the cache of compiled code. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main = FROM_SOURCE,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      out[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...out };
}
