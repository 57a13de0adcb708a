/**
 * What to do about each cause: a paragraph for whoever is asked why a request failed. Told by
 * `sallyport doctor` and the console, and printed in `docs/causes.md`.
 */
import type { Cause } from './cause.ts';

export const ADVICE: Readonly<Record<Cause, string>> = {
  bad_request:
    'The client sent what is not HTTP/1.1 for a proxy: a path in place of a whole URL, TLS where none is expected, two lengths, a bare line feed. Look at what it is set to: an `http://` proxy URL, and no reverse proxy in between that rewrites requests.',
  head_too_large:
    'The header of the request is larger than 16 KiB, or has too many lines; mostly cookies that grow. Clear them in the client.',
  body_too_large:
    'The body is larger than this gateway takes. Send it in parts, or through a CONNECT tunnel, where nothing is counted.',
  expect_unsupported: 'The client expects something other than `100-continue`. Take the `Expect` header out of it.',
  version_unsupported:
    'The client speaks another version than HTTP/1.0 or 1.1 to its proxy. HTTP/2 goes through a CONNECT tunnel, end to end, as clients do for `https://` URLs.',
  method_unsupported:
    'The method is none that passes; TRACE never does, as it would show the credentials to its sender.',
  head_timeout:
    'The client connected and did not send a whole request in time. Mostly a client that opens connections ahead of need, or a port scan; else its network is slow.',
  body_timeout:
    'The client stopped in the middle of a body. Look at the client, and at what is between it and the gateway.',
  auth_required:
    'The client sent no credentials. Put them into the proxy URL, `http://POOL:KEY@HOST:3128`; a client that cannot be told so may be bound by where it comes from (`docs/operating.md`).',
  auth_failed:
    'The key is not known, has ended or may not use the gateway. `sallyport key list` shows which there are and what each may do; a key is shown once, when it is made.',
  selector_invalid:
    'The username asks in a way that is not understood. The answer says which key of it; `docs/selector.md` lists them. A name with a dash and the word of a key in it must be encoded.',
  pool_unknown:
    'No pool of the key’s workspace has the name before the first key of the username. `sallyport pool list` shows them.',
  pool_disabled: 'Somebody disabled the pool: `sallyport pool enable POOL`.',
  destination_denied:
    'The pool’s destinations do not allow the target, or an upstream leads to a private address and `SALLYPORT_UPSTREAMS_ALLOW_PRIVATE` is off. `sallyport pool get POOL` shows what it allows.',
  loop_detected:
    'The request would come back to this gateway: its target or its upstream is the gateway itself. Look at the session’s host and port, and at the client’s list of hosts that need no proxy.',
  limit_reached:
    'The key, the workspace, the pool or the session has as much under way as it may. Wait for some to end, or raise the limit; many wrong keys from one place end so, too.',
  overloaded:
    'The process has no descriptors, memory or time left for more. `sallyport status` shows what is open; `docs/operating.md` has the sizes. It recovers by itself.',
  draining:
    'The gateway is being stopped or restarted. Ask again; a second instance behind a balancer takes over meanwhile.',
  pool_empty:
    'No session of the pool may serve: it has none, all are disabled, or none has the labels that the username asks for. `sallyport resolve USERNAME HOST:PORT` counts why each was left out.',
  pool_unhealthy:
    'All sessions of the pool that could serve are taken out for their failures. `sallyport session list --pool POOL` shows the last cause of each; they come back by themselves when their time is over.',
  session_unavailable:
    'The very session that the username asks for, by its token or with `strict`, cannot serve. Let the key move with `strict-false`, or look at the session.',
  upstream_dns:
    'The upstream’s host name cannot be resolved from here. Check it for a typing error, and the resolver of this machine.',
  upstream_refused:
    'Nothing listens at the upstream’s host and port, or a firewall refuses. Check both; a vendor may have moved its gateway or closed the account.',
  upstream_reset:
    'The upstream took the connection and closed it without an answer. Many do so to addresses that are not on their list, to too many connections, or when they speak TLS or SOCKS and were asked in HTTP.',
  upstream_unreachable:
    'There is no way to the upstream’s address: a network or a route is missing, or its address is of a kind that this machine has not.',
  upstream_connect_timeout:
    'The upstream did not answer to the connection in time: it is down, far away, or a firewall drops what we send. Try `nc -vz HOST PORT` from this machine.',
  upstream_reply_timeout:
    'The upstream is there and did not open the tunnel in time. It is overloaded, or it cannot reach the target and does not say so.',
  upstream_tls:
    'The TLS handshake with an `https` upstream failed: it speaks no TLS on that port, or its certificate is not of its name or of an authority that we know. Use scheme `http` for upstreams in clear.',
  upstream_auth_failed:
    'The upstream refuses the session’s credentials. Check user name and password at the vendor, and whether the plan has run out; then `sallyport session update TOKEN --password-file FILE`.',
  upstream_protocol:
    'The upstream answered in something other than HTTP or SOCKS, or sent our credentials back. The scheme of the session is likely another than the upstream’s.',
  upstream_denied_target:
    'The upstream will not carry requests to this target: its own rules, a port that it does not allow, or a plan without it. Ask for another provider with `-provider-`, or ask the vendor.',
  target_unreachable:
    'The upstream could not reach the target: the target is down, or refuses that exit. Try another session, and the target without a proxy.',
  first_byte_timeout:
    'Request and upstream are well, and the target did not begin to answer in time. Ask for less at once, or through a CONNECT tunnel, which waits as long as something moves.',
  idle_timeout:
    'The connection was silent for longer than it may be, and was closed. Long-lived tunnels should send something now and then.',
  response_truncated:
    'The answer ended before it was whole: the upstream or the target closed early. A client that counts sees it; asking again is up to it.',
  client_gone:
    'The client closed its side before the answer was there: its own timeout, a user who went on, a crash. Compare its timeout with the duration in the log line.',
  revoked:
    'The session or key was changed, disabled or deleted while the request was under way, and its pool cuts what is live (`--on-revoke`).',
  internal:
    'A fault of ours: the log has a line “a request met a fault of ours” with the request id. Please report it.',
};
