/**
 * The parties of a catalogue run: an upstream that records each connection and
 * answers as soon as it has one of the requests that it was told of, and clients
 * that say their octets in given pieces, many at a time.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { turns } from '../../helpers/wire.ts';

/** What one connection of the gateway brought. */
export interface Record {
  text: string;
  /** It was ended by a reset. */
  broken: boolean;
  closed: boolean;
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';

export class CatalogueUpstream {
  records: Record[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #expected: readonly string[] = [];
  #reply: string | null = OK;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => this.#serve(socket));
  }

  static async start(): Promise<CatalogueUpstream> {
    const server = createServer({ noDelay: true });
    const upstream = new CatalogueUpstream(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4_096, resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Forgets its records, and answers these requests from now on; whatever else comes is answered at once, to be seen.
   * A reply of null: nothing is answered.
   */
  expect(requests: readonly string[], reply: string | null): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.records = [];
    this.#expected = requests;
    this.#reply = reply;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    const record: Record = { text: '', broken: false, closed: false };
    this.records.push(record);
    this.#sockets.add(socket);
    let answered = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      record.broken ||= error.code === 'ECONNRESET';
    });
    socket.on('close', () => {
      record.closed = true;
      this.#sockets.delete(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      const before = record.text.length;
      record.text += chunk.toString('latin1');
      if (answered) {
        if (this.#reply?.startsWith('HTTP/1.1 2') && record.text.startsWith('CONNECT ')) socket.write(chunk);
        return;
      }
      const end = this.#answerAt(record.text);
      if (end === -1 || this.#reply === null) return;
      answered = true;
      socket.write(
        record.text.startsWith('CONNECT ') && this.#reply === OK ? 'HTTP/1.1 200 OK\r\n\r\n' : this.#reply,
        'latin1',
      );
      if (record.text.startsWith('CONNECT ') && record.text.length > end) socket.write(chunk.subarray(end - before));
    });
  }

  /** How many octets of a request are there when it is to be answered; -1: not yet. */
  #answerAt(text: string): number {
    for (const request of this.#expected) {
      const enough = request.startsWith('CONNECT ') ? request.indexOf('\r\n\r\n') + 4 : request.length;
      if (request.startsWith(text.slice(0, enough))) return text.length < enough ? -1 : enough;
    }
    return text.length;
  }
}

/** What came back to a client. */
export interface Outcome {
  text: string;
  ended: boolean;
  reset: boolean;
  /** Octets sent when it was over. */
  sent: number;
}

const PATIENCE_MS = 4_000;
const LOOPBACKS = 60_000;

/** Talks to the gateway as many clients at once, each from an address of its own. */
export class Clients {
  readonly #port: number;
  #next = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /**
   * One conversation for each list of pieces, all at once: every piece is read before the next is sent. Each is over
   * when `over` says so of what came back, or with the connection.
   */
  async converse(lists: readonly (readonly Buffer[])[], over: (outcome: Outcome) => boolean): Promise<Outcome[]> {
    const clients = await Promise.all(lists.map(() => this.#connect(over)));
    await turns(3);
    const most = Math.max(...lists.map((pieces) => pieces.length));
    for (let i = 0; i < most; i++) {
      for (const [at, pieces] of lists.entries()) {
        const { socket } = clients[at]!;
        if (i < pieces.length && !socket.destroyed) socket.write(pieces[i]!);
      }
      if (i + 1 < most) await turns(2);
    }
    return Promise.all(clients.map((client) => client.done));
  }

  async #connect(over: (outcome: Outcome) => boolean): Promise<{ socket: Socket; done: Promise<Outcome> }> {
    const n = this.#next++ % LOOPBACKS;
    const socket = connect({
      host: '127.0.0.1',
      port: this.#port,
      localAddress: `127.9.${n >> 8}.${n & 255}`,
      noDelay: true,
      allowHalfOpen: true,
    });
    const outcome: Outcome = { text: '', ended: false, reset: false, sent: 0 };
    const done = new Promise<Outcome>((resolve) => {
      const timer = setTimeout(() => finish(), PATIENCE_MS);
      const finish = (): void => {
        clearTimeout(timer);
        outcome.sent = socket.bytesWritten;
        socket.resetAndDestroy();
        resolve(outcome);
      };
      socket.on('error', () => {
        outcome.reset = true;
        finish();
      });
      socket.on('end', () => {
        outcome.ended = true;
        finish();
      });
      socket.on('data', (chunk) => {
        outcome.text += chunk.toString('latin1');
        if (over(outcome)) finish();
      });
    });
    await new Promise<void>((resolve) => socket.once('connect', resolve).once('error', () => resolve()));
    return { socket, done };
  }
}
