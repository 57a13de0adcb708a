/** The bench: every judge that this machine has, by name, and which of them are missing. */
import { findH11, H11 } from './h11.ts';
import type { Judge } from './judge.ts';
import { Llhttp } from './llhttp.ts';
import { SERVER_NAMES, startServerJudge } from './servers.ts';

/** Every judge there is, beside the RFC checker, which is always asked. */
export const JUDGE_NAMES = ['llhttp', 'h11', ...SERVER_NAMES];

/** Starts the judges of these names. */
export async function startJudges(names: readonly string[]): Promise<{ judges: Judge[]; missing: string[] }> {
  const judges: Judge[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const judge = await startJudge(name);
    if (judge === null) missing.push(name);
    else judges.push(judge);
  }
  return { judges, missing };
}

/** null: not on this machine. */
async function startJudge(name: string): Promise<Judge | null> {
  if (name === 'llhttp') return new Llhttp();
  if (name !== 'h11') return startServerJudge(name);
  const version = findH11();
  return version === null ? null : new H11(version);
}
