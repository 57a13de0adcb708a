/**
 * SQLite's result codes as kinds of StoreError. The sentences name the file;
 * SQLite's own messages name tables and columns, never values, and stay the cause.
 */
import { StoreError, type StoreErrorKind } from './store-error.ts';

/** By the start of an (extended) result code: SQLITE_IOERR covers SQLITE_IOERR_FSYNC and its like. */
const KINDS: readonly (readonly [prefix: string, kind: StoreErrorKind, what: string])[] = [
  ['SQLITE_CONSTRAINT', 'constraint', 'refused the row by a rule of its table'],
  ['SQLITE_BUSY', 'busy', 'is locked by another program'],
  ['SQLITE_LOCKED', 'busy', 'is locked by another program'],
  ['SQLITE_FULL', 'full', 'cannot grow: the disk or a quota is full'],
  ['SQLITE_IOERR', 'io', 'cannot be read or written: the system reports an I/O error'],
  ['SQLITE_CORRUPT', 'corrupt', 'is damaged: restore it from a backup'],
  ['SQLITE_NOTADB', 'not-a-database', 'is not an SQLite database'],
  ['SQLITE_READONLY', 'unwritable', 'cannot be written'],
  ['SQLITE_CANTOPEN', 'unwritable', 'cannot be opened'],
  ['SQLITE_PERM', 'unwritable', 'cannot be opened'],
];

/** The StoreError of an SQLite error; anything else (a mistake in our SQL included) comes back as it is. */
export function translateSqliteError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const { code } = error;
  const row = KINDS.find(([prefix]) => code.startsWith(prefix));
  if (row === undefined) return error;
  return new StoreError(row[1], `the database ${path} ${row[2]} (${code})`, { cause: error });
}
