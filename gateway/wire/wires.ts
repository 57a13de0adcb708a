/** The wires of one gateway: accepted and dialled, on handles where this runtime has them as we know them. */
import { type Server, Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { ReadMemory } from './read-memory.ts';
import { StreamWire } from './stream-wire.ts';
import { findTcpBinding } from './tcp-binding.ts';
import { TcpParts } from './tcp-parts.ts';
import { TcpWire } from './tcp-wire.ts';
import type { Wire } from './wire.ts';

export class Wires {
  readonly #parts: TcpParts | null;

  /** `onHandles` false: every wire is over a socket of Node, as where its internals are others than we know. */
  constructor(onHandles = true) {
    const binding = onHandles ? findTcpBinding() : null;
    this.#parts = binding && new TcpParts(binding, new ReadMemory());
  }

  /** Whether wires in clear do without sockets of Node. */
  get onHandles(): boolean {
    return this.#parts !== null;
  }

  /** Hands over whom a server accepts that listens; `inClear` false: there will be TLS over it, which takes a socket of Node. */
  accept(server: Server, inClear: boolean, take: (wire: Wire) => void): void {
    const parts = inClear ? this.#parts : null;
    const listener = parts?.binding.listenerOf(server) ?? null;
    if (parts === null || listener === null) {
      server.on('connection', (socket) => take(new StreamWire(socket)));
      return;
    }
    // What is accepted inherits both: Node sets them on each connection by itself.
    listener.setNoDelay(true);
    listener.setKeepAlive(true, 0);
    listener.onconnection = (status, handle) => {
      if (handle === undefined) server.emit('error', new Error(`accept ${getSystemErrorName(status)}`));
      else take(TcpWire.accepted(parts, handle));
    };
  }

  /** To a literal address, in clear; `asStream`: over a socket of Node in any case. */
  dial(address: string, port: number, asStream: boolean): Wire {
    if (this.#parts !== null && !asStream) return TcpWire.dial(this.#parts, address, port);
    return new StreamWire(newSocket().connect({ host: address, port }));
  }
}

/** A socket of Node that is to be connected. */
export function newSocket(): Socket {
  return new Socket({ allowHalfOpen: true }).setNoDelay(true);
}
