/** The micro benches of a source tree, each in its own process on the gateway's core; and their tables. */

import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';
import { pairedRatio, spread } from './statistics.ts';
import { align, figure, figures } from './table.ts';

/** The largest index of the micro benches has a million sessions. */
const MICRO_TIMEOUT_MS = 300_000;

export interface MicroResults {
  readonly rows: readonly Row[];
  /** Why a file has no rows, by its name. */
  readonly errors: Readonly<Record<string, string>>;
}

/** Runs every bench of bench/micro in the tree `root`, one after the other. */
export async function runMicro(
  stage: Stage,
  root: string,
  quick: boolean,
  progress: (line: string) => void,
): Promise<MicroResults> {
  const rows: Row[] = [];
  const errors: Record<string, string> = {};
  for (const file of globSync(join(root, 'bench/micro/*.ts')).sort()) {
    const name = basename(file, '.ts');
    progress(`micro ${name}`);
    const script = join(root, 'bench/lib/micro-process.ts');
    const command = [process.execPath, '--expose-gc', script, file, ...(quick ? ['--quick'] : [])];
    const child = stage.start(name, 0, command);
    try {
      const answer = (await child.nextJson(MICRO_TIMEOUT_MS)) as { rows: Row[] };
      rows.push(...answer.rows);
    } catch (error) {
      errors[name] = error instanceof Error ? error.message : String(error);
    } finally {
      await child.stop();
    }
  }
  return { rows, errors };
}

/** The micro benches of one run, each with its goal. */
export function microBlock({ rows, errors }: MicroResults): string {
  const lines = rows.map(({ name, unit, median, min, max, goal }) => {
    const digits = digitsOf(median);
    const verdict = goal ? `${median <= goal.atMost ? '✓' : '✗'} ${goal.id} ≤ ${figure(goal.atMost, 0)}` : '';
    return [name, figures({ median, min, max }, digits), unit, verdict];
  });
  return ['micro: the resolver and the index by themselves', align(lines), ...complaints(errors)].join('\n');
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
  return ['micro: the resolver and the index by themselves', align([head, ...lines]), ...failed].join('\n');
}

function complaints(errors: Readonly<Record<string, string>>): string[] {
  return Object.entries(errors).map(([name, reason]) => `  ! ${name}: ${reason}`);
}

function digitsOf(value: number): number {
  return value >= 100 ? 0 : 2;
}
