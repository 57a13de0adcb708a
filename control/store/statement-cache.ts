/**
 * What kysely's SQLite driver is given in place of the database: `prepare` hands
 * out one statement per SQL text from a bounded cache (kysely prepares anew for
 * every execution, which costs several times what a small statement costs to
 * run), and every driver error leaves as a `StoreError`.
 *
 * Sound because a handle runs one statement at a time and to its end: kysely
 * serialises its users, and nothing here streams.
 */
import { LRUCache } from 'lru-cache';

/** A prepared statement, as kysely sees it. */
export interface Statement {
  readonly reader: boolean;
  all(parameters: readonly unknown[]): unknown[];
  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(parameters: readonly unknown[]): IterableIterator<unknown>;
}

/** A database handle, as kysely sees it. */
export interface StatementSource {
  prepare(sql: string): Statement;
  close(): void;
}

/** The application has fewer than 100 texts; bulk tails of odd length come and go. */
const MAX_STATEMENTS = 256;

/** Wraps a handle; `translate` turns what the driver throws into what callers see. */
export function cacheStatements(source: StatementSource, translate: (error: unknown) => unknown): StatementSource {
  const cache = new LRUCache<string, Statement>({ max: MAX_STATEMENTS });
  const translating = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw translate(error);
    }
  };
  const wrap = (statement: Statement): Statement => ({
    reader: statement.reader,
    all: (parameters) => translating(() => statement.all(parameters)),
    run: (parameters) => translating(() => statement.run(parameters)),
    iterate: () => {
      throw new Error('streaming would hold a cached statement open: page by id instead');
    },
  });
  return {
    prepare: (sql) => {
      let statement = cache.get(sql);
      if (statement === undefined) {
        statement = wrap(translating(() => source.prepare(sql)));
        cache.set(sql, statement);
      }
      return statement;
    },
    close: () => {
      cache.clear();
      source.close();
    },
  };
}
