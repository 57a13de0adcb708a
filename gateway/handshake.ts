/**
 * What stands between a connected upstream and an open tunnel through it: our
 * CONNECT and its reply, or a SOCKS negotiation. `dial.ts` drives one; octets in,
 * a verdict out, and what is to be written through the sink.
 *
 *   begin ──▶ (send ⇄ read)… ──▶ 'open' | the cause of a refusal
 */
import type { Cause } from '../src/core/cause.ts';
import type { Destination } from '../src/core/destinations.ts';
import type { Route } from '../src/core/model.ts';
import { ConnectReply } from './connect-reply.ts';
import type { GatewayContext } from './context.ts';
import { Socks4Dial } from './socks4-dial.ts';
import { Socks5Dial } from './socks5-dial.ts';
import { locateHere } from './target-address.ts';

/** Where a handshake writes, and where it fails when that is not an answer's doing. */
export interface HandshakeSink {
  /** Latin1 text, one character an octet. */
  send(octets: string): void;
  fail(cause: Cause): void;
}

export interface Handshake {
  /** After 'open': octets that came behind it, lent, the first of the tunnel; null for none. */
  readonly rest: Buffer | null;
  /** The cause when the connection ends in the middle of it. */
  readonly unanswered: Cause;
  /** The connection is up. Called once. */
  begin(sink: HandshakeSink): void;
  /** 'open', the cause of a refusal, or null while more is needed. Not called after a verdict. What it reads is lent to it. */
  read(octets: Buffer): 'open' | Cause | null;
}

/** The handshake that this route's upstream needs to reach `target`. */
export function startHandshake(context: GatewayContext, route: Route, target: Destination): Handshake {
  const { scheme, credentials } = route;
  switch (scheme) {
    case 'http':
    case 'https':
      return new ConnectReply(context.limits, context.connectReplies, route, target);
    case 'socks4':
      return new Socks4Dial(locateHere(context, route, target, true), credentials?.username ?? '');
    case 'socks4a':
      return new Socks4Dial((done) => done(target), credentials?.username ?? '');
    case 'socks5':
      return new Socks5Dial(locateHere(context, route, target, false), credentials);
    case 'socks5h':
      return new Socks5Dial((done) => done(target), credentials);
  }
}
