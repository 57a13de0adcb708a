/**
 * How a call ends, in one place: domain errors become Connect codes, anything else
 * is logged once with its causes and answered `internal`; the duration is observed;
 * a mutating call that failed leaves its audit row. A call that answers a stream ends
 * with its stream. The outermost interceptor; the gate uses the same functions for
 * calls that it turns away.
 */
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import { errorChain } from '../../src/core/error-chain.ts';
import { FIELD } from '../../src/core/log.ts';
import { type Call, callOf, type Plane } from '../call.ts';
import { DomainError, type DomainErrorKind, INTERNAL_SENTENCE } from '../domain-error.ts';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import { SecretError } from '../secrets/secret-error.ts';
import { appendAuditEvent } from '../store/audit-events.ts';
import { StoreError } from '../store/store-error.ts';

const CODES: { readonly [kind in DomainErrorKind]: Code } = {
  invalid_argument: Code.InvalidArgument,
  failed_precondition: Code.FailedPrecondition,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  aborted: Code.Aborted,
  resource_exhausted: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  canceled: Code.Canceled,
  deadline_exceeded: Code.DeadlineExceeded,
};

/** Kinds of a store's failure that trying again may cure, or a restart: not the caller's and not a defect. */
const STORE_UNAVAILABLE: ReadonlySet<string> = new Set(['busy', 'full', 'io', 'corrupt', 'broken', 'closed']);

/** The error that a caller sees. A ConnectError (of Connect itself: no such method, a broken frame) stays as it is. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof StoreError && STORE_UNAVAILABLE.has(error.kind))
    return toConnectError(new DomainError('unavailable'));
  // A live workspace of a restored backup whose key was destroyed since: it can keep no secret any more.
  if (error instanceof SecretError && error.kind === 'key-destroyed') {
    return toConnectError(
      new DomainError('failed_precondition', 'The encryption key of this workspace was destroyed.'),
    );
  }
  if (!(error instanceof DomainError)) return new ConnectError(INTERNAL_SENTENCE, Code.Internal);
  const headers = error.retryAfterSeconds === null ? undefined : { 'Retry-After': String(error.retryAfterSeconds) };
  const details =
    error.violations.length === 0
      ? undefined
      : [
          {
            desc: BadRequestSchema,
            value: { fieldViolations: error.violations.map((violation) => ({ ...violation })) },
          },
        ];
  return new ConnectError(error.message, CODES[error.kind], headers, details);
}

interface Finished {
  readonly method: string;
  readonly startedMs: number;
  /** null for a call that was turned away before its key was known. */
  readonly call: Call | null;
}

/** Books the end of a call; `answer` and `error` are null when it succeeded. Never throws. */
export async function finishCall(
  plane: Plane,
  { method, startedMs, call }: Finished,
  answer: ConnectError | null,
  error: unknown,
): Promise<void> {
  const code = answer === null ? 'ok' : codeToString(answer.code);
  const durationMs = plane.clock.monotonicMs() - startedMs;
  plane.observeRpc(method, code, durationMs / 1_000);
  if (answer !== null && isDefect(answer, error)) {
    plane.log.error({ [FIELD.method]: method, [FIELD.code]: code, [FIELD.error]: errorChain(error) }, 'rpc failed');
  }
  if (call === null || !call.rule.mutates) return;
  if (answer !== null && !call.audited) await auditFailure(plane, call, code);
  plane.log.info(
    {
      [FIELD.method]: method,
      [FIELD.code]: code,
      [FIELD.keyId]: call.caller.keyId,
      [FIELD.workspaceId]: call.workspaceId,
      [FIELD.durationMs]: durationMs,
    },
    'rpc',
  );
}

/** The row of a refused or failed attempt, in a transaction of its own; a store that cannot take it says so in the log. */
async function auditFailure(plane: Plane, call: Call, outcome: string): Promise<void> {
  try {
    await plane.store.write((tx) =>
      appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        // Refused before its workspace was known, or for naming a foreign one: told where the key belongs.
        workspaceId: call.workspaceId ?? call.caller.workspaceId,
        actorKeyId: call.caller.keyId,
        method: call.method,
        objectId: null,
        outcome,
        count: 0,
      }),
    );
    call.audited = true;
  } catch (error) {
    plane.log.error({ [FIELD.method]: call.method, [FIELD.error]: errorChain(error) }, 'audit row lost');
  }
}

/** Whether someone should look: our own failures and the store's, not refusals. */
function isDefect(answer: ConnectError, error: unknown): boolean {
  return error instanceof StoreError || (answer.code === Code.Internal && !(error instanceof ConnectError));
}

/** The outermost interceptor. */
export function settleOutcome(plane: Plane): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request.contextValues);
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: settleAtEnd(plane, call, response.message) };
      await finishCall(plane, { ...call, call }, null, null);
      return response;
    } catch (error) {
      throw await settleFailure(plane, call, error);
    }
  };
}

/** Passes a stream's messages on; the call ends when they do, by an error, or when nobody reads any further. */
async function* settleAtEnd<T>(plane: Plane, call: Call, messages: AsyncIterable<T>): AsyncGenerator<T> {
  let settled = false;
  // While it stands at the yield: what ends it there is its reader, who could not write or will not read on.
  let handingOver = false;
  try {
    for await (const message of messages) {
      handingOver = true;
      yield message;
      handingOver = false;
    }
    settled = true;
    await finishCall(plane, { ...call, call }, null, null);
  } catch (error) {
    settled = true;
    throw await settleFailure(plane, call, handingOver ? new DomainError('canceled') : error);
  } finally {
    if (!settled) await settleFailure(plane, call, new DomainError('canceled'));
  }
}

/** Books a failed call; answers the error that its caller sees. */
async function settleFailure(plane: Plane, call: Call, error: unknown): Promise<ConnectError> {
  const answer = toConnectError(error);
  await finishCall(plane, { ...call, call }, answer, error);
  return answer;
}
