/**
 * The doors of the gateway: one server socket for each address listened on, and
 * what is particular to who comes in there. `server.ts` opens and closes them; every
 * accepted socket is its, from the tick it exists.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../src/core/log.ts';

/** Where to listen, and how clients are treated that come in there. */
export interface Entrance {
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
}

const BACKLOG = 4_096;

export class Listeners {
  readonly #log: Logger;
  readonly #servers: Server[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Opens one; answers the port and the URL it has. Rejects when it cannot listen there. */
  async open(entrance: Entrance, accept: (socket: Socket) => void): Promise<{ port: number; url: string }> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, accept);
    server.on('error', (error) => this.#log.warn({ error: error.message }, 'listener'));
    await listenOn(server, entrance);
    this.#servers.push(server);
    const { port, family } = server.address() as AddressInfo;
    return { port, url: `http://${family === 'IPv6' ? `[${entrance.host}]` : entrance.host}:${port}` };
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
