/**
 * What can go wrong with the store, as a closed set of kinds: opening it
 * (`missing` … `in-use`), a statement (`constraint` … `corrupt`) and its life
 * (`broken`, `closed`). Decisions are made on `kind`, never on the text; the
 * texts name files and rules, and never hold a stored value.
 */
export type StoreErrorKind =
  /** The file or its directory cannot be created, opened or written. */
  | 'unwritable'
  /** The file exists and is not an SQLite database. */
  | 'not-a-database'
  /** The file is an SQLite database of another program. */
  | 'foreign-database'
  /** The file was written by a newer Sallyport. */
  | 'newer-schema'
  /** Another process (or another store in this one) has the file. */
  | 'in-use'
  /** A uniqueness, foreign-key, NOT NULL, CHECK or type rule of a table refused the row. */
  | 'constraint'
  /** Another program held a lock on the file for longer than the busy timeout. */
  | 'busy'
  /** The disk or a quota is full; the transaction is rolled back, later ones may succeed. */
  | 'full'
  /** The system refused to read or write the file. */
  | 'io'
  /** The file's content contradicts itself. */
  | 'corrupt'
  /** A commit failed in a way that leaves the disk's state unknown: nothing is acknowledged any more. */
  | 'broken'
  /** The store was closed. */
  | 'closed';

/** An error of the store; `cause` is the driver's error where there is one. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
