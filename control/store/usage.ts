/**
 * The table `usage`: what each session carried for each account in each UTC day.
 * `usage-writer.ts` adds to it, the usage service reads it.
 *
 * Every read walks one index in its order, from a position on. Where the filter
 * asks for more than the index knows, whoever asks skips rows, a bounded number a
 * statement: that is why pages carry positions, not offsets.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { PoolId, ProviderId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { UsageDelta } from '../../src/core/observed.ts';
import type { Schema } from './schema.ts';
import { blobToUuid, uuidToBlob } from './uuid-blob.ts';

/** Rows in one statement: some milliseconds of work. */
const ROWS_PER_STATEMENT = 500;

export interface UsageRow {
  readonly workspaceId: WorkspaceId;
  readonly providerId: ProviderId;
  readonly poolId: PoolId;
  readonly sessionId: SessionId;
  /** Empty for requests without an account. */
  readonly accountName: string;
  /** Days since the epoch, UTC. */
  readonly day: number;
  readonly requestCount: bigint;
  readonly errorCount: bigint;
  readonly bytesOut: bigint;
  readonly bytesIn: bigint;
}

/** Which rows; null matches everything. */
export interface UsageFilter {
  readonly workspaceId: WorkspaceId;
  readonly sessionId: SessionId | null;
  /** Empty: only requests without an account. */
  readonly accountName: string | null;
  readonly poolId: PoolId | null;
  readonly providerId: ProviderId | null;
}

/** A place in the order of the rows: day, then session, then account. */
export interface UsagePosition {
  readonly day: number;
  readonly sessionId: SessionId;
  readonly accountName: string;
}

/** Rows of one walk. */
export interface UsageWalk {
  /** Rows behind this one; null starts with `startDay`. */
  readonly after: UsagePosition | null;
  /** First and last day, inclusive. */
  readonly startDay: number;
  readonly endDay: number;
  /** At most so many rows are looked at. */
  readonly limit: number;
}

/**
 * Adds deltas to their rows, in order; `pause` is awaited between statements. Throws a RangeError, before anything
 * is written, for a count that a number does not hold exactly. A sum beyond 64 bits is a `constraint` error.
 */
export async function addUsage(
  db: Kysely<Schema>,
  deltas: readonly UsageDelta[],
  pause: () => Promise<void>,
): Promise<void> {
  if (!deltas.every(isExactUsage)) throw new RangeError('a usage count is no exact number');
  for (let i = 0; i < deltas.length; i += ROWS_PER_STATEMENT) {
    if (i > 0) await pause();
    await addRows(deltas.slice(i, i + ROWS_PER_STATEMENT)).execute(db);
  }
}

export type UsageCounts = Pick<UsageDelta, 'requestCount' | 'errorCount' | 'bytesOut' | 'bytesIn'>;

/** Whether these are counts; beyond 2^53 they may have been rounded already. */
export function isExactUsage({ requestCount, errorCount, bytesOut, bytesIn }: UsageCounts): boolean {
  return [requestCount, errorCount, bytesOut, bytesIn].every((count) => Number.isSafeInteger(count) && count >= 0);
}

/** Inside ON CONFLICT the plain name is the stored sum; SQLite adds in 64 bits, and the strict table refuses what overflows. */
function addRows(deltas: readonly UsageDelta[]): RawBuilder<unknown> {
  const rows = deltas.map((delta) => [
    hexId(delta.workspaceId),
    delta.day,
    hexId(delta.sessionId),
    delta.accountName,
    hexId(delta.poolId),
    hexId(delta.providerId),
    delta.requestCount,
    delta.errorCount,
    delta.bytesOut,
    delta.bytesIn,
  ]);
  return sql`
    insert into usage (workspace_id, usage_day, session_id, account_name, pool_id, provider_id,
      request_count, error_count, bytes_out, bytes_in)
    select unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3, unhex(value ->> 4), unhex(value ->> 5),
      value ->> 6, value ->> 7, value ->> 8, value ->> 9
    from json_each(${JSON.stringify(rows)}) where true
    on conflict (workspace_id, usage_day, session_id, account_name) do update set
      request_count = request_count + excluded.request_count,
      error_count = error_count + excluded.error_count,
      bytes_out = bytes_out + excluded.bytes_out,
      bytes_in = bytes_in + excluded.bytes_in
  `;
}

function hexId(id: string): string {
  return uuidToBlob(id).toString('hex');
}

/** Counts as text: the driver's numbers end at 2^53, the sums do not. */
interface StoredUsage {
  readonly usage_day: number;
  readonly session_id: Buffer;
  readonly account_name: string;
  readonly pool_id: Buffer;
  readonly provider_id: Buffer;
  readonly request_count: string;
  readonly error_count: string;
  readonly bytes_out: string;
  readonly bytes_in: string;
}

/** The next rows of the walk that the filter's index leads to; `matchesUsage` says which of them the whole filter means. */
export async function walkUsage(db: Kysely<Schema>, filter: UsageFilter, walk: UsageWalk): Promise<UsageRow[]> {
  const { rows } = await usageWalkQuery(filter, walk).execute(db);
  return rows.map((row) => ({
    workspaceId: filter.workspaceId,
    providerId: blobToUuid<ProviderId>(row.provider_id),
    poolId: blobToUuid<PoolId>(row.pool_id),
    sessionId: blobToUuid<SessionId>(row.session_id),
    accountName: row.account_name,
    day: row.usage_day,
    requestCount: BigInt(row.request_count),
    errorCount: BigInt(row.error_count),
    bytesOut: BigInt(row.bytes_out),
    bytesIn: BigInt(row.bytes_in),
  }));
}

/** Whether a row of a walk is one that the filter asks for. */
export function matchesUsage(filter: UsageFilter, row: UsageRow): boolean {
  return (
    (filter.sessionId === null || row.sessionId === filter.sessionId) &&
    (filter.accountName === null || row.accountName === filter.accountName) &&
    (filter.poolId === null || row.poolId === filter.poolId) &&
    (filter.providerId === null || row.providerId === filter.providerId)
  );
}

/** Whether every row of the walk is one that the filter asks for: its index knows all of it. */
export function isExactWalk(filter: UsageFilter): boolean {
  const asked = [filter.sessionId, filter.accountName, filter.poolId, filter.providerId];
  return asked.filter((value) => value !== null).length <= 1;
}

/** The statement of `walkUsage`; exported for the test of its query plan. */
export function usageWalkQuery(filter: UsageFilter, walk: UsageWalk): RawBuilder<StoredUsage> {
  const { index, fixed, order } = routeOf(filter);
  const start = positionOf(walk);
  const columns = sql.join(order.map((column) => sql.ref(column)));
  const position = sql.join(order.map((column) => start[column]));
  const fixation = fixed === null ? sql`` : sql`and ${sql.ref(fixed.column)} = ${fixed.value}`;
  // INDEXED BY: the planner would have to guess how many rows each filter leaves; a lost index is an error, not a scan.
  return sql<StoredUsage>`
    select usage_day, session_id, account_name, pool_id, provider_id,
      cast(request_count as text) as request_count, cast(error_count as text) as error_count,
      cast(bytes_out as text) as bytes_out, cast(bytes_in as text) as bytes_in
    from usage ${index === null ? sql`` : sql`indexed by ${sql.ref(index)}`}
    where workspace_id = ${uuidToBlob(filter.workspaceId)} ${fixation}
      and (${columns}) > (${position}) and usage_day <= ${walk.endDay}
    order by ${columns} limit ${walk.limit}
  `;
}

type OrderColumn = 'usage_day' | 'session_id' | 'account_name';

interface Route {
  /** null: the table itself, which is ordered by workspace, day, session, account. */
  readonly index: string | null;
  readonly fixed: { readonly column: string; readonly value: Buffer | string } | null;
  /** What of the order the index leaves open. */
  readonly order: readonly OrderColumn[];
}

/** The index of the most selective filter: a session has few rows, an account some, a pool and a provider many. */
function routeOf({ sessionId, accountName, poolId, providerId }: UsageFilter): Route {
  const whole: Route['order'] = ['usage_day', 'session_id', 'account_name'];
  if (sessionId !== null) {
    const fixed = { column: 'session_id', value: uuidToBlob(sessionId) };
    return { index: 'usage_of_session', fixed, order: ['usage_day', 'account_name'] };
  }
  const byAccount: Route = {
    index: 'usage_of_account',
    fixed: { column: 'account_name', value: accountName ?? '' },
    order: ['usage_day', 'session_id'],
  };
  if (accountName !== null && accountName !== '') return byAccount;
  if (poolId !== null) {
    return { index: 'usage_of_pool', fixed: { column: 'pool_id', value: uuidToBlob(poolId) }, order: whole };
  }
  if (providerId !== null) {
    return {
      index: 'usage_of_provider',
      fixed: { column: 'provider_id', value: uuidToBlob(providerId) },
      order: whole,
    };
  }
  // Nearly every row of a workspace without accounts has this one.
  return accountName === '' ? byAccount : { index: null, fixed: null, order: whole };
}

/** Behind every session and account there can be: 16 bytes are less than 17, and no text sorts after this one. */
const LAST_SESSION = Buffer.alloc(17, 0xff);
const LAST_ACCOUNT = '\u{10ffff}';

function positionOf({ after, startDay }: UsageWalk): Readonly<Record<OrderColumn, number | Buffer | string>> {
  if (after === null) return { usage_day: startDay - 1, session_id: LAST_SESSION, account_name: LAST_ACCOUNT };
  return { usage_day: after.day, session_id: uuidToBlob(after.sessionId), account_name: after.accountName };
}
