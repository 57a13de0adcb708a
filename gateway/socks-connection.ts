/**
 * One connection of a client that speaks SOCKS5: it says who it is and where it
 * wants to go, once, and becomes a tunnel.
 *
 *   greeting ──▶ (authentication) ──▶ request ──▶ opening ──▶ tunnel
 *       └──────────────┴─────────────────┴───────────┴── refused ──▶ lingering ──▶ closed
 *
 * Serves an `Arrival`: its data, its deadline and its end are ours from the first
 * octet on. Nobody is dialled for, and no early octet kept, before the request is admitted.
 */
import { CAUSES, type Cause } from '../src/core/cause.ts';
import { type Entrant, enterPhases, turnDown } from './admission.ts';
import type { Arrival, Served } from './arrival.ts';
import type { Admission } from './client-connection.ts';
import type { GatewayContext } from './context.ts';
import { type Identity, isRejection, type Rejection } from './credentials.ts';
import { Exchange } from './exchange.ts';
import type { Target } from './http1/target.ts';
import { Lingering } from './lingering.ts';
import { SHEDDING } from './load.ts';
import {
  authenticationAnswer,
  type Greeting,
  isSocksRefusal,
  methodAnswer,
  NO_AUTHENTICATION,
  parseGreeting,
  parseSocksRequest,
  parseUsernamePassword,
  type SocksRefusal,
  socksReply,
  USERNAME_PASSWORD,
} from './socks5.ts';
import { Tunnel, type TunnelClient } from './tunnel.ts';
import { STALL_LOOK_MS, type Wire } from './wire/wire.ts';

type State = 'greeting' | 'authentication' | 'request' | 'opening' | 'tunnel' | 'lingering' | 'closed';

export class SocksConnection implements TunnelClient, Served, Entrant<Target> {
  readonly wire: Wire;
  readonly #context: GatewayContext;
  readonly #arrival: Arrival;
  readonly #admit: Admission;
  #state: State = 'greeting';
  #pending: Buffer | null = null;
  /** Finds out again who the client is: a key is checked for the request as well as for the negotiation. */
  #identify: (() => Identity | Rejection) | null = null;
  /** Octets of the negotiation that were written: they are the request's, once there is one. */
  #negotiated = 0;
  #tunnel: Tunnel | null = null;
  #lingering: Lingering | null = null;

  constructor(context: GatewayContext, arrival: Arrival, admit: Admission) {
    this.#context = context;
    this.#arrival = arrival;
    this.wire = arrival.wire;
    this.wire.receiver = this;
    this.#admit = admit;
    // For all of the negotiation: what dribbles in is no reason to wait longer.
    arrival.deadline.arm(context.limits.headTimeoutMs);
  }

  refuse(exchange: Exchange, cause: Cause): void {
    this.#refuse(exchange, { cause });
  }

  established(): string {
    return socksReply(null);
  }

  handOver(): Buffer | null {
    const early = this.#pending;
    this.#pending = null;
    this.#state = 'tunnel';
    this.#arrival.deadline.disarm();
    return early;
  }

  cut(): void {
    this.#state = 'closed';
    this.wire.reset();
  }

  /** A request that is on its way is told of the drain when it is whole; until then the deadline goes on. */
  close(): void {}

  onClosed(): void {
    this.#state = 'closed';
    this.#pending = null;
    this.#identify = null;
    this.#tunnel?.clientClosed();
  }

  onDeadline(): void {
    switch (this.#state) {
      case 'greeting':
      case 'authentication':
      case 'request':
        return this.#refuse(this.#newExchange(null), { cause: 'head_timeout' });
      case 'opening':
        this.wire.lookAtStalled();
        return this.#arrival.deadline.arm(STALL_LOOK_MS);
      case 'lingering':
        return this.#lingering!.onDeadline();
      default:
        this.wire.destroy();
    }
  }

  onOctets(octets: Buffer): void {
    this.#hold(octets);
    // What is left of it waits beyond this turn.
    if (this.#pending !== null) this.#pending = this.wire.keep(this.#pending);
  }

  #hold(octets: Buffer): void {
    switch (this.#state) {
      case 'lingering':
        return this.#lingering!.onData(octets);
      case 'closed':
      case 'tunnel':
        return;
      default:
        this.#pending = this.#pending === null ? octets : Buffer.concat([this.#pending, octets]);
    }
    while (this.#state !== 'opening' && this.#pending !== null && this.#readMessage(this.#pending));
    // What came behind the request waits for the tunnel (E11).
    if (this.#state !== 'opening' || this.#held() < this.#context.limits.maxEarlyBytes) return;
    this.wire.pause();
    this.#arrival.deadline.armSooner(STALL_LOOK_MS);
  }

  /** Nobody waits for it: an answer is written once. */
  onDrain(): void {}

  onEnd(): void {
    // Whoever has asked for a tunnel and is gone does not want it any more (K22).
    if (this.#state === 'opening') this.wire.destroy();
    else this.wire.end();
  }

  #held(): number {
    return this.#pending?.length ?? 0;
  }

  /** Takes one message off what is pending; false: it is not whole, or was the last one. */
  #readMessage(buffer: Buffer): boolean {
    const message = this.#parse(buffer);
    if (message === null) return false;
    if (isSocksRefusal(message)) {
      this.#refuse(this.#newExchange(null), message);
      return false;
    }
    this.#pending = buffer.length === message.size ? null : buffer.subarray(message.size);
    if ('methods' in message) return this.#onGreeting(message);
    if ('username' in message) return this.#onCredentials(message.username, message.password);
    this.#onRequest(message.target);
    return false;
  }

  #parse(buffer: Buffer) {
    if (this.#state === 'greeting') return parseGreeting(buffer);
    return this.#state === 'authentication' ? parseUsernamePassword(buffer) : parseSocksRequest(buffer);
  }

  /** Credentials are asked for wherever the client offers them; whoever has none must be known by where it comes from. */
  #onGreeting({ methods }: Greeting): boolean {
    const { binding } = this.#arrival;
    if (methods.includes(USERNAME_PASSWORD)) {
      this.#state = 'authentication';
      this.#say(methodAnswer(USERNAME_PASSWORD));
      return true;
    }
    const { credentials } = this.#context;
    const isBound = binding !== null && methods.includes(NO_AUTHENTICATION);
    const identify = () =>
      isBound ? credentials.identifyBound(binding, null) : credentials.identify(null, null, null);
    return this.#take(identify, methodAnswer(NO_AUTHENTICATION));
  }

  #onCredentials(username: string, password: string): boolean {
    const { credentials } = this.#context;
    return this.#take(() => credentials.identifyPair(username, password), authenticationAnswer(true));
  }

  /** Goes on to the request, if this is somebody. */
  #take(identify: () => Identity | Rejection, answer: string): boolean {
    const identity = identify();
    if (isRejection(identity)) {
      const exchange = this.#newExchange(null);
      exchange.stage = 'authenticate';
      this.#refuse(exchange, { cause: turnDown(this.#context, identity, exchange) });
      return false;
    }
    this.#identify = identify;
    this.#state = 'request';
    this.#say(answer);
    return true;
  }

  #onRequest(target: Target): void {
    const exchange = this.#newExchange(target);
    const cause = enterPhases(this.#context, this, target, exchange);
    if (cause === null) return;
    if (this.#tunnel !== null) this.#tunnel.abort(cause);
    else this.#refuse(exchange, { cause });
  }

  enter(target: Target, exchange: Exchange): Cause | null {
    const identify = this.#identify!;
    this.#identify = null;
    const shed = this.#context.load.level === SHEDDING;
    const cause = shed ? 'overloaded' : this.#admit(identify(), target, exchange);
    if (cause !== null) return cause;
    this.#state = 'opening';
    this.#arrival.deadline.disarm();
    this.#tunnel = new Tunnel(this.#context, this, target, exchange);
    this.#tunnel.start();
    return null;
  }

  #newExchange(target: Target | null): Exchange {
    const exchange = new Exchange(this.#context, 'connect', 'CONNECT', target, this.#arrival.address);
    exchange.bytesIn += this.#negotiated;
    return exchange;
  }

  #say(octets: string): void {
    this.#negotiated += octets.length;
    this.wire.write(octets);
  }

  /** Answers in the words of the phase that the client is in, and ends. Status is what a client of HTTP would have got. */
  #refuse(exchange: Exchange, refusal: SocksRefusal): void {
    const answer = this.#refusalText(refusal);
    this.#tunnel = null;
    this.#pending = null;
    this.#identify = null;
    this.#state = 'lingering';
    exchange.status = CAUSES[refusal.cause].status;
    exchange.bytesIn += answer.length;
    this.wire.write(answer);
    exchange.finish(refusal.cause);
    this.#lingering = new Lingering(this.#arrival, this.#context.limits.responseIdleMs);
  }

  #refusalText(refusal: SocksRefusal): string {
    if (this.#state === 'greeting') return methodAnswer(null);
    return this.#state === 'authentication' ? authenticationAnswer(false) : socksReply(refusal);
  }
}
