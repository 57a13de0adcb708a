/**
 * Runs the programs of the matrix: one process a cell, with a small environment of
 * its own, which prints one JSON line with what it saw.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { full } from '../../helpers/full.ts';

/** What a program tells of one URL. */
export interface Answer {
  readonly status?: number;
  readonly body?: string;
  readonly length?: number | null;
  /** In the words that a user of the client reads. */
  readonly error?: string;
}

export interface Run {
  readonly answers: readonly Answer[];
  readonly stderr: string;
}

/** A gibibyte takes its time. */
const RUN_MS = full ? 600_000 : 60_000;
const MAX_OUTPUT = 1 << 20;

/** Runs one to its end; throws with its last words unless it prints its line. */
export async function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
): Promise<Run> {
  const { stdout, stderr } = await promisify(execFile)(program, args, {
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...environment },
    timeout: RUN_MS,
    maxBuffer: MAX_OUTPUT,
  });
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return { answers: JSON.parse(line) as Answer[], stderr };
  } catch {
    throw new Error(`no line of JSON but ${stdout.slice(-1_000)} ${stderr.slice(-1_000)}`);
  }
}
