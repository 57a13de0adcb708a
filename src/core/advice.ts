/**
 * What to do about each cause: a paragraph for whoever is asked why a request failed, which says what it
 * means first and what to do then, with the command that does it. Told by `sallyport doctor` and the
 * console, and printed in `docs/causes.md`. Pages are named as `docs/…`, which become links there.
 */
import type { Cause } from './cause.ts';

export const ADVICE: Readonly<Record<Cause, string>> = {
  bad_request:
    'The client sent what is not HTTP/1.1 for a proxy: a path in place of a whole URL, TLS where none is expected, two lengths, a bare line feed. Look at what it is set to: an `http://` proxy URL, and no reverse proxy in between that rewrites requests. What to paste for each client: `docs/clients.md`.',
  head_too_large:
    'The header of the request is larger than `SALLYPORT_MAX_HEAD_BYTES` (16 KiB), or has more lines than `SALLYPORT_MAX_HEAD_LINES`; mostly cookies that grow. Clear them in the client, or raise the bound: it is memory for every client that is slow to send.',
  body_too_large:
    'The body is larger than `SALLYPORT_MAX_BODY_BYTES` (16 GiB). Send it in parts, or through a CONNECT tunnel, where nothing is counted; or raise the bound.',
  expect_unsupported:
    'The client expects something other than `100-continue`, which is all that HTTP knows. Take the `Expect` header out of it.',
  version_unsupported:
    'The client speaks another version than HTTP/1.0 or 1.1 to its proxy. HTTP/2 goes through a CONNECT tunnel, end to end, as clients do for `https://` URLs: switch it off towards the proxy.',
  method_unsupported:
    'The method is none that passes; TRACE never does, as it would show the credentials to its sender. Use another, or a CONNECT tunnel, in which methods are not our business.',
  head_timeout:
    'The client connected and did not send a whole request within `SALLYPORT_HEAD_TIMEOUT`. Mostly a client that opens connections ahead of need, or a port scan: nothing to do then. Else its network is slow, or it waits for us to speak first, as for another protocol.',
  body_timeout:
    'The client stopped in the middle of a body for `SALLYPORT_BODY_IDLE`. Look at the client, and at what is between it and the gateway.',
  auth_required:
    'The client sent no credentials. Put them into the proxy URL, `http://POOL:KEY@HOST:3128`; `sallyport env POOL` prints it. Some clients ask once without and come again, which is no error. One that has no place for credentials may be bound by where it comes from: `docs/gateway.md#clients-that-send-no-credentials`.',
  auth_failed:
    'The key is not known, has ended or may not use the gateway. `sallyport key list` shows which there are, what each may do (it takes `gateway` or `operator`) and when it ends. A key is shown once, when it is made: make another with `sallyport key create NAME --policies gateway`. In a URL a character such as `@` in the username has to be percent-encoded.',
  selector_invalid:
    'The username asks in a way that is not understood. The answer says which key of it, and `docs/selector.md` what each may be. A value with a dash and the word of a key behind it must be encoded. `sallyport resolve USERNAME HOST:PORT` tries a username without a request.',
  pool_unknown:
    'No pool of the key’s workspace has the name before the first key of the username. `sallyport pool list` shows them; a key of another workspace sees other pools.',
  pool_disabled:
    'Somebody disabled the pool. `sallyport pool enable POOL` lets requests use it again; `sallyport audit --method UpdatePool` says who it was.',
  destination_denied:
    'The pool does not allow the target or its port, or an upstream (of LOCAL sessions: a target) is at a private address and `SALLYPORT_UPSTREAMS_ALLOW_PRIVATE` is off, as it is once other machines reach a listener. `sallyport pool get POOL` shows what it allows; `sallyport pool update POOL --allow HOST,HOST` sets that list anew. The rules: `docs/gateway.md#where-it-may-connect`.',
  loop_detected:
    'The request would come back to this gateway: its target or its upstream is the gateway itself. Look at host and port of the session (`sallyport session get TOKEN`), and at the client’s list of hosts that need no proxy (`NO_PROXY`).',
  limit_reached:
    'The key, the workspace, the pool’s session or the address has as much under way as it may, or sent too many wrong keys. `sallyport status` shows what is open. Wait for some to end; else raise the bound: `sallyport pool update POOL --max-tunnels N`, or the setting that `docs/gateway.md#bounds` names.',
  overloaded:
    'The process has no descriptors, memory or time left for more. It recovers by itself. `sallyport status` shows what is open, `docs/operating.md#sizing` what each costs and how to give it more; the log line `load` says which of the three it was.',
  draining:
    'The gateway is being stopped or restarted. Ask again; a second instance behind a balancer takes over meanwhile (`docs/gateway.md#stopping-and-load-balancers`).',
  pool_empty:
    'No session of the pool may serve: it has none, all are disabled, or none has the labels that the username asks for. `sallyport resolve USERNAME HOST:PORT` counts why each was left out; `sallyport session import FILE --pool POOL` adds some, `sallyport session enable TOKEN` brings one back.',
  pool_unhealthy:
    'All sessions of the pool that could serve are taken out for their failures. `sallyport session list --pool POOL` shows the last cause of each: go on with that one. They come back by themselves when their time is over; how soon that is, `sallyport pool update POOL --ejection 10s` says.',
  session_unavailable:
    'The very session that the username asks for, by its token, with `strict` or by a pinned account, cannot serve, or was revoked while its tunnel was being opened. `sallyport session get TOKEN` shows its health. Let the key move with `strict-false` in the username, or an account with `sallyport assignment update ACCOUNT --no-pin`.',
  upstream_dns:
    'The upstream’s host name cannot be resolved from here. Check it for a typing error (`sallyport session get TOKEN`), and the resolver of this machine, or name another with `SALLYPORT_DNS_SERVERS`.',
  upstream_refused:
    'Nothing listens at the upstream’s host and port, or a firewall refuses. `sallyport session get TOKEN` shows both; a vendor may have moved its gateway or closed the account. `sallyport session update TOKEN --port N --password-file FILE` changes it: another endpoint wants the password again.',
  upstream_reset:
    'The upstream took the connection and closed it without an answer. Many do so to addresses that are not on their list, to too many connections, or when they speak TLS or SOCKS and were asked in HTTP. Put this machine’s address on the vendor’s list, bound what a session has open (`sallyport pool update POOL --max-tunnels N`), or correct the scheme (`sallyport session update TOKEN --scheme socks5h --password-file FILE`).',
  upstream_unreachable:
    'There is no way to the upstream’s address: a network or a route is missing, or its address is of a kind that this machine has not, mostly IPv6. Compare the session (`sallyport session get TOKEN`) with this machine’s routes; give it an address of the other kind.',
  upstream_connect_timeout:
    'The upstream did not answer to the connection within `SALLYPORT_CONNECT_TIMEOUT`: it is down, far away, or a firewall drops what we send. Try `nc -vz HOST PORT` from this machine; `sallyport session disable TOKEN` leaves it out meanwhile.',
  upstream_reply_timeout:
    'The upstream is there and did not open the tunnel within `SALLYPORT_CONNECT_REPLY_TIMEOUT`. It is overloaded, or it cannot reach the target and does not say so. Try another target through it: where all are slow, it is the upstream (`sallyport session list --pool POOL` has its time to dial).',
  upstream_tls:
    'The TLS handshake with an `https` upstream failed: it speaks no TLS on that port, or its certificate is not of its name or of an authority that we know. For one in clear: `sallyport session update TOKEN --scheme http --password-file FILE`. For an authority of your own: `SALLYPORT_UPSTREAM_CA_FILE`.',
  upstream_auth_failed:
    'The upstream refuses the session’s credentials. Check user name and password at the vendor, whether the plan has run out, and whether this machine’s address must be on a list; then `sallyport session update TOKEN --password-file FILE`, or of a vendor’s account `sallyport provider update PROVIDER --credentials-file FILE`.',
  upstream_protocol:
    'The upstream answered in something other than HTTP or SOCKS, or sent our credentials back. The scheme of the session is likely another than the upstream’s: `sallyport session get TOKEN` shows it, `sallyport session update TOKEN --scheme socks5h --password-file FILE` changes it.',
  upstream_denied_target:
    'The upstream will not carry requests to this target: its own rules, a port that it does not allow, a plan without it, or too many at once. Ask for another provider with `-provider-` in the username, or ask the vendor. `sallyport tail --cause upstream_denied_target` shows which targets it is about.',
  target_unreachable:
    'The upstream could not reach the target: the target is down, its name is wrong, or it refuses that exit. Try it without a proxy, then through another session (`sallyport tail --cause target_unreachable` shows which ones it was).',
  first_byte_timeout:
    'Request and upstream are well, and the target did not begin to answer within `SALLYPORT_FIRST_BYTE_TIMEOUT` (a minute). Ask for less at once, raise it, or go through a CONNECT tunnel, which waits as long as something moves.',
  idle_timeout:
    'The connection was silent for longer than it may be, or a tunnel was older, and was closed. Long-lived tunnels should send something now and then; else raise `SALLYPORT_TUNNEL_IDLE`, `SALLYPORT_TUNNEL_LIFE` or `SALLYPORT_RESPONSE_IDLE`.',
  response_truncated:
    'The answer ended before it was whole: the upstream or the target closed early. A client that counts sees it; asking again is up to it. Where it is always the same session (`sallyport tail --cause response_truncated`), leave that out.',
  client_gone:
    'The client closed its side before the answer was there: its own timeout, a user who went on, a crash. Compare its timeout with `total_ms` in the log line.',
  revoked:
    'The session or key was changed, disabled or deleted while the request was under way, and its pool cuts what is live. That is what revoking is for; `sallyport pool update POOL --on-revoke drain` lets it end in peace.',
  internal:
    'A fault of ours: the log has a line “a request met a fault of ours” with the request id. `sallyport version` and that line are what we need: please report it.',
};
