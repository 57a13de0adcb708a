/**
 * What can go wrong with a vendor's account interface, as a closed set of kinds.
 *
 * Invariant: the sentences are ours. Nothing that the vendor sent, no address and no
 * key is in one, and no error of the HTTP client is kept as a cause: its message
 * may hold the URL.
 */
import { DomainError, type DomainErrorKind } from '../domain-error.ts';

const FAULTS = {
  refused: ['failed_precondition', 'the vendor refused the API key'],
  limited: ['resource_exhausted', 'the vendor limits how often its account interface may be asked'],
  timeout: ['unavailable', 'the vendor did not answer in time'],
  unreachable: ['unavailable', 'the vendor cannot be reached'],
  failed: ['unavailable', 'the vendor answered with an error of its own'],
  garbled: ['unavailable', "the vendor's answer was not understood"],
  oversized: ['unavailable', "the vendor's answer was too large"],
  endless: ['failed_precondition', 'the vendor lists more endpoints than are taken'],
  foreign: ['failed_precondition', 'the vendor lists user names of another account than the one in the credentials'],
  stopped: ['unavailable', 'the service is stopping'],
} as const satisfies Record<string, readonly [DomainErrorKind, string]>;

export type VendorErrorKind = keyof typeof FAULTS;

export class VendorError extends Error {
  override readonly name = 'VendorError';
  readonly kind: VendorErrorKind;
  /** What the vendor asked to wait for; null when it did not. */
  readonly retryAfterMs: number | null;

  constructor(kind: VendorErrorKind, retryAfterMs: number | null = null) {
    super(FAULTS[kind][1]);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Told to callers that the vendor limits without saying for how long. */
const USUAL_WAIT_MS = 60_000;

/** The refusal that a caller sees: `failed_precondition`, `resource_exhausted` or `unavailable`, with a sentence. */
export function toDomainError({ kind, message, retryAfterMs }: VendorError): DomainError {
  const waitSeconds = kind === 'limited' ? Math.ceil((retryAfterMs ?? USUAL_WAIT_MS) / 1_000) : null;
  const field = kind === 'refused' ? 'credentials' : 'providerId';
  return new DomainError(FAULTS[kind][0], `${field}: ${message}`, [], waitSeconds);
}
