/**
 * CreateAssignment and BulkCreateAssignment: accounts are bound to the sessions that
 * the request names, or to those that the gateway chooses.
 *
 *   rows ─ choose for those without a session ─ tx: judge each row in turn ─ insert the good ones ─ audit ─ publish
 *
 * A row of a bulk call is refused by itself: a refusal is decided before anything of
 * its row is written, so all that can be done is done in the one transaction.
 */
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Kysely, Transaction } from 'kysely';
import type { AssignmentId, PoolId, SessionId, WorkspaceId } from '../../src/core/model.ts';
import { auditFields } from '../audit-diff.ts';
import { type Call, callOf, type Plane, pauseOf, workspaceOf } from '../call.ts';
import { assignmentMessage, assignmentPut } from '../convert/assignments.ts';
import { idFrom } from '../convert/ids.ts';
import { DomainError, type FieldViolation, malformed, notFound } from '../domain-error.ts';
import { checkFields } from '../field-rules.ts';
import {
  type AssignmentResult,
  AssignmentResultSchema,
  AssignmentSchema,
  type NewAssignment,
  type Proxies,
} from '../gen/proxies/v1/proxies_pb.ts';
import { mutate } from '../mutation.ts';
import { NEW_ASSIGNMENT_CHECKS } from '../rules/assignments.ts';
import { type ChooseSessions, type Chosen, StaleChoice } from '../session-choice.ts';
import { type AssignmentRecord, findBoundAccounts, insertAssignments } from '../store/assignments.ts';
import { loadPool } from '../store/pools.ts';
import type { Schema } from '../store/schema.ts';
import { loadSessions } from '../store/sessions.ts';

/** What is to be bound; without a session, to one that is chosen. */
interface NewRow {
  readonly accountName: string;
  readonly sessionId: SessionId | null;
  readonly pinned: boolean;
}

/** What became of a row: an assignment to write, or why not. */
type Outcome = AssignmentRecord | DomainError;

interface Placement {
  readonly call: Call;
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
}

export function createAssignment(
  plane: Plane,
  choose: ChooseSessions,
): ServiceImpl<typeof Proxies>['createAssignment'] {
  return (request, { values }) => {
    const call = callOf(values);
    const placement = { call, workspaceId: workspaceOf(call), poolId: idFrom<PoolId>(request.poolId) };
    const row = newRow(request);
    const write = (chosen: Chosen) =>
      mutate(plane, call, async (tx) => {
        const outcome = (await bindRows(plane, tx, placement, [row], chosen))[0]!;
        if (outcome instanceof DomainError) throw outcome;
        const assignment = assignmentMessage(outcome);
        return {
          answer: { assignment },
          changes: [assignmentPut(outcome)],
          workspaceId: placement.workspaceId,
          objectId: outcome.id,
          count: 1,
          after: auditFields(AssignmentSchema, assignment),
        };
      });
    // Nothing to choose, so no turn to wait for.
    if (row.sessionId !== null) return write(() => undefined);
    return choose({ ...placement, ask: () => choiceFor(plane.store.db, placement.poolId, [row]), write });
  };
}

export function bulkCreateAssignment(
  plane: Plane,
  choose: ChooseSessions,
): ServiceImpl<typeof Proxies>['bulkCreateAssignment'] {
  return async (request, { values }) => {
    const call = callOf(values);
    const placement = { call, workspaceId: workspaceOf(call), poolId: idFrom<PoolId>(request.poolId) };
    const rows = request.assignments.map(checkedRow);
    const wellFormed = rows.flatMap((row) => (row instanceof DomainError ? [] : row));
    const outcomes = await choose({
      ...placement,
      ask: () => choiceFor(plane.store.db, placement.poolId, wellFormed),
      write: (chosen) =>
        mutate(plane, call, async (tx) => {
          const bound = await bindRows(plane, tx, placement, wellFormed, chosen);
          const changes = bound.flatMap((outcome) => (outcome instanceof DomainError ? [] : assignmentPut(outcome)));
          const { workspaceId } = placement;
          return { answer: bound, changes, workspaceId, objectId: null, count: changes.length };
        }),
    });
    const inTurn = outcomes.values();
    return { results: rows.map((row) => resultMessage(row instanceof DomainError ? row : inTurn.next().value!)) };
  };
}

function newRow({ accountName, sessionId, pinned }: Pick<NewAssignment, keyof NewRow>): NewRow {
  return { accountName, sessionId: sessionId === undefined ? null : idFrom<SessionId>(sessionId), pinned };
}

/** A row of a bulk call, or what is wrong with its fields. */
function checkedRow(row: NewAssignment, index: number): NewRow | DomainError {
  const found: FieldViolation[] = [];
  checkFields(row, NEW_ASSIGNMENT_CHECKS, `assignments[${index}].`, found);
  return found.length > 0 ? malformed(found) : newRow(row);
}

/** Whom to choose for: accounts that are bound already would use up choices that others get. */
async function choiceFor(db: Kysely<Schema>, poolId: PoolId, rows: readonly NewRow[]) {
  const names = new Set(rows.flatMap((row) => (row.sessionId === null ? row.accountName : [])));
  const bound = await findBoundAccounts(db, poolId, [...names]);
  return { accountNames: [...names].filter((name) => !bound.has(name)), exclude: null };
}

/** Judges each row as if it came alone, after those before it, and inserts those that can be. */
async function bindRows(
  plane: Plane,
  tx: Transaction<Schema>,
  placement: Placement,
  rows: readonly NewRow[],
  chosen: Chosen,
): Promise<Outcome[]> {
  const { call, workspaceId, poolId } = placement;
  if ((await loadPool(tx, workspaceId, poolId)) === null) throw notFound();
  const taken = await findBoundAccounts(
    tx,
    poolId,
    rows.map((row) => row.accountName),
  );
  const ids = new Set(rows.flatMap((row) => row.sessionId ?? chosen(row.accountName) ?? []));
  const sessions = (await loadSessions(tx, workspaceId, [...ids])).filter((session) => session.poolId === poolId);
  const enabled = new Map(sessions.map((session) => [session.id, session.enabled]));
  const outcomes = rows.map((row): Outcome => {
    if (taken.has(row.accountName)) {
      return new DomainError('already_exists', 'accountName: a live assignment of this pool has it');
    }
    const session = row.sessionId === null ? chosenSession(row, chosen, enabled) : namedSession(row.sessionId, enabled);
    if (session instanceof DomainError) return session;
    taken.add(row.accountName);
    return newAssignment(plane, placement, row, session);
  });
  const records = outcomes.flatMap((outcome) => (outcome instanceof DomainError ? [] : outcome));
  await insertAssignments(tx, records, pauseOf(call));
  return outcomes;
}

/** `enabled` holds the live sessions of the pool; a disabled one may be named. */
function namedSession(id: SessionId, enabled: ReadonlyMap<SessionId, boolean>): SessionId | DomainError {
  return enabled.has(id) ? id : notFound();
}

function chosenSession(row: NewRow, chosen: Chosen, enabled: ReadonlyMap<SessionId, boolean>): SessionId | DomainError {
  const id = chosen(row.accountName);
  if (id === null) return new DomainError('failed_precondition', 'sessionId: no session of the pool can serve');
  // Deleted or disabled since it was chosen; or the account was bound when choices were made, and is not any more.
  if (id === undefined || enabled.get(id) !== true) throw new StaleChoice();
  return id;
}

function newAssignment(
  plane: Pick<Plane, 'clock' | 'newId'>,
  { workspaceId, poolId }: Placement,
  { accountName, pinned }: NewRow,
  sessionId: SessionId,
): AssignmentRecord {
  const nowMs = plane.clock.nowMs();
  const id = plane.newId<AssignmentId>();
  const stamps = { version: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
  return { id, workspaceId, poolId, sessionId, accountName, pinned, ...stamps };
}

function resultMessage(outcome: Outcome): AssignmentResult {
  return create(AssignmentResultSchema, {
    outcome:
      outcome instanceof DomainError
        ? { case: 'error', value: { code: outcome.kind, message: outcome.message } }
        : { case: 'assignment', value: assignmentMessage(outcome) },
  });
}
