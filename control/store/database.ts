/**
 * The store: one SQLite file, and the only importer of better-sqlite3. The
 * control plane opens it once; table files query through `db` or a transaction.
 *
 *   write(work) ── group-commit.ts: begin immediate ── work(tx) … ── commit (fsync) ── resolves
 *       │             one at a time, in order of call                  └ I/O error: `broken` from then on
 *   db ─┴─ a read-only handle beside it: sees what is committed, never waits for a writer
 *
 * Invariant: when `write` resolves, its effects are on disk (WAL, synchronous=FULL).
 */
import Database from 'better-sqlite3';
import type { Kysely, Transaction } from 'kysely';
import { preparePrivateFile, removeLeftovers } from './database-file.ts';
import { GroupCommit } from './group-commit.ts';
import { checkSchemaHeader, migrate } from './migrate.ts';
import { startCopy } from './online-copy.ts';
import type { Schema } from './schema.ts';
import { type CommitWatch, kyselyOver } from './sqlite-dialect.ts';
import { translateSqliteError } from './sqlite-error.ts';
import { cacheStatements, type StatementWatch } from './statement-cache.ts';
import { StoreError } from './store-error.ts';

/** How long a statement waits for a lock of another program (a shell, a backup), blocking this thread. */
const BUSY_TIMEOUT_MS = 1_000;
/**
 * Page caches of the writing and the reading handle. They fill for good as the database grows, the audit by every
 * change, so their sum is memory at rest; a page that is not here comes from the system's cache. More made nothing
 * faster with a million sessions stored (C1, C2).
 */
const WRITER_CACHE_KIB = 8_192;
const READER_CACHE_KIB = 2_048;
/** The WAL file is cut back to this size after a checkpoint. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

export interface StoreOptions {
  /** The database file. It and its directory are made when absent, for their owner only. */
  readonly path: string;
  /** Told after each commit how long COMMIT took, in seconds. */
  readonly onCommit?: (seconds: number) => void;
  /** Asked for each SQL text who is told of its executions; of both handles. */
  readonly onStatement?: StatementWatch;
}

export interface Store {
  /** The database file. */
  readonly path: string;
  /** Reads of committed state, at any time; a write through it is refused by SQLite. */
  readonly db: Kysely<Schema>;
  /**
   * Runs `work` all or none and resolves once it is on disk; undoes it and rejects when `work` does.
   * Writes run one at a time: inside `work`, use `tx` only, never another `write`. Rejects with a
   * StoreError (`constraint`, `busy`, `full`, `io`, `corrupt`, `broken`, `closed`) or with what `work` threw.
   */
  write<T>(work: (tx: Transaction<Schema>) => Promise<T>): Promise<T>;
  /**
   * Writes a copy of the database to `path`, which must not exist, while reads and writes go on; all that was committed
   * before this resolves is in it. Rejects with a StoreError, or with the signal's reason when aborted; a part of a copy
   * may be left then.
   */
  copyTo(path: string, signal: AbortSignal): Promise<void>;
  /** True once a commit failed so that the state on disk is unknown; only a restart mends it. */
  isBroken(): boolean;
  /** Waits for writes under way, checkpoints, closes. Idempotent; later writes are refused as `closed`. */
  close(): Promise<void>;
}

/**
 * Opens the store, makes or migrates its schema. Rejects with a StoreError (`unwritable`, `not-a-database`,
 * `foreign-database`, `newer-schema`, `in-use`, `corrupt`, …) before anything of a refused file is changed.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { path } = options;
  let handles: Handles | null = null;
  try {
    preparePrivateFile(path);
    handles = openHandles(path);
    removeLeftovers(path);
    const store = new SqliteStore(path, handles, options);
    await migrate(store.writer, handles.schemaVersion);
    return store;
  } catch (error) {
    if (handles !== null) closeHandles(handles);
    throw translateSqliteError(path, error);
  }
}

interface Handles {
  readonly lock: Database.Database;
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  /** What the file had before migrations. */
  readonly schemaVersion: number;
}

function openHandles(path: string): Handles {
  const lock = holdLock(path);
  let writer: Database.Database | null = null;
  try {
    writer = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    const schemaVersion = checkHeader(path, writer);
    configure(writer);
    const reader = new Database(path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    reader.pragma('trusted_schema = OFF');
    reader.pragma('cell_size_check = ON');
    reader.pragma(`cache_size = -${READER_CACHE_KIB}`);
    return { lock, writer, reader, schemaVersion };
  } catch (error) {
    writer?.close();
    lock.close();
    throw error;
  }
}

function closeHandles({ lock, writer, reader }: Handles): void {
  reader.close();
  writer.close();
  // Last: whoever waits for the lock finds the file at rest.
  lock.close();
}

/** Keeps every store off the file until `close`; throws a StoreError (`in-use`) when one has it. */
export function lockDatabase(path: string): { close(): void } {
  try {
    return holdLock(path);
  } catch (error) {
    throw translateSqliteError(path, error);
  }
}

/** A database file without a store: for looking at copies. */
export interface LoneDatabase {
  /** Rows of a pragma. */
  pragma(text: string): unknown[];
  close(): void;
}

/** Opens a file that no store has, after looking at its header. Throws a StoreError, as `pragma` does. */
export function openAlone(path: string): LoneDatabase {
  const translating = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw translateSqliteError(path, error);
    }
  };
  return translating(() => {
    const handle = new Database(path, { fileMustExist: true, timeout: 0 });
    try {
      handle.pragma('trusted_schema = OFF');
      handle.pragma('cell_size_check = ON');
      checkHeader(path, handle);
    } catch (error) {
      handle.close();
      throw error;
    }
    return {
      pragma: (text) => translating(() => handle.pragma(text) as unknown[]),
      close: () => translating(() => void handle.close()),
    };
  });
}

/**
 * Holds an exclusive transaction on an empty database beside the real one for the life of the store. Node has
 * no flock; SQLite's own lock is portable and falls with the process, however it dies. It is not taken on the
 * database itself, as that would shut out `sqlite3`, online backups and our own reading handle.
 */
function holdLock(path: string): Database.Database {
  const lockPath = `${path}-lock`;
  preparePrivateFile(lockPath);
  const lock = new Database(lockPath, { timeout: 0 });
  try {
    lock.pragma('journal_mode = memory');
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    const busy = error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
    if (!busy) throw error;
    throw new StoreError('in-use', `the database ${path} is in use by another Sallyport process`, { cause: error });
  }
}

/** Looks at the header before the first write to the file; returns the schema version it has. */
function checkHeader(path: string, handle: Database.Database): number {
  const pragma = (name: string) => handle.pragma(name, { simple: true }) as number;
  const userVersion = pragma('user_version');
  const objects = handle.prepare<[], { n: number }>('select count(*) as n from sqlite_schema').get()?.n ?? 0;
  checkSchemaHeader(path, { applicationId: pragma('application_id'), userVersion, objects });
  return userVersion;
}

function configure(handle: Database.Database): void {
  // better-sqlite3 is built so that WAL commits are not synced by default: FULL must be asked for.
  handle.pragma('journal_mode = WAL');
  handle.pragma('synchronous = FULL');
  handle.pragma('foreign_keys = ON');
  handle.pragma('trusted_schema = OFF');
  handle.pragma('cell_size_check = ON');
  handle.pragma(`cache_size = -${WRITER_CACHE_KIB}`);
  handle.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
}

class SqliteStore implements Store {
  readonly db: Kysely<Schema>;
  /** The writing handle; for the group commit and migrations only. */
  readonly writer: Kysely<Schema>;
  readonly path: string;
  readonly #handles: Handles;
  readonly #group: GroupCommit;
  readonly #closing = new AbortController();
  readonly #copies = new Set<Promise<void>>();
  #broken = false;
  #closed: Promise<void> | null = null;

  constructor(path: string, handles: Handles, options: StoreOptions) {
    this.path = path;
    this.#handles = handles;
    const watch = options.onStatement ?? (() => () => {});
    this.writer = this.#kyselyOver(handles.writer, options.onCommit ?? (() => {}), watch);
    this.db = this.#kyselyOver(handles.reader, () => {}, watch);
    const inTransaction = () => handles.writer.inTransaction;
    this.#group = new GroupCommit(this.writer, () => this.#refuseIfBroken(), inTransaction);
  }

  isBroken(): boolean {
    return this.#broken;
  }

  async write<T>(work: (tx: Transaction<Schema>) => Promise<T>): Promise<T> {
    if (this.#closed !== null) throw this.#isClosed();
    return this.#group.write(work);
  }

  async copyTo(path: string, signal: AbortSignal): Promise<void> {
    if (this.#closed !== null) throw this.#isClosed();
    const copy = this.#copyTo(path, signal).finally(() => this.#copies.delete(copy));
    this.#copies.add(copy);
    return copy;
  }

  async #copyTo(path: string, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    try {
      // Begun while no transaction is open: better-sqlite3 takes a first step that finds one for the end of the copy.
      const copy = await this.#group.between(() => startCopy(this.#handles.writer, path, either));
      await copy.finished;
    } catch (error) {
      throw translateSqliteError(this.path, error);
    }
  }

  close(): Promise<void> {
    if (this.#closed === null) {
      this.#closing.abort(this.#isClosed());
      this.#closed = this.#finish();
    }
    return this.#closed;
  }

  #isClosed(): StoreError {
    return new StoreError('closed', `the database ${this.path} is closed`);
  }

  #refuseIfBroken(): void {
    if (!this.#broken) return;
    throw new StoreError('broken', `the database ${this.path} failed to commit: restart to recover`);
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#copies);
    await this.#group.idle();
    try {
      // Leaves one file at rest, easy to copy. A broken store's WAL is for recovery at the next start to judge.
      if (!this.#broken) this.#handles.writer.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      throw translateSqliteError(this.path, error);
    } finally {
      closeHandles(this.#handles);
    }
  }

  #kyselyOver(
    handle: Database.Database,
    onCommit: (seconds: number) => void,
    onStatement: StatementWatch,
  ): Kysely<Schema> {
    const watch: CommitWatch = {
      inTransaction: () => handle.inTransaction,
      committed: onCommit,
      // Disk full is rolled back cleanly. After a failed write or fsync nobody knows what the disk holds.
      commitFailed: (error) => {
        if (error instanceof StoreError && (error.kind === 'io' || error.kind === 'corrupt')) this.#broken = true;
      },
    };
    const source = cacheStatements(handle, (error) => translateSqliteError(this.path, error), onStatement);
    return kyselyOver<Schema>(source, watch);
  }
}
