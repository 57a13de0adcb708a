/** Rows of a CSV (RFC 4180, a record a line) under its header. */
import Papa from 'papaparse';
import { meaningOf } from './record.ts';

/** A header: what parts the columns, and what they are called. */
export interface Table {
  readonly separator: string;
  readonly columns: readonly string[];
  /** Those that mean nothing to us. */
  readonly unknown: readonly string[];
}

const SEPARATORS = [',', ';', '\t', '|'];

/** The header that a line is; null: it is none, as no column of it is a host among others that we know. */
export function tableOf(line: string): Table | null {
  for (const separator of SEPARATORS) {
    const columns = splitCsv(line, separator);
    const meanings = columns.map(meaningOf);
    const known = meanings.filter((meaning) => meaning !== null);
    if (columns.length < 2 || known.length < 2 || !meanings.includes('host')) continue;
    return { separator, columns, unknown: columns.filter((_, i) => meanings[i] === null) };
  }
  return null;
}

/** A row's values under the names of their columns. */
export function splitRow({ separator, columns }: Table, line: string): Readonly<Record<string, string>> {
  const values = splitCsv(line, separator);
  return Object.fromEntries(columns.map((name, i) => [name, values[i] ?? '']));
}

/** The values of one line. */
function splitCsv(line: string, delimiter: string): string[] {
  return Papa.parse<string[]>(line, { delimiter }).data[0] ?? [];
}
