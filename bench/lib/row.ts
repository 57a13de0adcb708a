/** One figure of a micro bench: what the table prints and compares with its goal. */
import { quantile, spread } from './statistics.ts';

export interface Row {
  readonly id: string;
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The goal's number (I1 …) and the value that `median` must not exceed. */
  readonly goal?: { readonly id: string; readonly atMost: number };
}

/** What every micro bench takes. */
export interface MicroOptions {
  /** Smaller sizes and fewer rounds. */
  readonly quick: boolean;
}

/** A row from one value per round. */
export function rowOf(id: string, name: string, unit: string, values: readonly number[], goal?: Row['goal']): Row {
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
  for (const { name, unit, median, min, max, goal } of rows) {
    const figures = `${show(median).padStart(9)} ${unit.padEnd(8)} (${show(min)}–${show(max)})`;
    const verdict = goal === undefined ? '' : ` ${median <= goal.atMost ? '✓' : '✗'} ${goal.id} ≤ ${goal.atMost}`;
    console.log(`${name.padEnd(width)} ${figures}${verdict}`);
  }
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
