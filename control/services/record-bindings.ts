/**
 * What the gateway bound in a request's turn, written down: a batch is one transaction,
 * with an audit row for each account that was bound or moved. Made by `plane.ts`,
 * called by the gateway's queue over the link.
 *
 *   batch ─ where each would go ─ judge in turn ─ new rows, changed rows ─ audit ─ publish ─▶ verdicts
 *
 * A binding is carried out where the store still is as the index knew it. Else the
 * store is right, as others bind through the API.
 * Invariant: the gateway then has what the store says of each account of the batch.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { AccountBinding, BindingVerdict, RecordBindings } from '../../src/core/account-binding.ts';
import type { AssignmentId, Change, WorkspaceId } from '../../src/core/model.ts';
import { auditFields, changedFields } from '../audit-diff.ts';
import type { Plane } from '../call.ts';
import { assignmentMessage, assignmentPut } from '../convert/assignments.ts';
import { AssignmentSchema } from '../gen/proxies/v1/proxies_pb.ts';
import {
  type AssignmentRecord,
  insertAssignments,
  loadBindingPlaces,
  replaceAssignment,
} from '../store/assignments.ts';
import { appendAuditEvent } from '../store/audit-events.ts';
import type { Schema } from '../store/schema.ts';
import { writeAndPublish } from '../write-and-publish.ts';

/** Stands in the audit record in place of an RPC's name; the actor is none, as no key called. */
const AUDIT_METHOD = 'gateway.Bind';
/** Rows of one statement each between two pauses: some milliseconds of work. */
const ROWS_PER_TURN = 50;

type RecorderPlane = Pick<Plane, 'store' | 'publisher' | 'clock' | 'newId'>;

/** An account of the batch: its row as the store has it, and as the bindings so far leave it. */
interface Account {
  readonly binding: AccountBinding;
  readonly stored: AssignmentRecord | null;
  row: AssignmentRecord | null;
}

/** A binding that was carried out. */
interface Step {
  readonly before: AssignmentRecord | null;
  readonly after: AssignmentRecord;
  readonly reason: string;
}

/** A recorder of one plane; its calls reject with a StoreError, or `unavailable` when the gateway takes no changes. */
export function createBindingRecorder(plane: RecorderPlane): RecordBindings {
  return async (batch) => {
    const { verdicts } = await writeAndPublish(plane, (tx) => recordBatch(plane, tx, batch));
    return verdicts;
  };
}

async function recordBatch(plane: RecorderPlane, tx: Transaction<Schema>, batch: readonly AccountBinding[]) {
  const places = await loadBindingPlaces(tx, batch);
  const accounts = new Map<string, Account>();
  const steps: Step[] = [];
  const verdicts = batch.map((binding, index): BindingVerdict => {
    const place = places[index]!;
    // What goes with a pool the gateway forgets by itself.
    if (place.workspaceId === null) return 'gone';
    const key = binding.poolId + binding.accountName;
    const account = accounts.get(key) ?? { binding, stored: place.assignment, row: place.assignment };
    accounts.set(key, account);
    const verdict = judge(binding, place.hasSession, account.row);
    if (verdict !== 'bind') return verdict;
    const after = bound(plane, binding, place.workspaceId, account.row);
    steps.push({ before: account.row, after, reason: binding.reason });
    account.row = after;
    return 'written';
  });
  await writeRows(tx, [...accounts.values()]);
  await appendSteps(plane, tx, steps);
  return { verdicts, changes: [...accounts.values()].map(truthOf) };
}

/** What becomes of a binding before a row that stands so; `bind`: it is carried out. */
function judge(
  { sessionId, previousSessionId }: AccountBinding,
  hasSession: boolean,
  row: AssignmentRecord | null,
): BindingVerdict | 'bind' {
  if (row?.sessionId === sessionId) return 'written';
  if (!hasSession) return 'gone';
  // Also where the index knew a row: it was deleted meanwhile, or an earlier binding was never taken.
  if (row === null) return 'bind';
  return row.sessionId === previousSessionId && !row.pinned ? 'bind' : { now: row.sessionId };
}

function bound(
  plane: RecorderPlane,
  { poolId, accountName, sessionId }: AccountBinding,
  workspaceId: WorkspaceId,
  before: AssignmentRecord | null,
): AssignmentRecord {
  const nowMs = plane.clock.nowMs();
  if (before !== null) return { ...before, sessionId, version: before.version + 1, updatedAtMs: nowMs };
  const id = plane.newId<AssignmentId>();
  const stamps = { version: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
  return { id, workspaceId, poolId, sessionId, accountName, pinned: false, ...stamps };
}

async function writeRows(tx: Transaction<Schema>, accounts: readonly Account[]): Promise<void> {
  const changed = accounts.filter(({ stored, row }) => row !== stored);
  const made = changed.flatMap(({ stored, row }) => (stored === null ? row! : []));
  await insertAssignments(tx, made, () => nextTurn());
  const moved = changed.flatMap(({ stored, row }) => (stored === null ? [] : row!));
  for (const [index, row] of moved.entries()) {
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await nextTurn();
    await replaceAssignment(tx, row);
  }
}

async function appendSteps(plane: RecorderPlane, tx: Transaction<Schema>, steps: readonly Step[]): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await nextTurn();
    const { id: objectId, workspaceId } = step.after;
    const who = { workspaceId, actorKeyId: null, method: AUDIT_METHOD, objectId };
    await appendAuditEvent(tx, { atMs: plane.clock.nowMs(), ...who, outcome: 'ok', count: 1, ...fieldsOf(step) });
  }
}

/** What the audit row tells: the fields that changed, and why. */
function fieldsOf({ before, after, reason }: Step) {
  const is = auditFields(AssignmentSchema, assignmentMessage(after));
  if (before === null) return { after: { ...is, reason } };
  const fields = changedFields(auditFields(AssignmentSchema, assignmentMessage(before)), is);
  return { before: fields.before, after: { ...fields.after, reason } };
}

/** What the store says of an account, whether or not the batch changed it: the index may have another view. */
function truthOf({ binding: { poolId, accountName }, row }: Account): Change {
  return row === null ? { kind: 'assignment-gone', poolId, accountName } : assignmentPut(row);
}
