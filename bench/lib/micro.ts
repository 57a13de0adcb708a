/** Benches that are files of one folder of a source tree, each in its own process; and their tables. */

import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Row, verdictOf } from './row.ts';
import type { Core, Stage } from './stage.ts';
import { pairedRatio, spread } from './statistics.ts';
import { align, figure, figures } from './table.ts';

/** One file's bench: the largest has a million sessions to make first. */
const FILE_TIMEOUT_MS = 900_000;

/** The folders of such benches. */
export const BENCH_FOLDERS = {
  micro: { title: 'micro: the resolver and the index by themselves', core: 0 },
  // These start the whole product on the gateway's core, and load it from the other.
  control: { title: 'control: what operators wait for', core: 1 },
} as const satisfies Readonly<Record<string, { title: string; core: Core }>>;

export type BenchFolder = keyof typeof BENCH_FOLDERS;

export interface MicroResults {
  readonly rows: readonly Row[];
  /** Why a file has no rows, by its name. */
  readonly errors: Readonly<Record<string, string>>;
}

/** Runs every bench of a folder of the tree `root`, one after the other. */
export async function runMicro(
  stage: Stage,
  root: string,
  quick: boolean,
  progress: (line: string) => void,
  folder: BenchFolder = 'micro',
): Promise<MicroResults> {
  const rows: Row[] = [];
  const errors: Record<string, string> = {};
  for (const file of globSync(join(root, 'bench', folder, '*.ts')).sort()) {
    const name = basename(file, '.ts');
    progress(`${folder} ${name}`);
    const script = join(root, 'bench/lib/micro-process.ts');
    const command = [process.execPath, '--expose-gc', script, file, ...(quick ? ['--quick'] : [])];
    const child = stage.start(name, BENCH_FOLDERS[folder].core, command);
    try {
      const answer = (await child.nextJson(FILE_TIMEOUT_MS)) as { rows: Row[] };
      rows.push(...answer.rows);
    } catch (error) {
      errors[name] = error instanceof Error ? error.message : String(error);
    } finally {
      await child.stop();
    }
  }
  return { rows, errors };
}

/** The benches of one folder and run, each with its goal. */
export function microBlock({ rows, errors }: MicroResults, folder: BenchFolder = 'micro'): string {
  return [rowsBlock(BENCH_FOLDERS[folder].title, rows), ...complaints(errors)].join('\n');
}

/** Rows under a title, each with its goal. */
export function rowsBlock(title: string, rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { name, unit, median, min, max } = row;
    const digits = [median, min, max].every(Number.isInteger) ? 0 : digitsOf(median);
    return [name, figures({ median, min, max }, digits), unit, verdictOf(row, showBound)];
  });
  return `${title}\n${align(lines)}`;
}

/** Two trees' micro benches side by side, a run of each per round, and the first divided by the second. */
export function microAbBlock(
  [nameA, runsA]: readonly [string, readonly MicroResults[]],
  [nameB, runsB]: readonly [string, readonly MicroResults[]],
): string {
  const medians = (runs: readonly MicroResults[], id: string) =>
    runs.flatMap(({ rows }) => rows.filter((row) => row.id === id).map(({ median }) => median));
  const lines = (runsA[0]?.rows ?? []).map(({ id, name, unit }) => {
    const [a, b] = [medians(runsA, id), medians(runsB, id)];
    const cells = [spread(a), spread(b)].map((each) => figures(each, digitsOf(each.median)));
    return [name, ...cells, unit, figures(pairedRatio(a, b), 2)];
  });
  const head = ['', nameA, nameB, '', 'ratio'];
  const failed = [...runsA, ...runsB].flatMap(({ errors }) => complaints(errors));
  return [BENCH_FOLDERS.micro.title, align([head, ...lines]), ...failed].join('\n');
}

function complaints(errors: Readonly<Record<string, string>>): string[] {
  return Object.entries(errors).map(([name, reason]) => `  ! ${name}: ${reason}`);
}

/** Most goals are whole numbers. */
function showBound(bound: number): string {
  return figure(bound, Number.isInteger(bound) ? 0 : 1);
}

function digitsOf(value: number): number {
  return value >= 100 ? 0 : 2;
}
