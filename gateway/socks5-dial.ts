/**
 * The handshake with a `socks5` or `socks5h` upstream (RFC 1928, RFC 1929): what we
 * send, and the reader of its answers.
 *
 *   ──▶ 05 01 method                        method 00 without credentials, 02 with
 *   ◀── 05 method
 *   ──▶ 01 ulen username plen password      ◀── 01 status           method 02 only
 *   ──▶ 05 01 00 atyp address port          ◀── 05 reply 00 atyp address port
 *
 * One method is offered, the one that is wanted: a request never goes out under no
 * identity because an upstream preferred to ask for none. Each answer is judged octet by
 * octet, so that the verdict is the same at any split; at most 261 octets are held.
 */
import type { Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { SocksCredentials } from '../src/core/model.ts';
import type { Handshake, HandshakeSink } from './handshake.ts';
import { addressOctets, portOctets } from './socks-address.ts';
import type { Locate } from './target-address.ts';

const VERSION = 5;
/** Of the sub-negotiation (RFC 1929 section 2), not of the protocol. */
const SUBNEGOTIATION = 1;
const CONNECT = 1;
const NO_AUTHENTICATION = 0;
const USERNAME_PASSWORD = 2;
const NO_ACCEPTABLE_METHOD = 0xff;
/** Username, password and name each have one octet of length. */
const MAX_TEXT = 255;

/** What the replies of RFC 1928 section 6 mean to us; any other is none that a CONNECT can get. */
const REFUSALS: readonly (Cause | undefined)[] = [
  undefined,
  'target_unreachable', // general failure
  'upstream_denied_target', // not allowed by ruleset
  'target_unreachable', // network unreachable
  'target_unreachable', // host unreachable
  'target_unreachable', // connection refused
  'target_unreachable', // TTL expired
];

type Stage = 'method' | 'authentication' | 'reply';

export class Socks5Dial implements Handshake {
  readonly unanswered = 'upstream_reset';
  rest: Buffer | null = null;
  readonly #locate: Locate;
  readonly #credentials: SocksCredentials | null;
  #sink: HandshakeSink | null = null;
  /** null until the greeting is sent. */
  #target: Destination | null = null;
  #stage: Stage = 'method';
  #pending: Buffer | null = null;

  constructor(locate: Locate, credentials: SocksCredentials | null) {
    this.#locate = locate;
    this.#credentials = credentials;
  }

  begin(sink: HandshakeSink): void {
    const { username = '', password = '' } = this.#credentials ?? {};
    // Of a template's making: the control plane refuses longer ones in a session.
    if (username.length > MAX_TEXT || password.length > MAX_TEXT) return sink.fail('upstream_auth_failed');
    this.#locate((found) => {
      if (typeof found === 'string') return sink.fail(found);
      this.#sink = sink;
      this.#target = found;
      sink.send(octets(VERSION, 1, this.#method));
    });
  }

  read(octets: Buffer): 'open' | Cause | null {
    let buffer = this.#pending === null ? octets : Buffer.concat([this.#pending, octets]);
    // It speaks before it was asked.
    if (this.#target === null) return 'upstream_protocol';
    while (buffer.length > 0) {
      if (buffer[0] !== (this.#stage === 'authentication' ? SUBNEGOTIATION : VERSION)) return 'upstream_protocol';
      const code = buffer[1];
      if (code === undefined) break;
      if (this.#stage === 'reply') return this.#onReply(buffer, code);
      const refusal = this.#stage === 'method' ? this.#onMethod(code) : this.#onStatus(code);
      if (refusal !== null) return refusal;
      buffer = buffer.subarray(2);
    }
    this.#pending = Buffer.from(buffer);
    return null;
  }

  get #method(): number {
    return this.#credentials === null ? NO_AUTHENTICATION : USERNAME_PASSWORD;
  }

  #onMethod(method: number): Cause | null {
    if (method === NO_ACCEPTABLE_METHOD) return 'upstream_auth_failed';
    if (method !== this.#method) return 'upstream_protocol';
    if (this.#credentials === null) return this.#ask();
    const { username, password } = this.#credentials;
    this.#stage = 'authentication';
    this.#sink!.send(octets(SUBNEGOTIATION, username.length) + username + octets(password.length) + password);
    return null;
  }

  #onStatus(status: number): Cause | null {
    return status === 0 ? this.#ask() : 'upstream_auth_failed';
  }

  #ask(): null {
    const { host, port } = this.#target!;
    this.#stage = 'reply';
    this.#sink!.send(octets(VERSION, CONNECT, 0) + typedAddress(host) + portOctets(port));
    return null;
  }

  /** A refusal is one from its second octet on; of a consent the bound address is skipped, of which we make no use. */
  #onReply(buffer: Buffer, reply: number): 'open' | Cause | null {
    if (reply !== 0) return REFUSALS[reply] ?? 'upstream_protocol';
    if ((buffer[2] ?? 0) !== 0) return 'upstream_protocol';
    const size = sizeOfReply(buffer);
    if (size === -1) return 'upstream_protocol';
    if (buffer.length < size) {
      this.#pending = Buffer.from(buffer);
      return null;
    }
    this.rest = buffer.length > size ? buffer.subarray(size) : null;
    return 'open';
  }
}

/** Octets of a whole reply, as far as they can be told: at least one more than there are; -1 for no type of address. */
function sizeOfReply(buffer: Buffer): number {
  if (buffer.length < 4) return 4;
  if (buffer[3] === 1) return 10;
  if (buffer[3] === 4) return 22;
  if (buffer[3] !== 3) return -1;
  return buffer.length < 5 ? 5 : 7 + buffer[4]!;
}

function typedAddress(host: string): string {
  const address = addressOctets(host);
  if (address === null) return octets(3, host.length) + host;
  return octets(address.length === 4 ? 1 : 4) + address;
}

function octets(...values: readonly number[]): string {
  return String.fromCharCode(...values);
}
