/**
 * `npm run bench:ab <ref>`: this tree against another commit of it, side by side.
 *
 *   node bench/ab.ts REF [--quick] [--only row,row] [--json FILE]
 *
 * The ref is checked out into a temporary worktree that borrows this tree's
 * node_modules; both run as whole products, and their rounds alternate. Below the
 * two lines of a row stands this tree divided by the ref, round by round: a
 * difference smaller than the spread is none.
 */

import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBenchArguments } from './lib/arguments.ts';
import { sallyport } from './lib/candidates.ts';
import { type MicroResults, microAbBlock, runMicro } from './lib/micro.ts';
import type { RowResults } from './lib/results.ts';
import { runRounds } from './lib/rounds.ts';
import { FULL, QUICK, rows } from './lib/rows.ts';
import { describeSetting, settingLine } from './lib/setting.ts';
import { Stage } from './lib/stage.ts';
import { abBlock } from './lib/table.ts';

const ROOT = join(import.meta.dirname, '..');
const THIS = 'this tree';

async function main(): Promise<number> {
  // The goals' peers stay at home, so a row for named candidates only is run for both commits.
  const known = [...rows.map((row) => row.id), 'micro'];
  const args = parseBenchArguments(process.argv.slice(2), { rows: known, candidates: [] });
  const [ref] = args.positionals;
  if (ref === undefined || args.positionals.length > 1) {
    throw new Error('usage: bench:ab REF [--quick] [--only row,row] [--json FILE]');
  }
  const commit = resolveCommit(ref);
  const stage = new Stage();
  const tree = join(stage.folder('ref'), 'tree');
  try {
    git('worktree', 'add', '--detach', '--quiet', tree, commit);
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'), 'dir');
    const setting = describeSetting(stage.pinned, ROOT);
    console.log(settingLine(setting));
    const results = await runRounds({
      stage,
      candidates: [sallyport(THIS), sallyport(commit, tree)],
      rows: rows
        .filter(({ id, quick }) => args.only?.includes(id) ?? (quick || !args.quick))
        .map(({ only: _, ...row }) => row),
      plan: args.quick ? QUICK : FULL,
      progress,
      onRow: (row) => console.log(`\n${abBlock(row, THIS, commit)}`),
    });
    if (args.only?.includes('micro') ?? true) console.log(`\n${await microRounds(stage, args.quick, commit, tree)}`);
    if (args.json) writeFileSync(args.json, `${JSON.stringify({ setting, ref: commit, rows: results }, null, 1)}\n`);
    return results.some((row: RowResults) => row.errors.size > 0) ? 1 : 0;
  } finally {
    await stage.close();
    // The stage removed the folder; this makes git forget it.
    git('worktree', 'prune');
  }
}

/** The micro benches of both trees, alternating; answers their table. */
async function microRounds(stage: Stage, quick: boolean, commit: string, tree: string): Promise<string> {
  const own: MicroResults[] = [];
  const other: MicroResults[] = [];
  for (let round = 0; round < (quick ? QUICK : FULL).freshRounds; round++) {
    own.push(await runMicro(stage, ROOT, quick, progress));
    other.push(await runMicro(stage, tree, quick, progress));
  }
  return microAbBlock([THIS, own], [commit, other]);
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The short id of a commit; throws one sentence when the ref names none. */
function resolveCommit(ref: string): string {
  try {
    return git('rev-parse', '--short', '--verify', '--end-of-options', `${ref}^{commit}`);
  } catch {
    throw new Error(`${JSON.stringify(ref)} names no commit of ${ROOT}`);
  }
}

/** One line of git's answer; throws with its complaint. */
function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
