/**
 * What goes with a provider when it is deleted: its sessions. Any number of rows
 * inside the caller's one transaction, in statements of bounded length with a pause
 * after each. Assignments to the sessions stay. Called by DeleteProvider.
 */
import { type Kysely, sql } from 'kysely';
import type { ProviderId } from '../../src/core/model.ts';
import type { Schema } from './schema.ts';
import { uuidToBlob } from './uuid-blob.ts';

/** Rows of one statement: 5–10 ms of work, as each session leaves four indexes. */
const ROWS_PER_STATEMENT = 250;

/** Deletes the provider's live sessions and erases their passwords; answers how many. `pause` is awaited in between. */
export async function softDeleteSessionsOfProvider(
  tx: Kysely<Schema>,
  providerId: ProviderId,
  atMs: number,
  pause: () => Promise<void>,
): Promise<number> {
  let rows = 0;
  for (;;) {
    // Starts at the front each time: the rows before have left the index with their deletion.
    const result = await tx
      .updateTable('sessions')
      .set({ deleted_at: atMs, updated_at: atMs, password_sealed: null })
      .where(
        'id',
        'in',
        sql<Buffer>`(
          select id from sessions where provider_id = ${uuidToBlob(providerId)} and deleted_at is null
          order by id limit ${ROWS_PER_STATEMENT}
        )`,
      )
      .executeTakeFirst();
    const changed = Number(result.numUpdatedRows);
    rows += changed;
    if (changed < ROWS_PER_STATEMENT) return rows;
    await pause();
  }
}
