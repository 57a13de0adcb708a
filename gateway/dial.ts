/**
 * Dialling: opening a connection to an upstream, with its TLS and its handshake;
 * and the connection itself.
 *
 *   connecting ──▶ (TLS) ──▶ handshake ──▶ open ──▶ (owned by an attempt | idle in the pool) ──▶ closed
 *       └──────────────────────┴─ error, timeout, refusal ──────────────────────────────────▶ closed
 *
 * An `UpstreamConnection` belongs to one route, and to one target if it is tunnelled
 * there, for its whole life; it has one owner at a time, which gets its events. Its
 * socket has an error listener and a deadline from the tick it exists (E25).
 */
import { Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { Route } from '../src/core/model.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { connectGuarded } from './guarded-connect.ts';
import { type Handshake, type HandshakeSink, startHandshake } from './handshake.ts';
import { authorityOf } from './http1/target.ts';
import type { Intake, Receiver } from './intake.ts';
import { reset, resetTls } from './reset.ts';
import { lookAtStalled } from './stall.ts';

/** Who gets the events of an upstream connection. */
export interface UpstreamOwner {
  /** TCP, and TLS where there is any, is up; what follows is the handshake. */
  onConnected(connection: UpstreamConnection): void;
  /** So many octets of a handshake were written. */
  onHandshake(octets: number): void;
  /** It may be used. `early`: what a tunnel's target said before it was asked, or null. */
  onOpen(connection: UpstreamConnection, early: Buffer | null): void;
  /** Octets that are lent until it returns (`intake.ts`). */
  onData(octets: Buffer, connection: UpstreamConnection): void;
  /** The kernel took what was written: writing may go on. */
  onDrain(connection: UpstreamConnection): void;
  /** The upstream finished its side. */
  onEnd(connection: UpstreamConnection): void;
  /** The socket is gone; `cause` says why where it failed. The last event. */
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

export class UpstreamConnection implements Receiver, HandshakeSink {
  readonly route: Route;
  readonly socket: Socket;
  /** What comes in from it; ours until `detach`. */
  readonly intake: Intake;
  /** `host:port` that this connection is tunnelled to; null: it speaks to the upstream itself. */
  readonly tunnelTo: string | null;
  readonly #limits: GatewayContext['limits'];
  readonly #clock: GatewayContext['clock'];
  /** Monotonic ms; see the constructor. */
  readonly #openBy: number;
  /** The TCP socket: `socket` itself, or what carries its TLS. */
  readonly #carrier: Socket;
  readonly #deadline: Deadline;
  #timeoutCause: Cause = 'upstream_connect_timeout';
  owner: UpstreamOwner;
  /** Monotonic ms at which it became idle. */
  idleSince = 0;
  /** TCP, and TLS where there is any, is up. */
  connected = false;
  #failure: Cause | null = null;
  /** Until it is done; null for a connection that is not tunnelled. */
  #handshake: Handshake | null;
  readonly #onDrain = this.#drained.bind(this);
  readonly #onEnd = this.#ended.bind(this);

  /** `openBy`: when it must be open at the latest, whatever is left of the deadlines on the way, in monotonic ms. */
  constructor(
    context: GatewayContext,
    route: Route,
    through: Destination | null,
    owner: UpstreamOwner,
    openBy: number,
  ) {
    this.route = route;
    this.#clock = context.clock;
    this.#openBy = openBy;
    this.tunnelTo = through === null ? null : authorityOf(through.host, through.port);
    this.#handshake = through === null ? null : startHandshake(context, route, through);
    this.owner = owner;
    this.#deadline = new Deadline(context.deadlines, () => this.fail(this.#timeoutCause));
    const { limits } = context;
    this.#limits = limits;
    const tls = route.scheme === 'https';
    const plain = tls ? null : context.intakes.dialled();
    const socket = (plain?.socket ?? new Socket({ allowHalfOpen: true })).setNoDelay(true);
    context.caps.openSockets(route);
    socket.once('close', () => context.caps.closeSockets(route));
    this.#carrier = socket;
    try {
      this.#connect(socket, context);
      this.socket = tls ? this.#secure(socket, context) : socket;
    } catch (fault) {
      // Nobody gets this connection, to end it.
      this.#deadline.release();
      socket.destroy();
      throw fault;
    }
    this.intake = plain?.intake ?? context.intakes.separate(this.socket);
    this.socket.once(tls ? 'secureConnect' : 'connect', () => this.#onConnected());
    this.#listen();
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
    this.socket.destroy();
  }

  /** Ends with a reset: the upstream sees a failure and no end. The owner is told of the close. */
  reset(): void {
    if (this.socket === this.#carrier) reset(this.socket);
    else resetTls(this.socket, this.#carrier);
  }

  /** Closes it if nothing is read from it and its peer has reset it (`stall.ts`). */
  lookAtStalled(): void {
    lookAtStalled(this.socket, this.#carrier);
  }

  /** Leaves the socket's data to somebody else (a tunnel's relay); errors and the close are still ours to report. */
  detach(): Socket {
    return this.socket.off('drain', this.#onDrain).off('end', this.#onEnd);
  }

  /** Destroys the socket; the owner is told `cause`. */
  fail(cause: Cause): void {
    this.#failure ??= cause;
    this.socket.destroy();
  }

  /** For a step on the way to being open. */
  #armStep(ms: number, cause: Cause): void {
    this.arm(Math.max(0, Math.min(ms, this.#openBy - this.#clock.monotonicMs())), cause);
  }

  /** To the addresses that the guard lets through, literal ones as well; the time to connect begins when they are known. */
  #connect(socket: Socket, { limits, addressGuard }: GatewayContext): void {
    const { host, port } = this.route;
    if (leadsToExit(this.route)) {
      this.#armStep(limits.connectTimeoutMs, 'upstream_connect_timeout');
      socket.connect({ host, port });
      return;
    }
    this.#armStep(limits.dnsTimeoutMs, 'upstream_dns');
    const attemptMs = limits.connectTimeoutMs / ATTEMPTS;
    connectGuarded(socket, addressGuard, { host, port, attemptMs }, (refusal) => {
      if (refusal !== null) this.#failure ??= refusal;
      else this.#armStep(limits.connectTimeoutMs, 'upstream_connect_timeout');
    });
  }

  #onConnected(): void {
    this.connected = true;
    this.owner.onConnected(this);
    const handshake = this.#handshake;
    if (handshake === null) return this.#onOpen(null);
    this.#armStep(this.#limits.connectReplyTimeoutMs, 'upstream_reply_timeout');
    handshake.begin(this);
  }

  /** Octets of a handshake. */
  send(octets: string): void {
    // A name may be found when its connection is gone.
    if (this.socket.destroyed) return;
    this.owner.onHandshake(octets.length);
    this.socket.write(octets, 'latin1');
  }

  #onOpen(early: Buffer | null): void {
    this.#handshake = null;
    this.disarm();
    this.owner.onOpen(this, early);
  }

  onOctets(octets: Buffer): void {
    const handshake = this.#handshake;
    if (handshake === null) return this.owner.onData(octets, this);
    const verdict = handshake.read(this.intake.keep(octets));
    if (verdict === null) return;
    if (verdict === 'open') this.#onOpen(handshake.rest);
    else this.fail(verdict);
  }

  #drained(): void {
    this.owner.onDrain(this);
  }

  #ended(): void {
    // Only TLS can be ended before it is up.
    if (!this.connected) this.fail('upstream_tls');
    else if (this.#handshake !== null) this.fail(this.#handshake.unanswered);
    else this.owner.onEnd(this);
  }

  #secure(raw: Socket, { limits, upstreamTls }: GatewayContext): Socket {
    raw.once('connect', () => this.#armStep(limits.upstreamTlsTimeoutMs, 'upstream_tls'));
    raw.once('error', (error) => this.#note(error));
    return upstreamTls.secure(raw, this.route);
  }

  #listen(): void {
    const { socket } = this;
    socket.on('error', (error) => this.#note(error));
    this.intake.receiver = this;
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.once('close', () => {
      this.#deadline.release();
      this.owner.onClosed(this.#failure ?? this.#handshake?.unanswered ?? 'upstream_reset', this);
    });
  }

  #note(error: Error): void {
    const cause = causeOf(error as NodeJS.ErrnoException, this.route.scheme === 'https' && !this.connected);
    // A reset in the middle of a handshake says no more than an end there does.
    const unanswered = this.connected && cause === 'upstream_reset' ? this.#handshake?.unanswered : undefined;
    this.#failure ??= unanswered ?? cause;
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
function causeOf({ code = '' }: NodeJS.ErrnoException, handshaking: boolean): Cause {
  const cause = CAUSE_BY_CODE.get(code);
  if (cause !== undefined && !(handshaking && cause === 'upstream_reset')) return cause;
  return handshaking || code.startsWith(TLS_FAULT) ? 'upstream_tls' : 'upstream_unreachable';
}
