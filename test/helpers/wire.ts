/**
 * Raw parties: an upstream that records every octet of every connection and
 * answers as a test says, and a client that writes octets and collects what
 * comes back. Nothing here parses HTTP on the gateway's behalf.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** One connection that the upstream accepted. */
export interface Recorded {
  readonly socket: Socket;
  /** Everything received so far, as latin1 text. */
  text: string;
}

export interface RecordingUpstream {
  readonly port: number;
  readonly connections: Recorded[];
  /** All octets of all connections, in order of connection. */
  received(): string;
  /** Forgets what was received so far, and connections that are over. */
  reset(): void;
  /** Answers in another way from now on. */
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

/** Called with each chunk; `recorded.text` has it already. */
export type Behaviour = (recorded: Recorded, chunk: Buffer) => void;

/** Answers every head that is complete with a fixed 200 and keeps the connection. */
export const answerOk: Behaviour = ({ socket, text }) => {
  if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
};

export async function startRecordingUpstream(behaviour: Behaviour = answerOk): Promise<RecordingUpstream> {
  const connections: Recorded[] = [];
  const sockets = new Set<Socket>();
  let current = behaviour;
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const recorded: Recorded = { socket, text: '' };
    connections.push(recorded);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      recorded.text += chunk.toString('latin1');
      current(recorded, chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    received: () => connections.map(({ text }) => text).join(''),
    reset() {
      connections.splice(0, connections.length, ...connections.filter(({ socket }) => sockets.has(socket)));
      for (const recorded of connections) recorded.text = '';
    },
    behave(next) {
      current = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Answers each complete request head with these octets, and then does what `after` says. */
export function answering(octets: string, after: (socket: Socket) => void = () => undefined): Behaviour {
  return ({ socket, text }) => {
    if (!text.endsWith('\r\n\r\n')) return;
    socket.write(Buffer.from(octets, 'latin1'));
    after(socket);
  };
}

/** Opens a tunnel for every CONNECT and sends back what comes through it. */
export const echoTunnel: Behaviour = (recorded, chunk) => {
  const { socket, text } = recorded;
  const head = text.indexOf('\r\n\r\n') + 4;
  if (head < 4) return;
  const before = text.length - chunk.length;
  if (before < head) socket.write('HTTP/1.1 200 OK\r\n\r\n');
  const data = chunk.subarray(Math.max(0, head - before));
  if (data.length > 0) socket.write(data);
};

/** Some turns of the event loop: whatever was under way between sockets of this process has arrived. */
export async function turns(n = 4): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Listens on this port of the loopback; rejects where it is taken. */
async function listenOn(server: Server, port: number): Promise<number> {
  const listening = once(server, 'listening');
  server.listen(port, '127.0.0.1');
  await listening;
  return port;
}

/**
 * Listens where a server can close and come back: below the ports that systems give to outgoing
 * connections (Linux from 32768, IANA from 49152), one of which would hold a port of theirs for
 * a minute after its end. Answers the port.
 */
export async function listenToComeBack(server: Server, port: number | null): Promise<number> {
  if (port !== null) return listenOn(server, port);
  for (let tries = 0; tries < 100; tries++) {
    try {
      return await listenOn(server, 15_000 + randomInt(15_000));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  throw new Error('no port was free in 100 tries');
}

/** Waits until `holds`; rejects with `what` after `ms`. */
export async function eventually(what: string, holds: () => boolean, ms = 5_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Writes `octets` in two pieces that the other side reads apart: [0, at) and [at, end). */
export async function sendSplit(socket: Socket, octets: Buffer, at: number): Promise<void> {
  await new Promise<void>((resolve) => socket.write(octets.subarray(0, at), () => resolve()));
  await turns(2);
  if (!socket.destroyed) socket.write(octets.subarray(at));
}

/** Every offset at which `octets` can be cut in two. */
export function everySplit(octets: Buffer): number[] {
  return Array.from({ length: octets.length - 1 }, (_, i) => i + 1);
}

/** Connects, sends these octets, and answers all that comes up to the end of the connection. */
export async function converse(port: number, octets: string | Buffer, ms?: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  await client.send(octets).untilEnd(ms);
  client.close();
  return client;
}

export class RawClient {
  readonly socket: Socket;
  /** Everything received so far, as latin1 text. */
  text = '';
  ended = false;
  closed = false;
  failed = false;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {
      this.failed = true;
    });
    socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Speaks through a socket that is connected already, such as one with TLS. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  /** `localAddress`: which of the many that loopback has. */
  static async connect(port: number, localAddress = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true, noDelay: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return client;
  }

  send(text: string | Buffer): this {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    return this;
  }

  /** Waits until `done` holds for what has come, or the connection is over; rejects after `ms`. */
  async until(done: (client: this) => boolean, ms = 5_000): Promise<string> {
    const deadline = Date.now() + ms;
    while (!done(this) && !this.closed && !this.ended) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => {
            this.#waiting.delete(wake);
            reject(new Error(`nothing more came; so far: ${JSON.stringify(this.text.slice(0, 400))}`));
          },
          Math.max(0, deadline - Date.now()),
        );
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.text;
  }

  /** Everything up to the end of the connection. */
  untilEnd(ms?: number): Promise<string> {
    return this.until((client) => client.ended || client.closed, ms);
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
