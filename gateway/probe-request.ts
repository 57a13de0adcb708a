/**
 * What a probe of an URL says and reads: one GET with a fixed head, and the head of its
 * reply, of which nothing but the status is used. Octets in, an outcome out; `probe.ts`
 * has the sockets.
 */
import type { Cause } from '../src/core/cause.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { ProbeTarget } from '../src/core/model.ts';
import { parseReplyHead } from './http1/reply-head.ts';
import { authorityOf } from './http1/target.ts';

const FIXED_LINES = 'User-Agent: sallyport-probe\r\nAccept: */*\r\nConnection: close\r\n';

/**
 * The request as latin1 text. `originForm`: inside a tunnel to the target; otherwise in absolute-form, with
 * `authorization` as Proxy-Authorization.
 */
export function probeRequest(target: ProbeTarget, originForm: boolean, authorization: string | null): string {
  const { host, port, secure, path } = target;
  const isDefault = port === (secure ? 443 : 80);
  // RFC 9110 section 4.2.3: the default port left out.
  const authority = isDefault ? authorityOf(host, port).slice(0, -`:${port}`.length) : authorityOf(host, port);
  const uri = originForm ? path : `http://${authority}${path}`;
  const credential = originForm || authorization === null ? '' : `Proxy-Authorization: ${authorization}\r\n`;
  return `GET ${uri} HTTP/1.1\r\nHost: ${authority}\r\n${FIXED_LINES}${credential}\r\n`;
}

export class ProbeReply {
  readonly #limits: GatewayLimits;
  readonly #inTunnel: boolean;
  #pending: Buffer | null = null;
  #interim = 0;

  /** `inTunnel`: it is the target that answers, and not the upstream. */
  constructor(limits: GatewayLimits, inTunnel: boolean) {
    this.#limits = limits;
    this.#inTunnel = inTunnel;
  }

  /** How it ended; null while more is needed. Not called after an outcome. */
  read(chunk: Buffer): 'served' | Cause | null {
    let from = this.#pending?.length ?? 0;
    let buffer = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const head = parseReplyHead(buffer, from, 'GET', this.#limits);
      if (head === 'malformed') return 'upstream_protocol';
      if (head === null) {
        this.#pending = buffer;
        return null;
      }
      if (head.status >= 200) return this.#outcomeOf(head.status);
      // RFC 9110 section 15.2: interim responses come before the final one. 101 was never asked for.
      if (head.status === 101 || ++this.#interim > this.#limits.maxInterimResponses) return 'upstream_protocol';
      buffer = buffer.subarray(head.size);
      from = 0;
    }
  }

  /** Any answer but a good one speaks of the target alone: whose it is, nobody can tell. */
  #outcomeOf(status: number): 'served' | Cause {
    if (status < 400) return 'served';
    return status === 407 && !this.#inTunnel ? 'upstream_auth_failed' : 'upstream_denied_target';
  }
}
