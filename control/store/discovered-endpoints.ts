/**
 * The table `discovered_endpoints`: which session stands for which endpoint of a
 * vendor's list, so that every discovery finds its own again. A row outlives the
 * session that an operator deleted for as long as its endpoint is listed.
 */
import { type Kysely, sql } from 'kysely';
import type { PoolId, ProviderId, SessionId } from '../../src/core/model.ts';
import type { Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

/** An endpoint that was listed before. */
export interface KnownEndpoint {
  readonly key: string;
  readonly sessionId: SessionId;
  /** Where its session is, or was. */
  readonly poolId: PoolId;
  readonly isSessionLive: boolean;
  /** What the session's password is sealed under. */
  readonly serial: number;
  /** Discovery disabled the session because the endpoint was gone, and may enable it again. */
  readonly vanished: boolean;
}

/** An endpoint and the run that saw it last. */
export interface SeenEndpoint {
  readonly key: string;
  readonly sessionId: SessionId;
  readonly seenRun: number;
  readonly vanished: boolean;
  /** What the session's password is sealed under. */
  readonly serial: number;
}

/** Rows of one deleting statement. */
const ROWS_PER_STATEMENT = 500;

/** Those of the keys that are known, in no order; ask for 1,000 or fewer at a time. */
export async function findKnownEndpoints(
  db: Kysely<Schema>,
  providerId: ProviderId,
  keys: readonly string[],
): Promise<KnownEndpoint[]> {
  const { rows } = await sql<{
    endpoint_key: string;
    session_id: Buffer;
    pool_id: Buffer;
    live: number;
    vanished: number;
    serial: number;
  }>`
    select d.endpoint_key, d.session_id, s.pool_id, s.deleted_at is null as live, d.vanished,
      coalesce(n.serial, 1) as serial
    from json_each(${JSON.stringify(keys)}) k
    cross join discovered_endpoints d on d.provider_id = ${uuidToBlob(providerId)} and d.endpoint_key = k.value
    cross join sessions s on s.id = d.session_id
    left join seal_serials n on n.row_id = d.session_id
  `.execute(db);
  return rows.map((row) => ({
    key: row.endpoint_key,
    sessionId: blobToUuid(row.session_id),
    poolId: blobToUuid(row.pool_id),
    isSessionLive: row.live === 1,
    vanished: row.vanished === 1,
    serial: row.serial,
  }));
}

/** Notes that a run saw the endpoints, with the session that stands for each from now on. */
export async function putSeenEndpoints(
  db: Kysely<Schema>,
  providerId: ProviderId,
  run: number,
  endpoints: readonly { readonly key: string; readonly sessionId: SessionId }[],
): Promise<void> {
  const rows = endpoints.map(({ key, sessionId }) => [key, uuidToBlob(sessionId).toString('hex')]);
  // `where true` tells SQLite's parser that ON belongs to the upsert.
  await sql`
    insert into discovered_endpoints (provider_id, endpoint_key, session_id, seen_run, vanished)
    select ${uuidToBlob(providerId)}, value ->> 0, unhex(value ->> 1), ${run}, 0
    from json_each(${JSON.stringify(rows)}) where true
    on conflict do update set session_id = excluded.session_id, seen_run = excluded.seen_run, vanished = 0
  `.execute(db);
}

/** A page of the provider's endpoints after a key (null for the first page), in key order. */
export async function loadSeenEndpoints(
  db: Kysely<Schema>,
  providerId: ProviderId,
  afterKey: string | null,
  limit: number,
): Promise<SeenEndpoint[]> {
  // No key is empty, so the empty text stands before them all.
  const { rows } = await sql<{
    endpoint_key: string;
    session_id: Buffer;
    seen_run: number;
    vanished: number;
    serial: number;
  }>`
    select d.endpoint_key, d.session_id, d.seen_run, d.vanished, coalesce(n.serial, 1) as serial
    from discovered_endpoints d left join seal_serials n on n.row_id = d.session_id
    where d.provider_id = ${uuidToBlob(providerId)} and d.endpoint_key > ${afterKey ?? ''}
    order by d.endpoint_key limit ${limit}
  `.execute(db);
  return rows.map((row) => ({
    key: row.endpoint_key,
    sessionId: blobToUuid(row.session_id),
    seenRun: row.seen_run,
    vanished: row.vanished === 1,
    serial: row.serial,
  }));
}

/** Notes that discovery disabled the sessions of these endpoints. */
export async function markVanished(db: Kysely<Schema>, providerId: ProviderId, keys: readonly string[]): Promise<void> {
  await db
    .updateTable('discovered_endpoints')
    .set({ vanished: 1 })
    .where('provider_id', '=', uuidToBlob(providerId))
    .where('endpoint_key', 'in', sql<string>`(select value from json_each(${JSON.stringify(keys)}))`)
    .execute();
}

/** Forgets endpoints: listed again, they get new sessions. */
export async function forgetEndpoints(
  db: Kysely<Schema>,
  providerId: ProviderId,
  keys: readonly string[],
): Promise<void> {
  await db
    .deleteFrom('discovered_endpoints')
    .where('provider_id', '=', uuidToBlob(providerId))
    .where('endpoint_key', 'in', sql<string>`(select value from json_each(${JSON.stringify(keys)}))`)
    .execute();
}

/** Forgets all endpoints of a provider; `pause` is awaited after each statement (`setImmediate` in production). */
export async function forgetEndpointsOfProvider(
  tx: Kysely<Schema>,
  providerId: ProviderId,
  pause: () => Promise<void>,
): Promise<void> {
  const provider = uuidToBlob(providerId);
  for (;;) {
    const result = await tx
      .deleteFrom('discovered_endpoints')
      .where('provider_id', '=', provider)
      .where(
        'endpoint_key',
        'in',
        sql<string>`(select endpoint_key from discovered_endpoints where provider_id = ${provider} limit ${ROWS_PER_STATEMENT})`,
      )
      .executeTakeFirst();
    if (Number(result.numDeletedRows) < ROWS_PER_STATEMENT) return;
    await pause();
  }
}
