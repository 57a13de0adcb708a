/**
 * Bulk insertion into `sessions`: any number of rows inside the caller's one
 * transaction, in statements of bounded length with a pause between slices, so
 * that the thread keeps answering. Other writes wait for the transaction; reads
 * go on beside it and see nothing of it before it commits.
 */
import { CompiledQuery, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import { insertSessionParameters, insertSessionsSql } from './session-rows.ts';
import type { SessionRecord } from './sessions.ts';

/** Rows of one INSERT statement: large enough that the way through kysely is paid rarely. */
const ROWS_PER_STATEMENT = 50;
const FULL_STATEMENT = insertSessionsSql(ROWS_PER_STATEMENT);
/** Rows between two pauses: 5–10 ms of work with sealing. */
const ROWS_PER_SLICE = 200;

/**
 * Adds live sessions, inside the transaction `tx`; a token that a live session of the
 * pool has is a `constraint` error. `records` may be a generator that seals each row as
 * it is asked for. `pause` is awaited every 200 rows (`setImmediate` in production).
 */
export async function insertSessions(
  tx: Kysely<Schema>,
  records: Iterable<SessionRecord>,
  pause: () => Promise<void>,
): Promise<void> {
  let batch: SessionRecord[] = [];
  let sincePause = 0;
  const flush = async () => {
    const text = batch.length === ROWS_PER_STATEMENT ? FULL_STATEMENT : insertSessionsSql(batch.length);
    await tx.executeQuery(CompiledQuery.raw(text, batch.flatMap(insertSessionParameters)));
    batch = [];
  };
  for (const record of records) {
    batch.push(record);
    if (batch.length === ROWS_PER_STATEMENT) await flush();
    if (++sincePause === ROWS_PER_SLICE) {
      sincePause = 0;
      await pause();
    }
  }
  if (batch.length > 0) await flush();
}
