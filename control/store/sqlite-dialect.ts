/**
 * kysely's SQLite dialect with the three things changed that a durable store
 * needs: transactions take the write lock when they begin (so none fails half
 * way because another program wrote in between), COMMIT is timed and its failure
 * reported, and a transaction that SQLite has already rolled back by itself (disk
 * full, I/O error) is not rolled back twice, which would hide the reason.
 */
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { StatementSource } from './statement-cache.ts';

export interface CommitWatch {
  /** Whether the handle is inside a transaction. */
  inTransaction(): boolean;
  /** A transaction is on disk; COMMIT took so many seconds. */
  committed(seconds: number): void;
  /** COMMIT failed with this error. */
  commitFailed(error: unknown): void;
}

class DurableSqliteDriver extends SqliteDriver {
  readonly #watch: CommitWatch;

  constructor(database: StatementSource, watch: CommitWatch) {
    super({ database });
    this.#watch = watch;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const start = performance.now();
    try {
      await connection.executeQuery(CompiledQuery.raw('commit'));
    } catch (error) {
      this.#watch.commitFailed(error);
      throw error;
    }
    this.#watch.committed((performance.now() - start) / 1000);
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#watch.inTransaction()) await connection.executeQuery(CompiledQuery.raw('rollback'));
  }
}

/** The dialect over one handle. */
export function durableSqliteDialect(database: StatementSource, watch: CommitWatch): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DurableSqliteDriver(database, watch),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
