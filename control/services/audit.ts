/**
 * The audit record: who changed what. Rows are appended by `mutate` and by the
 * outcome interceptor; here they are read, whole, page by page.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { auditEventMessage } from '../convert/accounts.ts';
import { DEFAULT_LIMIT } from '../cursor.ts';
import { malformed } from '../domain-error.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';
import { listAuditEvents } from '../store/audit-events.ts';

/** First byte of a cursor: no other list has this one, so that a cursor of another list is not taken for ours. */
const CURSOR_KIND = 0xa1;
/** The kind, and the number of the last row as a 64-bit integer. */
const CURSOR_BYTES = 9;

type AuditService = Pick<ServiceImpl<typeof Accounts>, 'listAuditEvents'>;

export function auditService(plane: Plane): AuditService {
  return {
    async listAuditEvents(request, { values }) {
      const limit = request.limit ?? DEFAULT_LIMIT;
      // One more than asked: `nextCursor` is empty exactly when nothing is left.
      const page = { afterId: positionOf(request.cursor ?? ''), limit: limit + 1 };
      const found = await listAuditEvents(plane.store.db, workspaceOf(callOf(values)), page);
      const events = found.slice(0, limit);
      const last = events.at(-1);
      const nextCursor = found.length > limit && last !== undefined ? cursorOf(last.id) : '';
      return { events: events.map(auditEventMessage), nextCursor };
    },
  };
}

/** The row that a cursor stands behind; 0 for the empty one. */
function positionOf(cursor: string): number {
  if (cursor === '') return 0;
  const bytes = Buffer.from(cursor, 'base64url');
  const position = bytes.length === CURSOR_BYTES ? bytes.readBigUInt64BE(1) : 0n;
  const ours = bytes[0] === CURSOR_KIND && position >= 1n && position <= BigInt(Number.MAX_SAFE_INTEGER);
  if (!ours || bytes.toString('base64url') !== cursor) {
    throw malformed([{ field: 'cursor', description: 'must be a nextCursor of this method' }]);
  }
  return Number(position);
}

function cursorOf(position: number): string {
  const bytes = Buffer.alloc(CURSOR_BYTES);
  bytes[0] = CURSOR_KIND;
  bytes.writeBigUInt64BE(BigInt(position), 1);
  return bytes.toString('base64url');
}
