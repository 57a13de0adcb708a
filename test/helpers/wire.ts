/**
 * Raw parties: an upstream that records every octet of every connection and
 * answers as a test says, and a client that writes octets and collects what
 * comes back. Nothing here parses HTTP on the gateway's behalf.
 */
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
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    const recorded: Recorded = { socket, text: '' };
    connections.push(recorded);
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      recorded.text += chunk.toString('latin1');
      behaviour(recorded, chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    received: () => connections.map(({ text }) => text).join(''),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { socket } of connections) socket.destroy();
      }),
  };
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

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
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
    while (!done(this)) {
      if (this.closed || (this.ended && !done(this))) break;
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
