/**
 * How long a call may take. The client says so in a header (`Connect-Timeout-Ms`,
 * or `Grpc-Timeout` with gRPC and gRPC-Web); Connect keeps the time and aborts the
 * call's signal. Called by the gate: what is wrong with a deadline is refused there,
 * where it is booked like any other refusal.
 */
import type { HandlerContext } from '@connectrpc/connect';
import { malformed } from '../domain-error.ts';

/** The longest deadline of a call with one answer, milliseconds. */
const LONGEST_CALL_MS = 300_000;
/** The longest deadline of a stream, milliseconds; none lives longer, so that no dead client keeps its place. */
export const LONGEST_STREAM_MS = 3_600_000;

/** Throws `invalid_argument` for a deadline that is no number or is further away than any may be. */
export function checkDeadline(context: HandlerContext): void {
  const header = context.protocolName === 'connect' ? 'Connect-Timeout-Ms' : 'Grpc-Timeout';
  if (!context.requestHeader.has(header)) return;
  const leftMs = context.timeoutMs();
  if (leftMs === undefined) {
    const form = header === 'Grpc-Timeout' ? 'up to 8 digits and a unit' : 'up to 10 digits';
    throw malformed([{ field: header, description: `must be ${form}` }]);
  }
  const longestMs = context.method.methodKind === 'unary' ? LONGEST_CALL_MS : LONGEST_STREAM_MS;
  if (leftMs > longestMs) throw malformed([{ field: header, description: `must be ${longestMs / 1_000}s or less` }]);
}

/** Beyond 2^31 ms a timer fires at once, and complains on the console. */
const TIMER_DAYS = 24;

/** Brings a deadline that no timer takes down to one that it takes, and that the gate refuses all the same. */
export function boundTimer(header: Headers): void {
  if (/^\d{10}$/.test(header.get('connect-timeout-ms') ?? '')) {
    header.set('connect-timeout-ms', String(TIMER_DAYS * 86_400_000));
  }
  if (/^\d{4,8}H$|^\d{6,8}M$|^\d{7,8}S$/.test(header.get('grpc-timeout') ?? '')) {
    header.set('grpc-timeout', `${TIMER_DAYS * 24}H`);
  }
}
