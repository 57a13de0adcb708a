/**
 * Ends a connection with a reset, so that the other side sees a failure and
 * never an end that it might take for a good one. The only way this gateway resets
 * a socket: `resetAndDestroy` alone has two holes.
 *
 * - While the socket's own shutdown is under way libuv refuses to reset (EINVAL), and Node
 *   then drops the handle: no 'close' comes, and the descriptor stays.
 * - On a TLS socket it throws, as only the TCP socket beneath can be reset.
 */
import type { Socket } from 'node:net';

/** Resets a TCP socket; its 'close' follows, after its shutdown if that is under way. */
export function reset(socket: Socket): void {
  if (shutsDown(socket)) socket.once('finish', () => void socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

/**
 * Resets a TLS socket by the TCP socket that carries it. While its farewell is on the way nothing but destroying it is
 * left; once that is out, the peer may be told that we read no more.
 */
export function resetTls(socket: Socket, carrier: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else reset(carrier);
}

/** Ended, with nothing left to write: the shutdown is all that it waits for, and takes a turn of the event loop. */
function shutsDown(socket: Socket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0 && !socket.destroyed;
}
