/**
 * How long each kind of statement takes in the store, and how many rows it moves:
 * what shows first that a table has outgrown its indexes. Called by `registry.ts`;
 * the store's statement cache observes every execution, some eight of them a call that
 * writes, so what counts is no more than numbers.
 */
import { Histogram } from '../../src/core/metrics.ts';
import type { StatementWatch } from '../store/statement-cache.ts';
import { statementName } from '../store/statement-name.ts';
import { createPrinter, type Family } from './exposition.ts';

const BUCKETS = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1];
/** The schema makes about forty names; later ones share `other`. */
const MAX_NAMES = 64;
const OTHER = 'other';

const TIMES: Family = {
  name: 'sallyport_store_statement_seconds',
  help: 'Duration of single statements of the store, by verb and table.',
  type: 'histogram',
  labels: ['statement'],
};
const ROWS: Family = {
  name: 'sallyport_store_rows_total',
  help: 'Rows that statements of the store returned or changed, by verb and table.',
  type: 'counter',
  labels: ['statement'],
};

/** What is counted of one name. */
class Tally {
  readonly times = new Histogram(BUCKETS);
  rows = 0;
}

export interface StatementMetrics {
  /** The store's `onStatement`. */
  readonly watch: StatementWatch;
  /** Writes the lines of both metrics. */
  print(): string;
}

export function createStatementMetrics(): StatementMetrics {
  const tallies = new Map<string, Tally>();
  const printTimes = createPrinter(TIMES);
  const printRows = createPrinter(ROWS);
  /** That of the name, or beyond the bound of those that share. */
  function tallyOf(name: string): Tally {
    const label = tallies.has(name) || tallies.size < MAX_NAMES ? name : OTHER;
    const tally = tallies.get(label) ?? new Tally();
    tallies.set(label, tally);
    return tally;
  }
  return {
    watch(sql) {
      const tally = tallyOf(statementName(sql));
      return (seconds, rows) => {
        tally.times.observe(seconds);
        tally.rows += rows;
      };
    },
    print() {
      const all = [...tallies];
      const times = printTimes(all.map(([name, tally]) => ({ labels: [name], histogram: tally.times.snapshot() })));
      return `${times}\n${printRows(all.map(([name, { rows }]) => ({ labels: [name], value: rows })))}`;
    },
  };
}
