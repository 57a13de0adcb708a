/**
 * The handshake with an `http` or `https` upstream: our CONNECT, and the reader of
 * its reply, which skips interim responses, bounds the head, and tells tunnel
 * bytes from reply bytes at any split (E8). Only a 2xx opens the tunnel; of a
 * refusal nothing but its class is used.
 */
import { CAUSES, type Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Route } from '../src/core/model.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import type { Handshake, HandshakeSink } from './handshake.ts';
import type { ReplyMemo } from './http1/head-memo.ts';
import { parseReplyHead } from './http1/reply-head.ts';
import { authorityOf } from './http1/target.ts';

export class ConnectReply implements Handshake {
  rest: Buffer | null = null;
  readonly #limits: GatewayLimits;
  readonly #memo: ReplyMemo;
  readonly #route: Route;
  readonly #target: Destination;
  #pending: Buffer | null = null;
  #interim = 0;

  /** `memo`: what such replies said last. */
  constructor(limits: GatewayLimits, memo: ReplyMemo, route: Route, target: Destination) {
    this.#limits = limits;
    this.#memo = memo;
    this.#route = route;
    this.#target = target;
  }

  /** The embedded exit closes without a word when it cannot reach a target. */
  get unanswered(): Cause {
    return this.#route.tunnelled ? 'target_unreachable' : 'upstream_reset';
  }

  begin(sink: HandshakeSink): void {
    sink.send(connectRequest(authorityOf(this.#target.host, this.#target.port), this.#route.authorization));
  }

  read(octets: Buffer): 'open' | Cause | null {
    let buffer = this.#pending === null ? octets : Buffer.concat([this.#pending, octets]);
    for (;;) {
      const head = parseReplyHead(buffer, 0, 'CONNECT', this.#limits, this.#memo);
      if (head === 'malformed') return 'upstream_protocol';
      if (head === null) {
        this.#pending = Buffer.from(buffer);
        return null;
      }
      buffer = buffer.subarray(head.size);
      if (head.status >= 200) {
        this.rest = buffer.length > 0 ? buffer : null;
        return (leadsToExit(this.#route) && EXIT_CAUSES.get(head.status)) || verdictOf(head.status);
      }
      // RFC 9110 section 15.2: interim responses come before the final one. 101 was never asked for.
      if (head.status === 101 || ++this.#interim > this.#limits.maxInterimResponses) return 'upstream_protocol';
      if (buffer.length === 0) {
        this.#pending = null;
        return null;
      }
    }
  }
}

/**
 * The embedded exit is ours: it answers with the status of a cause where that is not its target's doing. From an
 * upstream the same statuses say no more than that it refuses.
 */
const EXIT_CAUSES: ReadonlyMap<number, Cause> = new Map(
  (['destination_denied', 'loop_detected', 'overloaded'] as const).map((cause) => [CAUSES[cause].status, cause]),
);

function verdictOf(status: number): 'open' | Cause {
  if (status < 300) return 'open';
  // Nobody but the upstream answers a CONNECT, so that its 401 (tinyproxy) refuses our credential like a 407.
  if (status === 407 || status === 401) return 'upstream_auth_failed';
  if (status >= 500) return 'target_unreachable';
  return status >= 400 ? 'upstream_denied_target' : 'upstream_protocol';
}

/** The CONNECT that we send: built from checked parts, nothing of the client's head in it (K17, K18). */
function connectRequest(authority: string, authorization: string | null): string {
  const credential = authorization === null ? '' : `Proxy-Authorization: ${authorization}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credential}\r\n`;
}
