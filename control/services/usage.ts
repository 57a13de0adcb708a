/**
 * Daily traffic, as the usage writer booked it. What a session carried stays
 * readable when the session, its pool or its provider is gone.
 */
import { setImmediate as pause } from 'node:timers/promises';
import type { ServiceImpl } from '@connectrpc/connect';
import type { PoolId, ProviderId, SessionId } from '../../src/core/model.ts';
import { callOf, checkpoint, type Plane, workspaceOf } from '../call.ts';
import { dayFromDate } from '../convert/days.ts';
import { idFrom } from '../convert/ids.ts';
import { usageMessage } from '../convert/observed.ts';
import { malformed } from '../domain-error.ts';
import type { Proxies, QueryProxyUsageRequest } from '../gen/proxies/v1/proxies_pb.ts';
import {
  isExactWalk,
  matchesUsage,
  type UsageFilter,
  type UsagePosition,
  type UsageRow,
  type UsageWalk,
  walkUsage,
} from '../store/usage.ts';
import { blobToUuid, uuidToBlob } from '../store/uuid-blob.ts';

const DEFAULT_LIMIT = 50;
/** Ten years and some. */
const MAX_DAYS = 3_660;
/** Rows that one statement looks at, where the filter may pass over some. */
const ROWS_PER_STATEMENT = 500;
/** Rows that one call looks at; then it answers what it has, and the cursor goes on from there. */
const ROWS_PER_CALL = 20_000;

type UsageService = Pick<ServiceImpl<typeof Proxies>, 'queryProxyUsage'>;

export function usageService(plane: Plane): UsageService {
  return {
    async queryProxyUsage(request, { values }) {
      const call = callOf(values);
      const filter: UsageFilter = {
        workspaceId: workspaceOf(call),
        sessionId: request.sessionId === undefined ? null : idFrom<SessionId>(request.sessionId),
        accountName: request.accountName ?? null,
        poolId: request.poolId === undefined ? null : idFrom<PoolId>(request.poolId),
        providerId: request.providerId === undefined ? null : idFrom<ProviderId>(request.providerId),
      };
      const { startDay, endDay } = daysOf(request);
      const limit = request.limit ?? DEFAULT_LIMIT;
      let after = positionFrom(request.cursor ?? '', startDay, endDay);
      const found: UsageRow[] = [];
      for (let looked = 0; looked < ROWS_PER_CALL; ) {
        // One row more than asked tells whether there is a next page.
        const wanted = limit + 1 - found.length;
        const walk: UsageWalk = { after, startDay, endDay, limit: isExactWalk(filter) ? wanted : ROWS_PER_STATEMENT };
        const rows = await walkUsage(plane.store.db, filter, walk);
        found.push(...rows.filter((row) => matchesUsage(filter, row)).slice(0, wanted));
        if (found.length > limit) return answer(found.slice(0, limit), found[limit - 1] ?? null);
        if (rows.length < walk.limit) return answer(found, null);
        looked += rows.length;
        after = rows.at(-1) ?? null;
        await pause();
        checkpoint(call);
      }
      return answer(found, after);
    },
  };
}

function answer(rows: readonly UsageRow[], goOnAfter: UsagePosition | null) {
  return { records: rows.map(usageMessage), nextCursor: goOnAfter === null ? '' : cursorOf(goOnAfter) };
}

/** The days of a request whose dates passed the rules, which know them one by one only. */
function daysOf({ startDate, endDate }: QueryProxyUsageRequest): { startDay: number; endDay: number } {
  const startDay = dayFromDate(startDate);
  const endDay = dayFromDate(endDate);
  if (startDay === null || endDay === null) throw new Error('a date passed its rule and is none');
  if (startDay > endDay) throw malformed([{ field: 'endDate', description: 'must not be before startDate' }]);
  if (endDay - startDay >= MAX_DAYS) {
    throw malformed([{ field: 'endDate', description: `must be less than ${MAX_DAYS} days after startDate` }]);
  }
  return { startDay, endDay };
}

/** Differs from the first byte of the cursors over ids. */
const CURSOR_FORMAT = 2;
const SESSION_AT = 5;
const ACCOUNT_AT = 21;

/** Format, day (4 bytes), session (16), account (the rest). */
function cursorOf({ day, sessionId, accountName }: UsagePosition): string {
  const head = Buffer.alloc(SESSION_AT);
  head[0] = CURSOR_FORMAT;
  head.writeInt32BE(day, 1);
  return Buffer.concat([head, uuidToBlob(sessionId), Buffer.from(accountName)]).toString('base64url');
}

/** The position that a cursor names, null for none; throws `invalid_argument` for one that is not of this query. */
function positionFrom(cursor: string, startDay: number, endDay: number): UsagePosition | null {
  if (cursor === '') return null;
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length >= ACCOUNT_AT && bytes[0] === CURSOR_FORMAT) {
    const position: UsagePosition = {
      day: bytes.readInt32BE(1),
      sessionId: blobToUuid<SessionId>(bytes.subarray(SESSION_AT, ACCOUNT_AT)),
      accountName: bytes.subarray(ACCOUNT_AT).toString(),
    };
    // Written again it must be the same text: base64 and UTF-8 both read more than they write.
    if (position.day >= startDay && position.day <= endDay && cursorOf(position) === cursor) return position;
  }
  throw malformed([{ field: 'cursor', description: 'must be a nextCursor of this query' }]);
}
