/**
 * Brings a database to the schema of this program: numbered migrations, each in a
 * transaction of its own together with the new number, so a crash leaves the file
 * at one version or the next. `PRAGMA user_version` is the number,
 * `PRAGMA application_id` says that the file is ours.
 */
import { type Kysely, sql } from 'kysely';
import { createTables } from './migrations/0001-tables.ts';
import { addControlPlane } from './migrations/0002-control-plane.ts';
import { addTlsInsecure } from './migrations/0003-tls-insecure.ts';
import type { Schema } from './schema.ts';
import { StoreError } from './store-error.ts';

/** "SaLy" in ASCII. */
const APPLICATION_ID = 0x53614c79;

type Migration = (tx: Kysely<Schema>) => Promise<void>;

/** Migration n brings version n−1 to n: append here, never change what has been released. */
const MIGRATIONS: readonly Migration[] = [createTables, addControlPlane, addTlsInsecure];

/** The schema version that this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** What the header of a database file says. */
export interface SchemaHeader {
  readonly applicationId: number;
  readonly userVersion: number;
  /** Rows of sqlite_schema; 0 for an empty file. */
  readonly objects: number;
}

/** Throws a StoreError (`foreign-database`, `newer-schema`) for a file that this program must not touch. */
export function checkSchemaHeader(path: string, header: SchemaHeader): void {
  const { applicationId, userVersion, objects } = header;
  if (applicationId !== APPLICATION_ID && (objects > 0 || applicationId !== 0)) {
    throw new StoreError('foreign-database', `${path} is a database of another program`);
  }
  if (userVersion > SCHEMA_VERSION) {
    throw new StoreError(
      'newer-schema',
      `the database ${path} has schema ${userVersion}, this program knows up to ${SCHEMA_VERSION}: use a newer Sallyport`,
    );
  }
}

/** Applies what is missing, through the writing handle. */
export async function migrate(writer: Kysely<Schema>, fromVersion: number): Promise<void> {
  for (let version = fromVersion; version < SCHEMA_VERSION; version++) {
    await writer.transaction().execute(async (tx) => {
      await MIGRATIONS[version]!(tx);
      // Pragmas take no parameters; these are our own integers.
      await sql.raw(`pragma application_id = ${APPLICATION_ID}`).execute(tx);
      await sql.raw(`pragma user_version = ${version + 1}`).execute(tx);
    });
  }
}
