/**
 * `npm run bench:soak`: the whole product under half of its saturating load for an
 * hour, while its sessions come, change and go.
 *
 *   node bench/soak.ts [--minutes N] [--quick] [--out FOLDER] [--json FILE]
 *   node bench/soak.ts --from FILE [--out FOLDER]
 *
 * Progress goes to stderr, the verdicts to stdout, the picture to `soak.svg` in the
 * folder (bench/ when none is named). Ctrl-C ends it early, with what it has; again,
 * at once. `--from` judges and draws once more what `--json` has written. Ends with 1
 * when a goal was missed.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rowsBlock } from './lib/micro.ts';
import { meets } from './lib/row.ts';
import { settingLine } from './lib/setting.ts';
import { Stage } from './lib/stage.ts';
import { plot } from './soak/plot.ts';
import { faults, lengthOf, type Report, verdicts } from './soak/report.ts';
import { runSoak } from './soak/run.ts';

const FULL = { minutes: 60, crowd: 10_000 };
const QUICK = { minutes: 2, crowd: 1_000 };
/** Shorter, its outages would be over before they are seen. */
const FEWEST_MINUTES = 1;
/** Elsewhere than on a terminal, a line so often. */
const PROGRESS_MS = 60_000;
/** npm and the terminal each pass a Ctrl-C on: what comes this soon is the same one. */
const SAME_SIGNAL_MS = 1_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string', default: import.meta.dirname },
      json: { type: 'string' },
      from: { type: 'string' },
    },
  });
  const plan = values.quick ? QUICK : FULL;
  const minutes = Number(values.minutes ?? plan.minutes);
  if (!(minutes >= FEWEST_MINUTES)) throw new Error(`--minutes takes a number, at least ${FEWEST_MINUTES}`);
  const report = values.from === undefined ? await soak({ ...plan, minutes }) : read(values.from);
  if (report.samples.length === 0) throw new Error('it ended before the first sample');
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report)}\n`);
  writeFileSync(join(values.out, 'soak.svg'), plot(report));
  const rows = verdicts(report);
  const title = `soak: ${lengthOf(report)} at half the saturating rate`;
  const remarks = faults(report).map((each) => `  ! ${each}`);
  console.log([settingLine(report.setting), '', rowsBlock(title, rows), ...remarks].join('\n'));
  return rows.every(meets) ? 0 : 1;
}

async function soak({ minutes, ...plan }: typeof FULL): Promise<Report> {
  const early = new AbortController();
  let signalledMs = Number.POSITIVE_INFINITY;
  const stage = new Stage({
    onSignal: () => {
      if (performance.now() - signalledMs > SAME_SIGNAL_MS) process.exit(130);
      signalledMs = Math.min(signalledMs, performance.now());
      early.abort();
    },
  });
  try {
    return await runSoak(stage, { ...plan, seconds: minutes * 60, signal: early.signal, progress: progressTo() });
  } finally {
    await stage.close();
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

/** One line that replaces itself on a terminal; elsewhere a line a minute. */
function progressTo(): (line: string) => void {
  let printedMs = Number.NEGATIVE_INFINITY;
  return (line) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
    else if (performance.now() - printedMs >= PROGRESS_MS) {
      printedMs = performance.now();
      process.stderr.write(`${line}\n`);
    }
  };
}

function read(path: string): Report {
  return JSON.parse(readFileSync(path, 'utf8')) as Report;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
