/** The tables on the terminal: columns aligned, figures to the right, medians with their spread. */

import { describe, judge } from './goals.ts';
import type { RowResults } from './results.ts';
import type { Spread } from './statistics.ts';

const COMPARED_WITH = ['pipe', 'limit-handles', 'limit-heads', 'proxy-chain'];
/** Strangers using this many cores make a window doubtful. */
const FOREIGN_LIMIT = 0.1;

/** Lines of cells as text: the first column to the left, the others to the right, two spaces between. */
export function align(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) {
    line.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!));
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

/** A number with thousands separated, `–` when there is none. */
export function figure(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** "median (min–max)". */
export function figures({ median, min, max }: Spread, digits: number): string {
  if (!Number.isFinite(median)) return '–';
  return min === max
    ? figure(median, digits)
    : `${figure(median, digits)} (${figure(min, digits)}–${figure(max, digits)})`;
}

/** One row of the bench as a block: a line per candidate, then its goals. */
export function rowBlock(results: RowResults): string {
  const { row, candidates } = results;
  const { compared } = row;
  const peers = compared === null ? [] : COMPARED_WITH.filter((peer) => candidates.includes(peer));
  const head = ['', ...row.metrics.map(({ heading }) => heading), ...peers.map((peer) => `× ${peer}`)];
  const lines = candidates.map((candidate) => [
    candidate,
    ...row.metrics.map(({ id, digits }) => figures(results.spread(candidate, id), digits)),
    ...peers.map((peer) => figures(results.ratio(candidate, peer, compared ?? ''), 2)),
  ]);
  return [`${row.id}: ${row.title}`, align([head, ...lines]), ...remarks(results)].join('\n');
}

function remarks(results: RowResults): string[] {
  const remarks = judge(results).map(
    ({ goal, value, met }) => `  ${met ? '✓' : '✗'} ${goal.id}: ${describe(goal)}: ${figure(value, 2)}`,
  );
  for (const candidate of results.candidates) {
    const failed = results.failures(candidate);
    if (failed > 0) remarks.push(`  ! ${candidate}: ${figure(failed, 0)} failed (not counted in its rate)`);
  }
  for (const [candidate, reason] of results.errors) remarks.push(`  ! ${candidate}: ${reason}`);
  if (results.foreignCores > FOREIGN_LIMIT) {
    remarks.push(`  ! other processes used up to ${figure(results.foreignCores, 2)} cores: figures are doubtful`);
  }
  return remarks;
}

/** One row of an A/B run: both candidates, and the first divided by the second. */
export function abBlock(results: RowResults, a: string, b: string): string {
  const { metrics } = results.row;
  const head = ['', ...metrics.map(({ heading }) => heading)];
  const lines = [a, b].map((candidate) => [
    candidate,
    ...metrics.map(({ id, digits }) => figures(results.spread(candidate, id), digits)),
  ]);
  const ratios = ['ratio', ...metrics.map(({ id }) => figures(results.ratio(a, b, id), 2))];
  return [`${results.row.id}: ${results.row.title}`, align([head, ...lines, ratios]), ...remarks(results)].join('\n');
}
