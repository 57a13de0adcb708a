/**
 * `npm run bench`: the table of the gateway's work beside its peers.
 *
 *   node bench/run.ts [--quick] [--only row,row] [--candidates name,name] [--json FILE]
 *
 * Progress goes to stderr, the table to stdout. Ends with 1 when Sallyport could
 * not be measured; a missed goal is printed, not an error.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBenchArguments } from './lib/arguments.ts';
import { candidates, installed } from './lib/candidates.ts';
import { type BenchFolder, type MicroResults, microBlock, rowsBlock, runMicro } from './lib/micro.ts';
import { resolverShares } from './lib/resolver-share.ts';
import type { RowResults } from './lib/results.ts';
import { runRounds } from './lib/rounds.ts';
import { FULL, QUICK, rows } from './lib/rows.ts';
import { describeSetting, settingLine } from './lib/setting.ts';
import { Stage } from './lib/stage.ts';
import { rowBlock } from './lib/table.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDERS: readonly BenchFolder[] = ['micro', 'control'];

async function main(): Promise<number> {
  const args = parseBenchArguments(process.argv.slice(2), {
    rows: [...rows.map(({ id }) => id), ...FOLDERS],
    candidates: candidates.map(({ name }) => name),
  });
  const asked = candidates.filter(({ name, fullOnly }) => args.candidates?.includes(name) ?? !(args.quick && fullOnly));
  const { present, missing } = installed(asked);
  const stage = new Stage();
  try {
    const setting = describeSetting(stage.pinned, ROOT);
    console.log(settingLine(setting));
    if (missing.length > 0) console.log(`not installed, left out: ${missing.join(', ')}`);
    for (const { name, note } of present) if (note) console.log(`  ${name}: ${note}`);
    const chosen = rows.filter(({ id, quick }) => args.only?.includes(id) ?? (quick || !args.quick));
    const results = await runRounds({
      stage,
      candidates: present,
      rows: chosen,
      plan: args.quick ? QUICK : FULL,
      progress,
      onRow: (row) => console.log(`\n${rowBlock(row)}`),
    });
    const folders: Partial<Record<BenchFolder, MicroResults>> = {};
    for (const folder of FOLDERS.filter((name) => args.only?.includes(name) ?? true)) {
      const done = await runMicro(stage, ROOT, args.quick, progress, folder);
      folders[folder] = done;
      console.log(`\n${microBlock(done, folder)}`);
    }
    const shares = resolverShares(results, folders.micro ?? null);
    if (shares.length > 0) console.log(`\n${rowsBlock('resolving in a forwarded request', shares)}`);
    const report = {
      setting,
      quick: args.quick,
      rows: results,
      micro: folders.micro ?? null,
      control: folders.control ?? null,
      shares,
    };
    if (args.json) writeFileSync(args.json, `${JSON.stringify(report, null, 1)}\n`);
    return failed(results) ? 1 : 0;
  } finally {
    await stage.close();
    progress('');
  }
}

/** One line that replaces itself on a terminal; elsewhere a line each. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (line !== '') process.stderr.write(`${line}\n`);
}

function failed(results: readonly RowResults[]): boolean {
  return results.some((row) => row.errors.has('sallyport') || row.failures('sallyport') > 0);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
