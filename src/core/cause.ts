/**
 * The catalogue of causes: every way a proxied request can end other than well.
 * A step of the gateway returns `T | Cause code`; the responder turns the code
 * into an answer, the exchange into a log line and a metric. `docs/causes.md`
 * is held equal to this table by a test.
 */

/** Whose doing it was. */
export type Fault = 'client' | 'operator' | 'policy' | 'gateway' | 'upstream' | 'target';
/** What a cause counts against in health, if anything. */
export type Harm = 'endpoint' | 'credential' | 'token' | 'session_target' | null;

export interface CauseRow {
  /** HTTP status of the answer, or 0 where the connection is cut instead. */
  readonly status: number;
  readonly fault: Fault;
  /** Whether another session may cure it. */
  readonly moves: boolean;
  readonly harms: Harm;
  /** RFC 9209 section 2.3 error type for `Proxy-Status`, where one fits. */
  readonly error: string | null;
  /** The body of the answer: fixed, without a byte of the request or of the upstream's answer. */
  readonly sentence: string;
}

function row(
  status: number,
  fault: Fault,
  error: string | null,
  sentence: string,
  moves = false,
  harms: Harm = null,
): CauseRow {
  return { status, fault, moves, harms, error, sentence };
}

const REQUEST = 'http_request_error';

export const CAUSES = {
  bad_request: row(400, 'client', REQUEST, 'The request is not valid HTTP/1.1 for a proxy.'),
  head_too_large: row(431, 'client', REQUEST, 'The request head is too large or has too many lines.'),
  body_too_large: row(413, 'client', REQUEST, 'The request body is larger than this gateway accepts.'),
  expect_unsupported: row(417, 'client', REQUEST, 'Only the expectation 100-continue is supported.'),
  version_unsupported: row(505, 'client', REQUEST, 'Only HTTP/1.0 and HTTP/1.1 are supported.'),
  method_unsupported: row(501, 'client', REQUEST, 'The request method is not supported by this gateway.'),
  head_timeout: row(408, 'client', REQUEST, 'The request head did not arrive in time.'),
  body_timeout: row(408, 'client', REQUEST, 'The request body did not arrive in time.'),
  auth_required: row(407, 'client', 'http_request_denied', 'Proxy authentication is required.'),
  auth_failed: row(407, 'client', 'http_request_denied', 'The proxy credentials were not accepted.'),
  selector_invalid: row(400, 'client', REQUEST, 'The proxy username or Proxy-Selector is not a valid selector.'),
  pool_unknown: row(403, 'client', 'http_request_denied', 'The workspace has no pool of this name.'),
  pool_disabled: row(503, 'operator', 'proxy_configuration_error', 'The pool is disabled.'),
  destination_denied: row(403, 'policy', 'http_request_denied', 'Policy does not allow this target or upstream.'),
  loop_detected: row(508, 'policy', 'proxy_loop_detected', 'The request would come back to this gateway.'),
  limit_reached: row(
    429,
    'gateway',
    'connection_limit_reached',
    'A limit of this API key, pool or session is reached.',
  ),
  overloaded: row(503, 'gateway', 'connection_limit_reached', 'The gateway has no capacity left; retry later.'),
  draining: row(503, 'gateway', 'proxy_internal_response', 'The gateway is shutting down; retry elsewhere.'),
  pool_empty: row(503, 'operator', 'proxy_configuration_error', 'The pool has no session that may serve.'),
  pool_unhealthy: row(503, 'operator', 'destination_unavailable', 'No session of the pool is healthy.'),
  session_unavailable: row(503, 'operator', 'destination_unavailable', 'The chosen session cannot serve.'),
  upstream_dns: row(502, 'upstream', 'dns_error', "The upstream's name could not be resolved.", true, 'endpoint'),
  upstream_refused: row(
    502,
    'upstream',
    'connection_refused',
    'The upstream refused the connection.',
    true,
    'endpoint',
  ),
  upstream_reset: row(
    502,
    'upstream',
    'connection_terminated',
    'The upstream closed the connection early.',
    true,
    'endpoint',
  ),
  upstream_unreachable: row(
    502,
    'upstream',
    'destination_ip_unroutable',
    'The upstream cannot be reached.',
    true,
    'endpoint',
  ),
  upstream_connect_timeout: row(
    504,
    'upstream',
    'connection_timeout',
    'The upstream did not accept in time.',
    true,
    'endpoint',
  ),
  upstream_reply_timeout: row(
    504,
    'upstream',
    'http_response_timeout',
    'The upstream did not open the tunnel in time.',
    true,
    'endpoint',
  ),
  upstream_tls: row(
    502,
    'upstream',
    'tls_protocol_error',
    'The TLS connection to the upstream failed.',
    true,
    'endpoint',
  ),
  upstream_auth_failed: row(
    502,
    'operator',
    'http_request_denied',
    'The upstream refused the credentials of the session.',
    true,
    'credential',
  ),
  upstream_protocol: row(
    502,
    'upstream',
    'http_protocol_error',
    'The upstream did not answer in valid HTTP or SOCKS.',
    true,
    'token',
  ),
  upstream_denied_target: row(
    502,
    'upstream',
    'http_request_denied',
    'The upstream refuses this target.',
    false,
    'session_target',
  ),
  target_unreachable: row(
    502,
    'target',
    'destination_unavailable',
    'The upstream could not reach the target.',
    true,
    'session_target',
  ),
  first_byte_timeout: row(
    504,
    'upstream',
    'http_response_timeout',
    'No response arrived in time.',
    false,
    'session_target',
  ),
  idle_timeout: row(
    0,
    'upstream',
    'connection_read_timeout',
    'The connection was silent for too long.',
    false,
    'session_target',
  ),
  response_truncated: row(
    0,
    'upstream',
    'http_response_incomplete',
    'The response ended before it was complete.',
    false,
    'token',
  ),
  client_gone: row(0, 'client', null, 'The client closed the connection.'),
  revoked: row(0, 'operator', null, 'The session or key was revoked.'),
  internal: row(500, 'gateway', 'proxy_internal_error', 'The gateway failed on this request.'),
} as const satisfies Record<string, CauseRow>;

export type Cause = keyof typeof CAUSES;

/**
 * What a listener with `errorStatus: extended` sends in place of 502 and 504: the numbers by which users of
 * proxy-chain tell an upstream's failures apart. Causes that are not here keep their status.
 */
export const EXTENDED_STATUSES: { readonly [cause in Cause]?: number } = {
  upstream_denied_target: 590,
  target_unreachable: 590,
  upstream_protocol: 592,
  upstream_dns: 593,
  upstream_refused: 594,
  upstream_reset: 595,
  upstream_auth_failed: 597,
  upstream_unreachable: 599,
  upstream_connect_timeout: 599,
  upstream_reply_timeout: 599,
  upstream_tls: 599,
  first_byte_timeout: 599,
};

/** RFC 1928 section 6. */
const FAILURE = 1;
const NOT_ALLOWED = 2;
const NETWORK_UNREACHABLE = 3;
const HOST_UNREACHABLE = 4;
const REFUSED = 5;
/** "TTL expired": what clients show as a timeout. */
const EXPIRED = 6;
const COMMAND_UNSUPPORTED = 7;

/** The reply code by which a SOCKS5 client is told a cause, the closest of the few there are. */
export const SOCKS_REPLIES: { readonly [cause in Cause]: number } = {
  bad_request: FAILURE,
  head_too_large: FAILURE,
  body_too_large: FAILURE,
  expect_unsupported: FAILURE,
  version_unsupported: FAILURE,
  method_unsupported: COMMAND_UNSUPPORTED,
  head_timeout: EXPIRED,
  body_timeout: EXPIRED,
  auth_required: NOT_ALLOWED,
  auth_failed: NOT_ALLOWED,
  selector_invalid: NOT_ALLOWED,
  pool_unknown: NOT_ALLOWED,
  pool_disabled: FAILURE,
  destination_denied: NOT_ALLOWED,
  loop_detected: NOT_ALLOWED,
  limit_reached: FAILURE,
  overloaded: FAILURE,
  draining: FAILURE,
  pool_empty: FAILURE,
  pool_unhealthy: FAILURE,
  session_unavailable: FAILURE,
  upstream_dns: HOST_UNREACHABLE,
  upstream_refused: REFUSED,
  upstream_reset: FAILURE,
  upstream_unreachable: NETWORK_UNREACHABLE,
  upstream_connect_timeout: EXPIRED,
  upstream_reply_timeout: EXPIRED,
  upstream_tls: FAILURE,
  upstream_auth_failed: FAILURE,
  upstream_protocol: FAILURE,
  upstream_denied_target: NOT_ALLOWED,
  target_unreachable: HOST_UNREACHABLE,
  first_byte_timeout: EXPIRED,
  idle_timeout: EXPIRED,
  response_truncated: FAILURE,
  client_gone: FAILURE,
  revoked: NOT_ALLOWED,
  internal: FAILURE,
};
