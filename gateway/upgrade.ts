/**
 * One upgrade (RFC 9110 section 7.8): a plain request whose client wants to go on
 * in another protocol, WebSocket, on the same connection.
 *
 *   asked ─▶ 101 ─▶ joined (`joined-pair.ts`) ─▶ finished
 *     └── any other final answer: an ordinary response, `forward.ts` goes on alone
 *
 * No client octet behind the head goes upstream before the 101 (P9). From the asking
 * on it can be cut as a tunnel can: a session revoked meanwhile is not joined.
 */
import type { Cause } from '../src/core/cause.ts';
import type { OnRevokeName, Route } from '../src/core/model.ts';
import type { Cuttable, GatewayContext } from './context.ts';
import type { UpstreamConnection } from './dial.ts';
import type { Exchange } from './exchange.ts';
import { JoinedPair, type PairedClient } from './joined-pair.ts';

/** What an upgrade needs of the client's connection. */
export interface UpgradeClient extends PairedClient {
  /** Stops reading the socket; answers the octets that came behind the head, or null. */
  handOver(): Buffer | null;
}

export class Upgrade implements Cuttable {
  readonly #context: GatewayContext;
  readonly #client: UpgradeClient;
  readonly #exchange: Exchange;
  readonly #refuse: (cause: Cause) => void;
  #pair: JoinedPair | null = null;

  /** `refuse` ends the request before its answer; nothing of an upgrade is left to release then but by its caller. */
  constructor(context: GatewayContext, client: UpgradeClient, exchange: Exchange, refuse: (cause: Cause) => void) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
    this.#refuse = refuse;
    context.addTunnel(exchange.route!, this);
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

  cut(cause: 'revoked' | 'draining'): void {
    if (this.#pair !== null) this.#pair.cut(cause);
    else this.#refuse(cause === 'revoked' ? 'session_unavailable' : 'draining');
  }

  /** The upstream agrees: `answer` is the 101 for the client, `first` what came behind it. */
  join(connection: UpstreamConnection, answer: string, first: Buffer | null): void {
    this.#pair = new JoinedPair(this.#context, this.#exchange, this.#client, connection, () => this.release());
    this.#pair.join({ answer, toClient: first, toUpstream: this.#client.handOver() });
  }

  /** The client's socket is gone, after they were joined. */
  clientClosed(): void {
    this.#pair!.clientClosed();
  }

  /** The exchange moved to another route, from this one. */
  follow(left: Route): void {
    this.#context.removeTunnel(left, this);
    this.#context.addTunnel(this.#exchange.route!, this);
  }

  /** It ended, or came to nothing. */
  release(): void {
    this.#context.removeTunnel(this.#exchange.route!, this);
  }
}
