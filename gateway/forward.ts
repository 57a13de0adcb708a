/**
 * One plain HTTP request, relayed: client → upstream → client.
 *
 *   start ─▶ dial (tunnelled routes: up to the target) ─▶ send head ─▶ body ⇄ reply ─▶ done
 *     └─ idle connection of the same route ──────────────▲                     └─ 101 that was asked for: `upgrade.ts`
 *   failed before an answer, and may be sent again ─▶ start, over the next session (`attempt.ts`)
 *
 * Writes what it sends from checked parts, copies only end-to-end header lines
 * and body octets. Each direction stops reading while the other side's buffer
 * is full (E24). Until the first octet of a reply, a failure is answered; after
 * that it is a cut that the client can see, never a second answer (E18).
 */
import type { Cause } from '../src/core/cause.ts';
import type { Route } from '../src/core/model.ts';
import { isIdempotent, moveOn, openBy } from './attempt.ts';
import { BodyLimit } from './body-limit.ts';
import type { GatewayContext } from './context.ts';
import type { EchoWatch } from './credential-echo.ts';
import { NOBODY, UpstreamConnection, type UpstreamOwner } from './dial.ts';
import type { Exchange } from './exchange.ts';
import { BodyReader } from './http1/framing.ts';
import { ReplyMemo } from './http1/head-memo.ts';
import { parseReplyHead, type ReplyHead } from './http1/reply-head.ts';
import type { RequestHead } from './http1/request-head.ts';
import { authorityOf } from './http1/target.ts';
import { forwardedHead, interimHead, replyHead, switchingHead } from './http1/write-head.ts';
import { identityLines } from './respond.ts';
import { Upgrade, type UpgradeClient } from './upgrade.ts';

/** What a relayed request needs of the client's connection. */
export interface ForwardClient extends UpgradeClient {
  /** The upstream takes body octets now: hand over what came, and go on reading. */
  takeBody(): void;
  /** Answers with a cause; nothing of a response was sent yet. `reusable`: the request is whole and asked to go on. */
  refuse(exchange: Exchange, cause: Cause, reusable: boolean): void;
  /** The response is complete; `keepAlive`: the connection may carry another request. */
  finished(keepAlive: boolean): void;
}

/** A reply head and its first body octets leave in one write up to this size; beyond, copying costs more. */
const JOIN_BYTES = 16_384;

export class Forward implements UpstreamOwner {
  readonly #context: GatewayContext;
  readonly #client: ForwardClient;
  readonly #head: RequestHead;
  readonly #exchange: Exchange;
  readonly #body: BodyReader;
  readonly #limit: BodyLimit | null;
  /** It may be sent again when it was sent already. */
  readonly #repeatable: boolean;
  #connection: UpstreamConnection | null = null;
  #reused = false;
  #sent = false;
  #bodyDone: boolean;
  #done = false;
  #pending: Buffer | null = null;
  #interim = 0;
  #reply: ReplyHead | null = null;
  #replyBody: BodyReader | null = null;
  /** Reply head not written yet: it leaves with the first body octets. */
  #replyText: string | null = null;
  #keepClient = false;
  /** While it may become one, and when it has. */
  #upgrade: Upgrade | null = null;
  /** Looks through the body of an error. */
  #echoWatch: EchoWatch | null = null;

  constructor(context: GatewayContext, client: ForwardClient, head: RequestHead, exchange: Exchange) {
    this.#context = context;
    this.#client = client;
    this.#head = head;
    this.#exchange = exchange;
    this.#body = new BodyReader(head.body);
    this.#limit = head.body === 'chunked' ? new BodyLimit(context.limits.maxBodyBytes) : null;
    this.#bodyDone = head.body === 0;
    this.#repeatable = head.body === 0 && isIdempotent(head.method);
  }

  get #route(): Route {
    return this.#exchange.route!;
  }

  /** Whether octets from the client still belong to this request's body. */
  get bodyDone(): boolean {
    return this.#bodyDone;
  }

  /**
   * Whether the client's connection may carry another request. Not behind an upgrade that was not granted: what comes
   * there may be meant in another protocol, and is read by nobody.
   */
  get #goesOn(): boolean {
    return this.#head.keepAlive && this.#head.upgrade === null;
  }

  /** Whether what the client sends behind its request may come to be the first octets of another protocol. */
  get mayUpgrade(): boolean {
    return this.#upgrade !== null;
  }

  start(): void {
    if (this.#head.upgrade !== null) {
      this.#upgrade = new Upgrade(this.#context, this.#client, this.#exchange, (cause) => this.#fail(cause));
    }
    this.#attempt();
  }

  /** Begins an attempt over the exchange's route. */
  #attempt(): void {
    const { target } = this.#head;
    const tunnelTo = this.#route.tunnelled ? authorityOf(target.host, target.port) : null;
    const kept = this.#context.upstreams.take(this.#route, tunnelTo, this.#repeatable);
    if (kept === null) return this.#dial();
    this.#reused = true;
    this.#connection = kept;
    kept.owner = this;
    this.#send(kept);
  }

  /**
   * Reads body octets; answers how many were taken, and those are gone from `octets`.
   * 0 before the upstream is open: the caller holds them.
   */
  onBody(octets: Buffer): number {
    if (!this.#sent || this.#bodyDone) return 0;
    const connection = this.#connection!;
    const { length } = octets;
    if (this.#limit?.exceededBy(octets)) {
      this.#fail('body_too_large');
      return length;
    }
    const event = this.#body.read(octets, (piece) => {
      this.#exchange.bytesOut += piece.length;
      if (!this.#client.wire.pass(piece, connection.wire)) this.#client.wire.pause();
    });
    if (event === 'malformed') {
      this.#fail('bad_request');
      return length;
    }
    if (event === 'done') {
      this.#bodyDone = true;
      this.#client.wire.resume();
    }
    if (this.#reply === null) connection.arm(this.#context.limits.firstByteTimeoutMs, 'first_byte_timeout');
    return this.#body.consumed;
  }

  /** The client's kernel buffer has room again. */
  onClientDrain(): void {
    this.#connection?.wire.resume();
  }

  /** The client is gone, its body came to a stop, or we failed: nothing of this request is completed upstream. */
  abort(cause: Cause): void {
    this.#fail(cause);
  }

  /** The client's wire, which was handed over, is gone. */
  clientClosed(): void {
    this.#upgrade!.clientClosed();
  }

  onConnected(): void {
    this.#exchange.dialled();
  }

  onHandshake(octets: number): void {
    this.#exchange.bytesOut += octets;
  }

  onOpen(connection: UpstreamConnection, early: Buffer | null): void {
    this.#exchange.endDial();
    // A target that talks before it is asked does not speak HTTP.
    if (early !== null) return this.#fail('upstream_protocol');
    this.#send(connection);
  }

  onData(chunk: Buffer, connection: UpstreamConnection): void {
    if (this.#exchange.firstByteAt === -1) this.#exchange.firstByte();
    // Until the head is whole the first-byte deadline goes on, so that a head that dribbles in is bounded too (U26).
    if (this.#replyBody === null) return this.#readHead(chunk, connection);
    connection.arm(this.#context.limits.responseIdleMs, 'idle_timeout');
    this.#relay(chunk, connection);
  }

  onDrain(): void {
    if (!this.#bodyDone) this.#client.takeBody();
  }

  onEnd(connection: UpstreamConnection): void {
    if (this.#reply?.body === 'close') return this.#complete(connection, 0);
    connection.fail(this.#reply === null ? 'upstream_reset' : 'response_truncated');
  }

  onClosed(cause: Cause): void {
    if (this.#done) return;
    if (this.#reused && this.#repeatable && this.#exchange.firstByteAt === -1 && cause === 'upstream_reset') {
      // The upstream closed a kept connection just as we wrote to it: once more, on one of its own.
      this.#reused = false;
      this.#sent = false;
      return this.#dial();
    }
    this.#fail(this.#reply !== null && cause !== 'idle_timeout' ? 'response_truncated' : cause);
  }

  #dial(): void {
    const full = this.#exchange.beginDial();
    // Told in a turn of its own, as every failed dial is: whoever asks in a pipeline is not answered from within.
    if (full !== null) return void setImmediate(() => this.#fail(full));
    const through = this.#route.tunnelled ? this.#head.target : null;
    this.#connection = new UpstreamConnection(this.#context, this.#route, through, this, openBy(this.#exchange));
  }

  #send(connection: UpstreamConnection): void {
    const exchange = this.#exchange;
    const { limits, clock } = this.#context;
    const inTunnel = connection.tunnelTo !== null;
    const authorization = inTunnel ? null : this.#route.authorization;
    const text = forwardedHead(this.#head, authorization, inTunnel, this.#viaLine(this.#head.minor));
    exchange.stage = 'wait';
    exchange.sentAt = clock.monotonicMs();
    exchange.bytesOut += text.length;
    this.#sent = true;
    connection.wire.write(text);
    connection.arm(limits.firstByteTimeoutMs, 'first_byte_timeout');
    if (!this.#bodyDone) this.#client.takeBody();
  }

  #readHead(chunk: Buffer, connection: UpstreamConnection): void {
    const { limits } = this.#context;
    const searched = this.#pending?.length ?? 0;
    let buffer = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    let from = searched;
    for (;;) {
      connection.replies ??= new ReplyMemo();
      const { replies } = connection;
      const reply = parseReplyHead(buffer, from, this.#head.method, limits, replies);
      if (reply === 'malformed') return this.#fail('upstream_protocol');
      if (reply === null) {
        this.#pending = connection.wire.keep(buffer);
        return;
      }
      // A connection has one route: what was harmless there is so again.
      if (!replies.knowsHarmless(reply)) {
        if (this.#context.credentialEcho.isIn(this.#route, reply)) return this.#fail('upstream_protocol');
        replies.foundHarmless(reply);
      }
      const rest = reply.size === buffer.length ? null : connection.wire.behind(buffer, reply.size);
      if (reply.status >= 200) return this.#onReply(reply, rest, connection);
      if (reply.upgrade !== null && reply.upgrade === this.#head.upgrade) return this.#switch(reply, rest, connection);
      if (!this.#relayInterim(reply)) return this.#fail('upstream_protocol');
      if (rest === null) return;
      buffer = rest;
      from = 0;
    }
  }

  /** A 101 with the protocol that was asked for: from here on both sides talk past us. */
  #switch(reply: ReplyHead, first: Buffer | null, connection: UpstreamConnection): void {
    this.#done = true;
    this.#exchange.served();
    this.#exchange.status = reply.status;
    this.#exchange.countOverhead();
    this.#upgrade!.join(connection, switchingHead(reply, reply.upgrade!, this.#ownLines(reply)), first);
  }

  #viaLine(minor: number): string {
    return this.#exchange.policy.via ? this.#context.via.line(minor) : '';
  }

  /** What we add to a response. */
  #ownLines({ minor }: ReplyHead): string {
    const identity = this.#exchange.policy.quiet ? '' : identityLines(this.#exchange, null);
    return this.#viaLine(minor) + identity;
  }

  /** RFC 9110 section 15.2: 1xx goes to clients that know it; 100 only to one that asked; another 101 to none. */
  #relayInterim(reply: ReplyHead): boolean {
    if (reply.status === 101 || ++this.#interim > this.#context.limits.maxInterimResponses) return false;
    const wanted = this.#head.minor === 1 && (reply.status !== 100 || this.#head.expectContinue);
    if (!wanted) return true;
    const text = interimHead(reply, this.#viaLine(reply.minor));
    this.#exchange.bytesIn += text.length;
    this.#client.wire.write(text);
    return true;
  }

  #onReply(reply: ReplyHead, rest: Buffer | null, connection: UpstreamConnection): void {
    // Through a tunnel it is the target that asks: the session's credentials have nothing to do with it.
    if (reply.status === 407)
      return this.#fail(connection.tunnelTo === null ? 'upstream_auth_failed' : 'upstream_denied_target');
    this.#exchange.served();
    this.#upgrade?.release();
    this.#upgrade = null;
    if (reply.status >= 400) this.#echoWatch = this.#context.credentialEcho.watch(this.#route);
    const { minor } = this.#head;
    const exchange = this.#exchange;
    this.#reply = reply;
    connection.arm(this.#context.limits.responseIdleMs, 'idle_timeout');
    exchange.status = reply.status;
    // An HTTP/1.0 client knows no chunks: it gets bare data up to the end of the connection.
    const decode = minor === 0 && reply.body === 'chunked';
    this.#keepClient =
      this.#goesOn && this.#bodyDone && this.#context.keepsClients && reply.body !== 'close' && !decode;
    this.#replyBody = new BodyReader(reply.body, !decode);
    this.#replyText = replyHead(reply, this.#ownLines(reply), {
      minor,
      decode,
      keepAlive: this.#keepClient,
      head: this.#head.method === 'HEAD',
    });
    exchange.countOverhead();
    if (this.#replyBody.done) {
      this.#flushHead();
      return this.#complete(connection, rest?.length ?? 0);
    }
    if (rest !== null) this.#relay(rest, connection);
    else this.#flushHead();
  }

  #relay(octets: Buffer, connection: UpstreamConnection): void {
    if (this.#echoWatch?.sees(octets)) return this.#fail('upstream_protocol');
    const body = this.#replyBody!;
    // A chunk that is written may be freed, and has no length then.
    const { length } = octets;
    const event = body.read(octets, (piece) => this.#toClient(piece, connection));
    this.#flushHead();
    if (event === 'malformed') return this.#fail('response_truncated');
    if (event === 'done') this.#complete(connection, length - body.consumed);
  }

  #toClient(piece: Buffer, connection: UpstreamConnection): void {
    const { wire } = this.#client;
    const text = this.#replyText;
    const joins = text !== null && text.length + piece.length <= JOIN_BYTES;
    if (joins) {
      this.#replyText = null;
      this.#exchange.bytesIn += text.length;
    } else this.#flushHead();
    this.#exchange.bytesIn += piece.length;
    const flows = joins ? wire.join(text, piece) : connection.wire.pass(piece, wire);
    if (!flows) connection.wire.pause();
  }

  #flushHead(): void {
    if (this.#replyText === null) return;
    this.#exchange.bytesIn += this.#replyText.length;
    this.#client.wire.write(this.#replyText);
    this.#replyText = null;
  }

  /** `surplus`: octets that came behind the response; such a connection is never used again. */
  #complete(connection: UpstreamConnection, surplus: number): void {
    if (this.#done) return;
    this.#done = true;
    connection.disarm();
    if (this.#reply!.keepAlive && this.#bodyDone && surplus === 0) {
      connection.wire.resume();
      this.#context.upstreams.give(connection);
    } else connection.discard();
    this.#exchange.finish(null);
    this.#client.finished(this.#keepClient);
  }

  /** Goes on over the next session, if nothing of an answer was passed on, and nothing was sent that may not be again. */
  #move(cause: Cause): boolean {
    const mayMove = this.#reply === null && this.#interim === 0 && (!this.#sent || this.#repeatable);
    if (!mayMove || !moveOn(this.#context, this.#exchange, cause)) return false;
    this.#connection?.discard();
    this.#connection = null;
    this.#reused = false;
    this.#sent = false;
    this.#pending = null;
    this.#upgrade?.follow();
    this.#attempt();
    return true;
  }

  #fail(cause: Cause): void {
    if (this.#done || this.#move(cause)) return;
    this.#done = true;
    this.#upgrade?.release();
    const exchange = this.#exchange;
    // An upstream that waits for more of a body sees a reset, not an end that it might take for one (E6).
    if (this.#sent && !this.#bodyDone) {
      this.#connection!.owner = NOBODY;
      this.#connection!.wire.reset();
    } else this.#connection?.discard();
    if (cause === 'client_gone') {
      exchange.finish(cause);
    } else if (this.#reply === null || this.#replyText !== null) {
      this.#client.refuse(exchange, cause, this.#bodyDone && this.#goesOn);
    } else {
      exchange.finish(cause);
      this.#client.cut();
    }
  }
}
