/**
 * Connections that are not taken: each gets its answer at once, before it has asked, and a moment to read it.
 * `server.ts` calls it for whom there is no room.
 *
 * Bound: as many at a time as `caps.ts` lets stay; whoever comes beyond that gets the answer and the end with it,
 * which a reset may take from a client that has written already. Nothing is read, and nothing but the answer written.
 */
import type { Socket } from 'node:net';
import { CAUSES, type Cause } from '../src/core/cause.ts';
import type { GatewayContext } from './context.ts';
import { Deadline } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { Door } from './listeners.ts';
import { answerOf } from './respond.ts';

/** How long what a client sends is read and dropped, as a reset would take our answer from it. */
const LINGER_MS = 1_000;

/** Answers with the cause, and ends the connection. */
export function turnAway(context: GatewayContext, socket: Socket, door: Door, cause: Cause): void {
  socket.on('error', () => undefined); // it is being turned away; nobody waits for the reason
  const exchange = new Exchange(context, 'forward', '', null, `${socket.remoteAddress}:${socket.remotePort}`);
  exchange.status = CAUSES[cause].status;
  // A handshake would be work that we have no room for, and before it nothing can be said.
  const text = door.secureContext === null ? answerOf(cause, exchange, { close: true }) : '';
  exchange.bytesIn += text.length;
  exchange.finish(cause);
  if (!context.caps.turnAway()) return void socket.end(text, 'latin1', () => socket.destroy());
  const deadline = new Deadline(context.deadlines, () => socket.destroy());
  deadline.arm(LINGER_MS);
  socket.once('close', () => {
    context.caps.turnedAway();
    deadline.release();
  });
  socket.resume().end(text, 'latin1');
}
