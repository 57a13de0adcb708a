/**
 * Prepared statements of a handle, for `sqlite-dialect.ts`: `prepare` hands out one
 * statement per SQL text from a bounded cache (preparing costs several times what a
 * small statement costs to run), every driver error leaves as a `StoreError`, and
 * every execution is timed.
 *
 * Sound because a statement runs to its end: nothing here streams.
 */
import { LRUCache } from 'lru-cache';

/** A prepared statement. */
export interface Statement {
  readonly reader: boolean;
  all(parameters: readonly unknown[]): unknown[];
  run(parameters: readonly unknown[]): { changes: number | bigint };
}

/** What statements are prepared by. */
export interface StatementSource {
  prepare(sql: string): Statement;
}

/** Told of each execution that succeeded: how long it took, and how many rows it returned or changed. */
export type StatementObserver = (seconds: number, rows: number) => void;

/** Asked once for each text that is prepared (again, when it had left the cache); answers who is told of its executions. */
export type StatementWatch = (sql: string) => StatementObserver;

/** The application has fewer than 200 texts; bulk tails of odd length come and go. */
const MAX_STATEMENTS = 512;

/** Wraps a handle; `translate` turns what the driver throws into what callers see. */
export function cacheStatements(
  source: StatementSource,
  translate: (error: unknown) => unknown,
  watch: StatementWatch,
): StatementSource {
  const cache = new LRUCache<string, Statement>({ max: MAX_STATEMENTS });
  const translating = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw translate(error);
    }
  };
  const wrap = (statement: Statement, observe: StatementObserver): Statement => ({
    reader: statement.reader,
    all(parameters) {
      const startMs = performance.now();
      const rows = translating(() => statement.all(parameters));
      observe((performance.now() - startMs) / 1_000, rows.length);
      return rows;
    },
    run(parameters) {
      const startMs = performance.now();
      const result = translating(() => statement.run(parameters));
      observe((performance.now() - startMs) / 1_000, Number(result.changes));
      return result;
    },
  });
  return {
    prepare: (sql) => {
      let statement = cache.get(sql);
      if (statement === undefined) {
        statement = wrap(
          translating(() => source.prepare(sql)),
          watch(sql),
        );
        cache.set(sql, statement);
      }
      return statement;
    },
  };
}
