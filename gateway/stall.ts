/**
 * A socket that we do not read, because the other side takes no more, tells us
 * nothing: Node takes it out of what it polls, and neither a reset nor an end is
 * seen until it is read again. Whoever leaves a socket paused looks at it here
 * every `STALL_LOOK_MS`, on the deadline that it has anyway.
 *
 * What is noticed is a reset: the peer is gone, and so is what it sent. An end stands
 * behind octets that are not read yet: it may well be that of a whole message, and
 * is found when its turn comes, within the deadlines of whoever takes no more.
 */
import type { Socket } from 'node:net';

/** With two ticks of the wheel of deadlines: within a second. */
export const STALL_LOOK_MS = 800;

const NO_OCTETS = Buffer.alloc(0);

/**
 * Closes a paused socket, with its error, if its peer has reset the connection. The kernel refuses even a write of
 * nothing on such a socket; on any other it does nothing, on the wire neither. `carrier`: the TCP socket, which is
 * another one where there is TLS, as TLS keeps a write of nothing to itself.
 */
export function lookAtStalled(socket: Socket, carrier: Socket): void {
  // With octets to be written Node polls the socket anyway; after our end nothing can be written.
  const mayWrite = socket.writable && carrier.writable && socket.writableLength + carrier.writableLength === 0;
  if (mayWrite && socket.isPaused()) carrier.write(NO_OCTETS);
}
