/**
 * The chain over the audit record: each row's hash covers the row and the hash of
 * the row before it, so that a row changed, taken out, put in or moved shows.
 *
 *   hash(n) = SHA-256( hash(n−1) ‖ UTF-8 of JSON [id, at, workspace, actor, method, object, outcome, count, before, after] )
 *
 * JSON of an array with fixed places is canonical: two different rows never have the
 * same text. The first row goes on from 32 zero bytes; rows of schema 1 come before it and have
 * no hash. Appending is `audit-events.ts`; `verifyAuditChain` is for whoever doubts.
 */
import { hash } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { AuditEventsTable, Schema } from './schema.ts';

/** What the first row of the chain goes on from. */
export const CHAIN_START: Buffer = Buffer.alloc(32);

/** Rows between two pauses: a few milliseconds of work. */
const ROWS_PER_PAGE = 500;

type AuditRow = Selectable<AuditEventsTable>;

/** The hash of a row that follows a row with the hash `previous`; 32 bytes. */
export function chainHash(previous: Uint8Array, row: Omit<AuditRow, 'hash'>): Buffer {
  const hex = (blob: Buffer | null) => blob?.toString('hex') ?? null;
  const places = [
    ...[row.id, row.at, hex(row.workspace_id), hex(row.actor_key_id), row.method],
    ...[hex(row.object_id), row.outcome, row.count, row.before, row.after],
  ];
  // In one piece: an object that hashes piece by piece costs more than hashing this does, and has to be collected.
  return hash('sha256', Buffer.concat([previous, Buffer.from(JSON.stringify(places))]), 'buffer');
}

/** Where the record contradicts itself. */
export interface BrokenAuditRow {
  /** Number of the first row that cannot be trusted. */
  readonly id: number;
  /**
   * - `missing`: the record has no row of this number, or none with a hash.
   * - `altered`: the row is not the one that was appended, or does not follow the one before it.
   */
  readonly fault: 'missing' | 'altered';
}

/**
 * Walks the whole record, page by page, and answers the first row that is not as it was appended, or null. Through
 * a reading handle: rows appended meanwhile are walked as well. Who can write the file can forge the chain from a
 * row on; a hash noted elsewhere tells (docs/decisions/0010).
 */
export async function verifyAuditChain(db: Kysely<Schema>): Promise<BrokenAuditRow | null> {
  // Before the first page: what is appended later may or may not be walked.
  const lastGiven = await lastGivenId(db);
  let lastId = 0;
  let previous: Buffer | null = null;
  for (;;) {
    const page: AuditRow[] = await loadPage(db, lastId);
    for (const row of page) {
      // Rows of schema 1, which come before the chain.
      const isBefore = previous === null && row.hash === null;
      if (!isBefore) {
        // Numbers are given once and without gaps.
        if (previous !== null && row.id !== lastId + 1) return { id: lastId + 1, fault: 'missing' };
        if (row.hash === null) return { id: row.id, fault: 'missing' };
        if (!chainHash(previous ?? CHAIN_START, row).equals(row.hash)) return { id: row.id, fault: 'altered' };
        previous = row.hash;
      }
      lastId = row.id;
    }
    if (page.length < ROWS_PER_PAGE) return lastId < lastGiven ? { id: lastId + 1, fault: 'missing' } : null;
    await pause();
  }
}

function loadPage(db: Kysely<Schema>, afterId: number): Promise<AuditRow[]> {
  return db
    .selectFrom('audit_events')
    .selectAll()
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(ROWS_PER_PAGE)
    .execute();
}

async function lastGivenId(db: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{ seq: number }>`select seq from sqlite_sequence where name = 'audit_events'`.execute(db);
  return rows[0]?.seq ?? 0;
}
