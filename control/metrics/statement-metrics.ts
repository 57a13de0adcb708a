/**
 * How long each kind of statement takes in the store, and how many rows it moves:
 * what shows first that a table has outgrown its indexes. Called by `registry.ts`;
 * the store's statement cache observes every execution.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { StatementWatch } from '../store/statement-cache.ts';
import { statementName } from '../store/statement-name.ts';

const BUCKETS = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1];
/** The schema makes about forty names; later ones share `other`. */
const MAX_NAMES = 64;
const OTHER = 'other';

/** Registers both metrics; the answer is the store's `onStatement`. */
export function watchStatements(registry: Registry): StatementWatch {
  const labelNames = ['statement'] as const;
  const registers = [registry];
  const time = new Histogram({
    name: 'sallyport_store_statement_seconds',
    help: 'Duration of single statements of the store, by verb and table.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const moved = new Counter({
    name: 'sallyport_store_rows_total',
    help: 'Rows that statements of the store returned or changed, by verb and table.',
    labelNames,
    registers,
  });
  const names = new Set<string>();
  return (sql) => {
    const name = statementName(sql);
    if (names.size < MAX_NAMES) names.add(name);
    const label = names.has(name) ? name : OTHER;
    const [times, rows] = [time.labels(label), moved.labels(label)];
    return (seconds, count) => {
      times.observe(seconds);
      rows.inc(count);
    };
  };
}
