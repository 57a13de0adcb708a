/**
 * kysely over one handle of a durable store. It builds and compiles queries; running
 * them is ours, and differs from its own SQLite dialect in this:
 *
 * - A statement runs where it is asked for. kysely passes each through queues for
 *   connections, which takes longer than a small statement does; a handle has one
 *   connection, and its statements end before the call of the driver returns.
 * - Transactions take the write lock when they begin, so that none fails half way
 *   because another program wrote in between. COMMIT is timed and its failure reported.
 * - What SQLite has already rolled back by itself (disk full, I/O error) is not rolled
 *   back twice, which would hide the reason.
 *
 * Invariant: one transaction at a time, as what runs meanwhile would be part of it. On
 * the writing handle `group-commit.ts` sees to that, on the reading one there are none.
 */
import {
  CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  DefaultConnectionProvider,
  DefaultQueryExecutor,
  type Dialect,
  type DialectAdapter,
  type Driver,
  Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
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

const BEGIN = CompiledQuery.raw('begin immediate');
const COMMIT = CompiledQuery.raw('commit');
const ROLL_BACK = CompiledQuery.raw('rollback');

/** The one connection of a handle. */
class HandleConnection implements DatabaseConnection {
  readonly #source: StatementSource;

  constructor(source: StatementSource) {
    this.#source = source;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const statement = this.#source.prepare(sql);
    if (statement.reader) return { rows: statement.all(parameters) as R[] };
    const { changes } = statement.run(parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  streamQuery(): never {
    throw new Error('streaming would hold a cached statement open: page by id instead');
  }
}

class HandleDriver implements Driver {
  readonly #connection: HandleConnection;
  readonly #watch: CommitWatch;
  #isTaken = false;

  constructor(connection: HandleConnection, watch: CommitWatch) {
    this.#connection = connection;
    this.#watch = watch;
  }

  async init(): Promise<void> {}

  /** Asked for by transactions only. */
  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#isTaken) throw new Error('a handle has one transaction at a time');
    this.#isTaken = true;
    return this.#connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(BEGIN);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const start = performance.now();
    try {
      await connection.executeQuery(COMMIT);
    } catch (error) {
      this.#watch.commitFailed(error);
      throw error;
    }
    this.#watch.committed((performance.now() - start) / 1000);
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#watch.inTransaction()) await connection.executeQuery(ROLL_BACK);
  }

  async releaseConnection(): Promise<void> {
    this.#isTaken = false;
  }

  /** The handle is closed by whoever opened it. */
  async destroy(): Promise<void> {}
}

class HandleExecutor extends DefaultQueryExecutor {
  readonly #compiler: QueryCompiler;
  readonly #connection: HandleConnection;
  /** The last one asked for, and by whom: kysely asks anew for each statement of a transaction. */
  #inside: { readonly provider: ConnectionProvider; readonly executor: HandleExecutor } | null = null;

  constructor(
    compiler: QueryCompiler,
    adapter: DialectAdapter,
    provider: ConnectionProvider,
    connection: HandleConnection,
  ) {
    super(compiler, adapter, provider);
    this.#compiler = compiler;
    this.#connection = connection;
  }

  override executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#connection.executeQuery(query);
  }

  /** What a transaction runs its statements by. */
  override withConnectionProvider(provider: ConnectionProvider): HandleExecutor {
    if (this.#inside?.provider !== provider) {
      const executor = new HandleExecutor(this.#compiler, this.adapter, provider, this.#connection);
      this.#inside = { provider, executor };
    }
    return this.#inside.executor;
  }
}

/** kysely over the handle that these statements are of. */
export function kyselyOver<Schema>(source: StatementSource, watch: CommitWatch): Kysely<Schema> {
  const connection = new HandleConnection(source);
  const dialect: Dialect = {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new HandleDriver(connection, watch),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
  const driver = dialect.createDriver();
  const provider = new DefaultConnectionProvider(driver);
  const executor = new HandleExecutor(dialect.createQueryCompiler(), dialect.createAdapter(), provider, connection);
  return new Kysely<Schema>({ config: { dialect }, dialect, driver, executor });
}
