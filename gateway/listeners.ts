/**
 * The doors of the gateway: one server socket for each address listened on, and
 * what is particular to who comes in there. `server.ts` opens and closes them; every
 * accepted connection is its, from the tick it exists.
 */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Entrance, ErrorStatus } from '../src/core/entrance.ts';
import type { Logger } from '../src/core/log.ts';
import { type BindingOf, compileBinding } from './bindings.ts';
import type { Wire } from './wire/wire.ts';
import type { Wires } from './wire/wires.ts';

/** An entrance that is open: how clients are treated that come in there. */
export interface Door {
  /** null: clients speak in clear. */
  readonly secureContext: SecureContext | null;
  readonly errorStatus: ErrorStatus;
  /** Who a client is that does not say so itself; null where nobody is bound. */
  readonly bindingOf: BindingOf | null;
}

const BACKLOG = 4_096;

export class Listeners {
  readonly #log: Logger;
  readonly #wires: Wires;
  readonly #ranges: BindingOf | null;
  readonly #servers: Server[] = [];

  /** `ranges`: who clients are by their address, on whichever listener; null where nobody is bound so. */
  constructor(log: Logger, wires: Wires, ranges: BindingOf | null) {
    this.#log = log;
    this.#wires = wires;
    this.#ranges = ranges;
  }

  /** Opens one; answers the port and the URL it has. Rejects when it cannot listen there. */
  async open(entrance: Entrance, accept: (wire: Wire, door: Door) => void): Promise<{ port: number; url: string }> {
    const { host, tls, errorStatus, binding } = entrance;
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    server.on('error', (error) => this.#log.warn({ error: error.message }, 'listener'));
    const secureContext = tls === null ? null : createSecureContext({ ...tls, minVersion: 'TLSv1.2' });
    await listenOn(server, entrance);
    this.#servers.push(server);
    const { port } = server.address() as AddressInfo;
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const door: Door = { secureContext, errorStatus, bindingOf: compileBinding(binding, place, this.#ranges) };
    // Nobody is accepted before this turn is over.
    this.#wires.accept(server, tls === null, (wire) => accept(wire, door));
    return { port, url: `${tls === null ? 'http' : 'https'}://${place}` };
  }

  /** Accepts nobody any more; who is connected stays. */
  close(): void {
    for (const server of this.#servers) server.close();
    this.#servers.length = 0;
  }
}

function listenOn(server: Server, { host, port }: Entrance): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
