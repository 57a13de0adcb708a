/**
 * Dialling: opening a connection to an upstream, with its TLS and its handshake;
 * and the connection itself.
 *
 *   connecting ──▶ (TLS) ──▶ handshake ──▶ open ──▶ (owned by an attempt | idle in the pool) ──▶ closed
 *       └──────────────────────┴─ error, timeout, refusal ──────────────────────────────────▶ closed
 *
 * An `UpstreamConnection` belongs to one route, and to one target if it is tunnelled
 * there, for its whole life; it has one owner at a time, which gets its events. Its
 * wire has a deadline from the tick it exists (E25).
 */
import type { Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { Route } from '../src/core/model.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { GuardedLookup } from './guarded-lookup.ts';
import { type Handshake, type HandshakeSink, startHandshake } from './handshake.ts';
import type { ReplyMemo } from './http1/head-memo.ts';
import { authorityOf } from './http1/target.ts';
import type { Linked } from './under-way.ts';
import { StreamWire } from './wire/stream-wire.ts';
import type { Receiver, Wire, WireHolder } from './wire/wire.ts';
import { newSocket } from './wire/wires.ts';

/** Who gets the events of an upstream connection. */
export interface UpstreamOwner {
  /** TCP, and TLS where there is any, is up; what follows is the handshake. */
  onConnected(connection: UpstreamConnection): void;
  /** So many octets of a handshake were written. */
  onHandshake(octets: number): void;
  /** It may be used. `early`: what a tunnel's target said before it was asked, or null. */
  onOpen(connection: UpstreamConnection, early: Buffer | null): void;
  /** Octets that are lent until it returns (`wire.ts`). */
  onData(octets: Buffer, connection: UpstreamConnection): void;
  /** The kernel took what was written: writing may go on. */
  onDrain(connection: UpstreamConnection): void;
  /** The upstream finished its side. */
  onEnd(connection: UpstreamConnection): void;
  /** The wire is gone; `cause` says why where it failed. The last event. */
  onClosed(cause: Cause, connection: UpstreamConnection): void;
}

/** Owner of a connection that nobody listens to any more. */
export const NOBODY: UpstreamOwner = {
  onConnected: () => undefined,
  onHandshake: () => undefined,
  onOpen: () => undefined,
  onData: () => undefined,
  onDrain: () => undefined,
  onEnd: () => undefined,
  onClosed: () => undefined,
};

/** Of several addresses, each but the last gets this fraction of the time to connect. */
const ATTEMPTS = 4;

export class UpstreamConnection implements Receiver, WireHolder, HandshakeSink, Linked<UpstreamConnection> {
  /** Those before and behind it while it is idle. */
  newer: UpstreamConnection | null = null;
  older: UpstreamConnection | null = null;
  readonly route: Route;
  /** What comes in from it is ours until somebody else is made its receiver; its close is ours for good. */
  readonly wire: Wire;
  /** `host:port` that this connection is tunnelled to; null: it speaks to the upstream itself. */
  readonly tunnelTo: string | null;
  readonly #context: GatewayContext;
  readonly #asStream: boolean;
  /** Monotonic ms; see the constructor. */
  readonly #openBy: number;
  readonly #deadline: Deadline;
  #timeoutCause: Cause = 'upstream_connect_timeout';
  owner: UpstreamOwner;
  /** What it was answered last. */
  replies: ReplyMemo | null = null;
  /** Monotonic ms at which it became idle. */
  idleSince = 0;
  /** TCP, and TLS where there is any, is up. */
  connected = false;
  #failure: Cause | null = null;
  /** Until it is done; null for a connection that is not tunnelled. */
  #handshake: Handshake | null;

  /**
   * `openBy`: when it must be open at the latest, whatever is left of the deadlines on the way, in monotonic ms.
   * `asStream`: over a socket of Node, as somebody will speak TLS through it.
   */
  constructor(
    context: GatewayContext,
    route: Route,
    through: Destination | null,
    owner: UpstreamOwner,
    openBy: number,
    asStream = false,
  ) {
    this.route = route;
    this.#asStream = asStream;
    this.#context = context;
    this.#openBy = openBy;
    this.tunnelTo = through === null ? null : authorityOf(through.host, through.port);
    this.#handshake = through === null ? null : startHandshake(context, route, through);
    this.owner = owner;
    this.#deadline = new Deadline(context.deadlines, () => this.fail(this.#timeoutCause));
    try {
      this.wire = this.#dial();
    } catch (fault) {
      // Nobody gets this connection, to end it.
      this.#deadline.release();
      throw fault;
    }
    context.caps.openSockets(route);
    this.wire.receiver = this;
    this.wire.start(this);
  }

  /** Fails with `cause` unless re-armed or disarmed within `ms`. */
  arm(ms: number, cause: Cause): void {
    this.#timeoutCause = cause;
    this.#deadline.arm(ms);
  }

  disarm(): void {
    this.#deadline.disarm();
  }

  /** Nobody is told of this connection any more, and it ends. */
  discard(): void {
    this.owner = NOBODY;
    this.wire.destroy();
  }

  /** Destroys the wire; the owner is told `cause`, or what the wire failed of before. */
  fail(cause: Cause): void {
    this.#failure ??= this.#causeOfWire() ?? cause;
    this.wire.destroy();
  }

  /** For a step on the way to being open. */
  #armStep(ms: number, cause: Cause): void {
    this.arm(Math.max(0, Math.min(ms, this.#openBy - this.#context.clock.monotonicMs())), cause);
  }

  /** To the addresses that the guard lets through, literal ones as well; the time to connect begins when they are known. */
  #dial(): Wire {
    const { limits, addressGuard } = this.#context;
    const { route } = this;
    const { host, port, scheme } = route;
    if (leadsToExit(route)) return this.#dialAddress(host);
    if (scheme !== 'https') {
      const literal = addressGuard.literal(host, port);
      if (literal !== null && typeof literal !== 'string') return this.#dialAddress(host);
    }
    const lookup = new GuardedLookup(addressGuard, host, port);
    const { only } = lookup;
    if (only !== null && scheme !== 'https') return this.#dialAddress(only);
    this.#armStep(limits.dnsTimeoutMs, 'upstream_dns');
    return this.#dialSocket(lookup);
  }

  #dialAddress(address: string): Wire {
    const { limits, wires } = this.#context;
    this.#armStep(limits.connectTimeoutMs, 'upstream_connect_timeout');
    return wires.dial(address, this.route.port, this.#asStream);
  }

  /** By a socket of Node, which speaks TLS and tries several addresses. */
  #dialSocket(lookup: GuardedLookup): StreamWire {
    const { limits, upstreamTls } = this.#context;
    const socket = newSocket();
    try {
      lookup.connect(socket, limits.connectTimeoutMs / ATTEMPTS, (refusal) => {
        if (refusal !== null) this.#failure ??= refusal;
        else this.#armStep(limits.connectTimeoutMs, 'upstream_connect_timeout');
      });
      if (this.route.scheme !== 'https') return new StreamWire(socket);
      socket.once('connect', () => this.#armStep(limits.upstreamTlsTimeoutMs, 'upstream_tls'));
      return new StreamWire(upstreamTls.secure(socket, this.route), socket);
    } catch (fault) {
      socket.destroy();
      throw fault;
    }
  }

  onWireOpen(): void {
    this.connected = true;
    this.owner.onConnected(this);
    const handshake = this.#handshake;
    if (handshake === null) return this.#onOpen(null);
    this.#armStep(this.#context.limits.connectReplyTimeoutMs, 'upstream_reply_timeout');
    handshake.begin(this);
  }

  /** Octets of a handshake. */
  send(octets: string): void {
    // A name may be found when its connection is gone.
    if (this.wire.destroyed) return;
    this.owner.onHandshake(octets.length);
    this.wire.write(octets);
  }

  #onOpen(early: Buffer | null): void {
    this.#handshake = null;
    this.disarm();
    this.owner.onOpen(this, early);
  }

  onOctets(octets: Buffer): void {
    const handshake = this.#handshake;
    if (handshake === null) return this.owner.onData(octets, this);
    const verdict = handshake.read(octets);
    if (verdict === null) return;
    if (verdict === 'open') this.#onOpen(handshake.rest);
    else this.fail(verdict);
  }

  onDrain(): void {
    this.owner.onDrain(this);
  }

  onEnd(): void {
    // Only TLS can be ended before it is up.
    if (!this.connected) this.fail('upstream_tls');
    else if (this.#handshake !== null) this.fail(this.#handshake.unanswered);
    else this.owner.onEnd(this);
  }

  onWireClosed(): void {
    this.#deadline.release();
    this.#context.caps.closeSockets(this.route);
    const cause = this.#failure ?? this.#causeOfWire();
    this.owner.onClosed(cause ?? this.#handshake?.unanswered ?? 'upstream_reset', this);
  }

  #causeOfWire(): Cause | null {
    const { failure } = this.wire;
    if (failure === null) return null;
    const cause = causeOf(failure, this.route.scheme === 'https' && !this.connected);
    // A reset in the middle of a handshake says no more than an end there does.
    const unanswered = this.connected && cause === 'upstream_reset' ? this.#handshake?.unanswered : undefined;
    return unanswered ?? cause;
  }
}

const CAUSE_BY_CODE = new Map<string, Cause>([
  ['ECONNREFUSED', 'upstream_refused'],
  ['ECONNRESET', 'upstream_reset'],
  ['EPIPE', 'upstream_reset'],
  ['ETIMEDOUT', 'upstream_connect_timeout'],
  ['ENOTFOUND', 'upstream_dns'],
  ['EAI_AGAIN', 'upstream_dns'],
  ['EAI_FAIL', 'upstream_dns'],
  ['EAI_NODATA', 'upstream_dns'],
  ['EHOSTUNREACH', 'upstream_unreachable'],
  ['ENETUNREACH', 'upstream_unreachable'],
  ['EHOSTDOWN', 'upstream_unreachable'],
  ['ENETDOWN', 'upstream_unreachable'],
  ['EADDRNOTAVAIL', 'upstream_unreachable'],
  ['EACCES', 'upstream_unreachable'],
  ['EMFILE', 'overloaded'],
  ['ENFILE', 'overloaded'],
  ['ENOBUFS', 'overloaded'],
]);

/** What OpenSSL says: in TLS 1.3 an upstream that wants a certificate of ours tells so when we are done already. */
const TLS_FAULT = 'ERR_SSL_';

/** The cause of a socket error, by its code alone (never by its message). */
function causeOf(code: string, handshaking: boolean): Cause {
  const cause = CAUSE_BY_CODE.get(code);
  if (cause !== undefined && !(handshaking && cause === 'upstream_reset')) return cause;
  return handshaking || code.startsWith(TLS_FAULT) ? 'upstream_tls' : 'upstream_unreachable';
}
