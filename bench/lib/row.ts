/** One figure of a micro bench: what the table prints and compares with its goal. */
import { quantile, spread } from './statistics.ts';

export interface Row {
  readonly id: string;
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The goal's number (I1 …) and the value that `median` must not exceed, or must reach. */
  readonly goal?: RowGoal;
}

export type RowGoal = { readonly id: string } & ({ readonly atMost: number } | { readonly atLeast: number });

/** Whether the median meets the goal. */
export function meets({ median, goal }: Row): boolean {
  if (goal === undefined) return true;
  return 'atMost' in goal ? median <= goal.atMost : median >= goal.atLeast;
}

/** The goal and whether it is met, `✓ I1 ≤ 2`; empty without one. */
export function verdictOf(row: Row, showBound: (value: number) => string): string {
  if (row.goal === undefined) return '';
  const bound = 'atMost' in row.goal ? `≤ ${showBound(row.goal.atMost)}` : `≥ ${showBound(row.goal.atLeast)}`;
  return `${meets(row) ? '✓' : '✗'} ${row.goal.id} ${bound}`;
}

/** What every micro bench takes. */
export interface MicroOptions {
  /** Smaller sizes and fewer rounds. */
  readonly quick: boolean;
}

/** A row from one value per round. */
export function rowOf(id: string, name: string, unit: string, values: readonly number[], goal?: RowGoal): Row {
  return { id, name, unit, ...spread(values), ...(goal !== undefined && { goal }) };
}

/** The value below which the share `q` of unsorted samples lies. */
export function quantileOf(samples: Float64Array, q: number): number {
  return quantile(samples.slice().sort(), q);
}

/** Prints the rows of a bench that was started by itself: aligned text, or JSON with `--json`. */
export function printRows(rows: readonly Row[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify(rows, null, 2));
    return;
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const row of rows) {
    const { name, unit, median, min, max } = row;
    const figures = `${show(median).padStart(9)} ${unit.padEnd(8)} (${show(min)}–${show(max)})`;
    console.log(`${name.padEnd(width)} ${figures} ${verdictOf(row, show)}`.trimEnd());
  }
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
