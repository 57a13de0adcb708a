/**
 * What the control plane refuses, as a closed set of kinds. Services and
 * interceptors throw these; `interceptors/outcome.ts` alone turns them into
 * Connect codes. Decisions are made on `kind`, never on the text.
 *
 * Invariant: a text names fields and rules and never holds a value that may be secret.
 */

/** One wrong field: its path in lowerCamelCase and the rule it breaks. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** The fixed first sentence of each kind; what a message says beyond it follows after a space. */
const SENTENCES = {
  invalid_argument: 'The request was malformed, such as a missing required field or an unparseable cursor.',
  failed_precondition: 'The request cannot be carried out in the current system state.',
  unauthenticated: 'The request lacks a valid API key in the Authorization header.',
  permission_denied: 'The API key is not allowed to perform this action on this workspace.',
  not_found: 'The requested resource does not exist in this workspace.',
  already_exists: 'A resource with the same natural key exists already.',
  aborted: 'The resource has changed since it was read.',
  resource_exhausted: 'The request was rate limited. Slow down and retry later.',
  canceled: 'The client went away before the call ended.',
  deadline_exceeded: 'The deadline of the call passed before it ended.',
  unavailable: 'The service cannot take this request now. Retry later.',
} as const;

export type DomainErrorKind = keyof typeof SENTENCES;

/** Text of every failure that is not a DomainError: says nothing of what went wrong. */
export const INTERNAL_SENTENCE = 'An internal server error occurred.';

/** A refusal; `violations` travel as google.rpc.BadRequest, `retryAfterSeconds` as a header. */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly kind: DomainErrorKind;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterSeconds: number | null;

  constructor(
    kind: DomainErrorKind,
    detail?: string,
    violations: readonly FieldViolation[] = [],
    retryAfterSeconds: number | null = null,
  ) {
    super(detail === undefined ? SENTENCES[kind] : `${SENTENCES[kind]} ${detail}`);
    this.kind = kind;
    this.violations = violations;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** An `invalid_argument` that names fields and rules; the list must not be empty. */
export function malformed(violations: readonly FieldViolation[]): DomainError {
  const shown = violations.slice(0, MAX_VIOLATIONS);
  return new DomainError('invalid_argument', shown.map((v) => `${v.field}: ${v.description}`).join('; '), shown);
}

/** A request can be wrong in 50,000 rows; the answer names the first few. */
const MAX_VIOLATIONS = 20;

/** The one `not_found`: the same for absent, deleted and foreign ids. */
export function notFound(): DomainError {
  return new DomainError('not_found');
}
