/**
 * BulkCreateSessions: up to 50,000 rows in one transaction, all or none, and
 * idempotent on (pool, token).
 *
 *   check rows ─ tx: live rows of these tokens ─ insert the rest ─ audit ─ commit ─ publish ─ answer in request order
 *
 * Work on many rows pauses every slice, so that the plane's other calls go on;
 * other writes wait for the transaction, reads do not.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MethodImpl } from '@connectrpc/connect';
import type { Transaction } from 'kysely';
import type { Change } from '../../src/core/model.ts';
import { callOf, type Plane, pauseOf, workspaceOf } from '../call.ts';
import { idBytes } from '../convert/ids.ts';
import { sessionMessage, sessionPut } from '../convert/sessions.ts';
import { type FieldViolation, malformed } from '../domain-error.ts';
import type { NewSession, Proxies, Session } from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import type { Schema } from '../store/schema.ts';
import { insertSessions } from '../store/session-bulk.ts';
import { findShownSessionsByTokens, type SessionRecord, type ShownSession } from '../store/sessions.ts';
import { loadPlacement, newSession, type Placement, shapeInit } from './new-session.ts';
import { type SessionShape, tokenCheck } from './session-shape.ts';

/** Rows between two pauses: a few milliseconds of work. */
const SLICE_ROWS = 500;
/** More wrong rows than this are not listed. */
const ENOUGH_VIOLATIONS = 20;

export function bulkCreateSessions(plane: Plane): MethodImpl<typeof Proxies.method.bulkCreateSessions> {
  return async (request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    refuseDoubledTokens(request.sessions);
    const result = await mutate(plane, call, async (tx) => {
      const placement = await loadPlacement(tx, workspaceId, request);
      const bulk: Bulk = { plane, tx, placement, rows: request.sessions, pause: pauseOf(call) };
      const shapes = await shapeRows(bulk);
      const live = await loadLiveByToken(bulk);
      const existing = live.size;
      const changes = await insertMissing(bulk, shapes, live);
      const answer = { live, created: changes.length, existing };
      const unchecked = changes.filter((change) => change.kind === 'session-put' && change.session.tlsInsecure).length;
      return {
        answer,
        changes,
        workspaceId,
        objectId: null,
        count: changes.length,
        // The one field that lowers a guard is in the record, however the session came to be.
        ...(unchecked > 0 && { after: { tlsInsecureCount: unchecked } }),
      };
    });
    return {
      sessions: await answerInOrder(request.sessions, result.live),
      createdCount: result.created,
      existingCount: result.existing,
    };
  };
}

/** One call at work inside its transaction. */
interface Bulk {
  readonly plane: Plane;
  readonly tx: Transaction<Schema>;
  readonly placement: Placement;
  readonly rows: readonly NewSession[];
  /** Between two slices; throws, and so undoes everything, when nobody waits for the answer any more. */
  readonly pause: () => Promise<void>;
}

function refuseDoubledTokens(rows: readonly NewSession[]): void {
  const seen = new Map<string, number>();
  const found: FieldViolation[] = [];
  for (const [index, { token }] of rows.entries()) {
    const first = seen.get(token);
    if (first === undefined) seen.set(token, index);
    else found.push({ field: `sessions[${index}].token`, description: `is that of sessions[${first}] as well` });
    if (found.length >= ENOUGH_VIOLATIONS) break;
  }
  if (found.length > 0) throw malformed(found);
}

/** Every row fitted to the provider, or one error that names the wrong ones. */
async function shapeRows({ plane, placement, rows, pause }: Bulk): Promise<SessionShape[]> {
  const fitsToken = tokenCheck(placement.provider);
  const shapes: SessionShape[] = [];
  const found: FieldViolation[] = [];
  const localAddresses = plane.localAddresses();
  for (const [index, row] of rows.entries()) {
    const shape = shapeInit(
      { localAddresses: () => localAddresses },
      placement.provider,
      fitsToken,
      row,
      `sessions[${index}].`,
    );
    if (Array.isArray(shape)) found.push(...shape);
    else shapes.push(shape);
    if (found.length >= ENOUGH_VIOLATIONS) break;
    if (index % SLICE_ROWS === SLICE_ROWS - 1) await pause();
  }
  if (found.length > 0) throw malformed(found);
  return shapes;
}

async function loadLiveByToken({ tx, placement, rows, pause }: Bulk): Promise<Map<string, ShownSession>> {
  const live = new Map<string, ShownSession>();
  for (let i = 0; i < rows.length; i += SLICE_ROWS) {
    const tokens = rows.slice(i, i + SLICE_ROWS).map((row) => row.token);
    for (const record of await findShownSessionsByTokens(tx, placement, tokens)) live.set(record.token, record);
    await pause();
  }
  return live;
}

/** Inserts the rows whose token is not live, adds them to `live`, and answers what the gateway must see of them. */
async function insertMissing(
  { plane, tx, placement, rows, pause }: Bulk,
  shapes: readonly SessionShape[],
  live: Map<string, ShownSession>,
): Promise<Change[]> {
  const sealer = await plane.vault.forWorkspace(plane.store.db, placement.workspaceId);
  const changes: Change[] = [];
  // A generator: each row is sealed when the insert asks for it, so that sealing pauses with it.
  function* missing(): Generator<SessionRecord> {
    for (const [index, row] of rows.entries()) {
      if (live.has(row.token)) continue;
      const { record, password } = newSession(plane, placement, sealer, shapes[index]!, row);
      live.set(record.token, record);
      changes.push(sessionPut(record, password));
      yield record;
    }
  }
  await insertSessions(tx, missing(), pause);
  return changes;
}

async function answerInOrder(rows: readonly NewSession[], live: ReadonlyMap<string, ShownSession>): Promise<Session[]> {
  const sessions: Session[] = [];
  const owners = new Map<string, Uint8Array<ArrayBuffer>>();
  const ownerBytes = (id: string) => {
    const bytes = owners.get(id) ?? idBytes(id);
    owners.set(id, bytes);
    return bytes;
  };
  for (const [index, { token }] of rows.entries()) {
    const record = live.get(token);
    if (record === undefined) throw new Error('a row of a bulk call has no session');
    sessions.push(sessionMessage(record, ownerBytes));
    if (index % SLICE_ROWS === SLICE_ROWS - 1) await nextTurn();
  }
  return sessions;
}
