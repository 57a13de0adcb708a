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
import type { OnRevokeName } from '../src/core/model.ts';
import type { GatewayContext } from './context.ts';
import type { UpstreamConnection } from './dial.ts';
import type { Exchange } from './exchange.ts';
import { JoinedPair, type PairedClient, type PairOwner } from './joined-pair.ts';
import type { Cuttable, TunnelEntry } from './tunnels.ts';

/** What an upgrade needs of the client's connection. */
export interface UpgradeClient extends PairedClient {
  /** Gives the wire away; answers the octets that came behind the head, or null. */
  handOver(): Buffer | null;
}

export class Upgrade implements Cuttable, PairOwner {
  readonly #context: GatewayContext;
  readonly #client: UpgradeClient;
  readonly #exchange: Exchange;
  readonly #refuse: (cause: Cause) => void;
  #pair: JoinedPair | null = null;
  #entry: TunnelEntry | null;

  /** `refuse` ends the request before its answer; nothing of an upgrade is left to release then but by its caller. */
  constructor(context: GatewayContext, client: UpgradeClient, exchange: Exchange, refuse: (cause: Cause) => void) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
    this.#refuse = refuse;
    this.#entry = context.tunnels.add(exchange.route!, this);
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
    this.#pair = new JoinedPair(this.#context, this.#exchange, this.#client, connection, this);
    this.#pair.join({ answer, toClient: first, toUpstream: this.#client.handOver() });
  }

  /** The client's wire is gone, after they were joined. */
  clientClosed(): void {
    this.#pair!.clientClosed();
  }

  /** The exchange moved to another route. */
  follow(): void {
    this.release();
    this.#entry = this.#context.tunnels.add(this.#exchange.route!, this);
  }

  pairOver(): void {
    this.release();
  }

  /** It ended, or came to nothing. */
  release(): void {
    if (this.#entry === null) return;
    this.#context.tunnels.remove(this.#entry);
    this.#entry = null;
  }
}
