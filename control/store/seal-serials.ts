/**
 * The table `seal_serials`: which secret of its row a sealed value is. The first has
 * serial 1 and no row here, so that creating sessions costs nothing. The serial is part
 * of what a value is sealed for (`sealing.ts`): a value of an earlier secret, or a whole
 * earlier row, put back into the file does not open.
 *
 *   create: 1 ── replaced: +1, sealed under the new one ── cleared, or row deleted: +1
 */
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';
import { uuidToBlob } from './uuid-blob.ts';

/** The serial of the row's secret, or of its next one while it has none. */
export async function loadSealSerial(db: Kysely<Schema>, rowId: string): Promise<number> {
  const row = await db
    .selectFrom('seal_serials')
    .select('serial')
    .where('row_id', '=', uuidToBlob(rowId))
    .executeTakeFirst();
  return row?.serial ?? 1;
}

/**
 * Retires the row's secret, in the transaction that clears or replaces it or deletes the row;
 * answers the serial to seal the next one under.
 */
export async function retireSeal(tx: Kysely<Schema>, rowId: string): Promise<number> {
  const { rows } = await sql<{ serial: number }>`
    insert into seal_serials (row_id, serial) values (${uuidToBlob(rowId)}, 2)
    on conflict (row_id) do update set serial = serial + 1 returning serial
  `.execute(tx);
  return rows[0]!.serial;
}

/** The serial for a new secret of a row, in the transaction that stores it: the one it has, if any, is retired. */
export async function nextSealSerial(tx: Kysely<Schema>, rowId: string, hasSecret: boolean): Promise<number> {
  return hasSecret ? retireSeal(tx, rowId) : loadSealSerial(tx, rowId);
}
