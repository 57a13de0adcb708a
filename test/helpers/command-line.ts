/** Commands run in this process, as `main.ts` runs them, with nobody at a terminal unless a test says so. */
import { readFileSync } from 'node:fs';
import type { CommandHost } from '../../src/cli/host.ts';
import { runProgram } from '../../src/cli/program.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON; null when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  readonly json: any;
}

/** Runs commands against the server of an environment. */
export function commandLine(env: Record<string, string>, over: Partial<CommandHost> = {}) {
  return async (...argv: string[]): Promise<Ran> => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runProgram(argv, {
      env,
      readFile: (path) => readFileSync(path, 'utf8'),
      print: (text) => void out.push(text),
      complain: (text) => void err.push(text),
      terminal: null,
      stage: null,
      ask: null,
      onInterrupt: () => () => undefined,
      ...over,
    });
    const stdout = out.join('\n');
    return {
      code,
      stdout,
      stderr: err.join('\n'),
      get json() {
        return stdout === '' ? null : JSON.parse(stdout);
      },
    };
  };
}
