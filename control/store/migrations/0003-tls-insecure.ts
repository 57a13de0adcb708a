/** Schema 3: whether the certificate of a session's `https` upstream goes unchecked. */
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../schema.ts';

/** Brings schema 2 to schema 3. */
export async function addTlsInsecure(tx: Kysely<Schema>): Promise<void> {
  await sql`
    alter table sessions add column tls_insecure integer not null default 0 check (tls_insecure in (0, 1))
  `.execute(tx);
}
