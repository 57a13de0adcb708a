/**
 * One tunnel on its way: dial the upstream up to the target, answer the client,
 * and join the two wires.
 *
 *   start ─▶ dial ─▶ joined (`joined-pair.ts`) ─▶ finished
 *             ▲  └── failed ─▶ refused: answered with a cause
 *             └─ next session ─┘ (`attempt.ts`)
 *
 * No client octet goes upstream before its 2xx (E11).
 */
import type { Cause } from '../src/core/cause.ts';
import type { OnRevokeName } from '../src/core/model.ts';
import { moveOn, openBy } from './attempt.ts';
import type { GatewayContext } from './context.ts';
import { UpstreamConnection, type UpstreamOwner } from './dial.ts';
import type { Exchange } from './exchange.ts';
import type { Target } from './http1/target.ts';
import { JoinedPair, type PairedClient, type PairOwner } from './joined-pair.ts';
import type { Cuttable, TunnelEntry } from './tunnels.ts';

/** What a tunnel needs of the client's connection. */
export interface TunnelClient extends PairedClient {
  /** Answers with a cause and ends the connection. */
  refuse(exchange: Exchange, cause: Cause, reusable: boolean): void;
  /** What tells the client that its tunnel is open: latin1 text, one character an octet. */
  established(exchange: Exchange): string;
  /** Gives the wire away; answers the octets that came behind the head (early data), or null. */
  handOver(): Buffer | null;
}

export class Tunnel implements UpstreamOwner, PairOwner, Cuttable {
  readonly #context: GatewayContext;
  readonly #client: TunnelClient;
  readonly #exchange: Exchange;
  readonly #target: Target;
  #upstream: UpstreamConnection | null = null;
  #pair: JoinedPair | null = null;
  #entry: TunnelEntry | null = null;
  #over = false;

  constructor(context: GatewayContext, client: TunnelClient, target: Target, exchange: Exchange) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
    this.#target = target;
  }

  get open(): boolean {
    return this.#pair !== null;
  }

  get onRevoke(): OnRevokeName {
    return this.#exchange.policy.onRevoke;
  }

  get keyHash(): string {
    return this.#exchange.key!.hash;
  }

  /** Begins an attempt over the exchange's route. */
  start(): void {
    const context = this.#context;
    const exchange = this.#exchange;
    const route = exchange.route!;
    this.#entry = context.tunnels.add(route, this);
    const full = exchange.beginDial();
    if (full !== null) return void setImmediate(() => this.#refuse(full));
    this.#upstream = new UpstreamConnection(context, route, this.#target, this, openBy(exchange));
  }

  cut(cause: 'revoked' | 'draining'): void {
    if (this.#pair !== null) this.#pair.cut(cause);
    else this.#refuse(cause === 'revoked' ? 'session_unavailable' : 'draining');
  }

  /** Nothing comes of it; only before it is open. */
  abort(cause: Cause): void {
    this.#refuse(cause);
  }

  /** The client's wire is gone; before the tunnel is open that cancels the attempt (K22). */
  clientClosed(): void {
    if (this.#pair !== null) return this.#pair.clientClosed();
    if (this.#over) return;
    this.#over = true;
    this.#upstream?.discard();
    this.#release();
    this.#exchange.finish('client_gone');
  }

  onConnected(): void {
    const exchange = this.#exchange;
    exchange.dialled();
    exchange.stage = 'wait';
    exchange.sentAt = this.#context.clock.monotonicMs();
  }

  onHandshake(octets: number): void {
    this.#exchange.bytesOut += octets;
  }

  /** `early`: what the target said already. */
  onOpen(connection: UpstreamConnection, early: Buffer | null): void {
    const exchange = this.#exchange;
    const client = this.#client;
    exchange.endDial();
    exchange.served();
    exchange.firstByteAt = this.#context.clock.monotonicMs();
    exchange.status = 200;
    this.#pair = new JoinedPair(this.#context, exchange, client, connection, this);
    const toUpstream = client.handOver();
    this.#pair.join({ answer: client.established(exchange), toClient: early, toUpstream });
    // All the rest of the time until here was the upstream's.
    exchange.countTunnelOverhead();
  }

  onData(): void {}

  onDrain(): void {}

  onEnd(connection: UpstreamConnection): void {
    connection.fail('upstream_reset');
  }

  onClosed(cause: Cause): void {
    this.#refuse(cause);
  }

  pairOver(): void {
    this.#release();
  }

  #refuse(cause: Cause): void {
    if (this.#over) return;
    this.#upstream?.discard();
    this.#upstream = null;
    this.#release();
    if (moveOn(this.#context, this.#exchange, cause)) return this.start();
    this.#over = true;
    this.#client.refuse(this.#exchange, cause, false);
  }

  #release(): void {
    if (this.#entry === null) return;
    this.#context.tunnels.remove(this.#entry);
    this.#entry = null;
  }
}
