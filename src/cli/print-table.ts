/** Tables for people: columns under their names, no lines around them, numbers to the right. */
import Table from 'cli-table3';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number;
  /** A text that is a number, as people read it: to the right as numbers are. */
  readonly right?: true;
}

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((corner) => [`${side}${corner}`, ''] as const),
  ),
);
const BETWEEN = '  ';

/** The table as text, a line for each row; what there is none of has no table, but `none`. */
export function tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[], none: string): string {
  if (rows.length === 0) return none;
  const cells = rows.map((row) => columns.map(({ value }) => value(row)));
  const isNumber = columns.map(({ right }, i) => right ?? cells.every((row) => typeof row[i] === 'number'));
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: isNumber.map((right) => (right ? 'right' : 'left')),
    chars: { ...NO_LINES, middle: BETWEEN },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...cells.map((row) => row.map((cell) => visible(String(cell)))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Names and values of one thing, a line each. */
export function detailsText(details: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...details.map(([name]) => name.length));
  return details.map(([name, value]) => `${name.padEnd(width)}${BETWEEN}${visible(value)}`).join('\n');
}

/** A text that somebody chose, as it may stand on a terminal: no control character moves anything there. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '\uFFFD');
}
