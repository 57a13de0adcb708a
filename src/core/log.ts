/**
 * What both planes need of a log: four levels, a record of fields, one fixed
 * message. The implementation stands in `src/logging.ts`; tests pass
 * `silentLog` or an object of their own.
 *
 * Invariant: no field ever carries a credential, a body, or the path of a
 * request. Check `isEnabled` before building fields for a level that may be off.
 */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Logger {
  /** Whether a line of this level would be written. */
  isEnabled(level: LogLevel): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /**
   * A writer of lines of level `info` that all have one shape: for what happens too often for `info`. Its lines are
   * the same, but wait up to a tenth of a second for others to be written with.
   */
  linesOf<T>(shape: LineShape<T>): (of: T) => void;
}

/** The message and the fields, in their order, of lines that are about a `T` each. */
export interface LineShape<T> {
  readonly message: string;
  readonly fields: readonly (readonly [name: string, read: (of: T) => LineValue])[];
}

/** What a field of a shape says; undefined leaves it out. The last one said is kept: no text that is a part of a longer one. */
export type LineValue = string | number | undefined;

/** Names of the fields of a line: the only spelling of each. Times are milliseconds, sizes are bytes. */
export const FIELD = {
  component: 'component',
  requestId: 'request_id',
  keyId: 'key_id',
  /** The rule by which the key was found: `credentials`, or the operator's binding. */
  identifiedBy: 'identified_by',
  movedFrom: 'moved_from',
  moveReason: 'move_reason',
  workspaceId: 'workspace_id',
  pool: 'pool',
  sessionId: 'session_id',
  /** The target as `host:port`, never a path. */
  target: 'target',
  /** Client address as `host:port`. */
  client: 'client',
  /** How the request asked: `forward` or `connect`. */
  kind: 'kind',
  /** HTTP method of a forwarded request, or the RPC's full name. */
  method: 'method',
  /** The last phase that the request reached. */
  stage: 'stage',
  cause: 'cause',
  /** Which key of a selector was refused, or `unknown_key`: never what was sent. */
  selectorKey: 'selector_key',
  status: 'status',
  attempts: 'attempts',
  totalMs: 'total_ms',
  resolveMs: 'resolve_ms',
  dialMs: 'dial_ms',
  firstByteMs: 'first_byte_ms',
  /** Towards the client. */
  bytesIn: 'bytes_in',
  /** Towards the upstream. */
  bytesOut: 'bytes_out',
  /** How loaded the gateway is: `normal`, `easing` or `shedding`; and what was measured. */
  load: 'load',
  heapPercent: 'heap_percent',
  descriptorPercent: 'descriptor_percent',
  delayMs: 'delay_ms',
  objectId: 'object_id',
  /** Connect code of an RPC that failed. */
  code: 'code',
  durationMs: 'duration_ms',
  error: 'error',
} as const;

/** Writes nothing, and says so. */
export const silentLog: Logger = {
  isEnabled: () => false,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  linesOf: () => () => undefined,
};
