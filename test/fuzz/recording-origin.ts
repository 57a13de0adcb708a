/**
 * The end of the line: an origin that reads what it gets with the RFC checker, keeps
 * each request, and answers with the number under which it kept it. By that number a
 * caller finds what a chain of servers made of the request it sent in at the front.
 * Stands behind the gateway under test and behind the servers that judge it.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type CheckedRequest, checkRequest } from './rfc-checker.ts';

/** One connection that the origin accepted. */
interface Arrived {
  /** Octets that came since `take`, or where none are kept: of the request that is not complete. */
  octets: string;
  /** Where the first request starts that is not complete. */
  from: number;
  /** 100 was sent for the request that starts there; -1: for none. */
  continued: number;
  /** Nothing more is a request: the inside of a tunnel, or what stands behind a refusal. */
  opaque: boolean;
  closed: boolean;
}

export class RecordingOrigin {
  readonly port: number;
  /** Requests by number, until they are claimed. */
  readonly #requests = new Map<number, CheckedRequest>();
  readonly #arrived = new Set<Arrived>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #keepsOctets: boolean;
  #last = 0;

  private constructor(server: Server, keepsOctets: boolean) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#keepsOctets = keepsOctets;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** `keepsOctets`: whether somebody calls `take`; nothing may pile up otherwise. */
  static async start(keepsOctets: boolean): Promise<RecordingOrigin> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 512, resolve));
    return new RecordingOrigin(server, keepsOctets);
  }

  /** Gives away request n, or undefined. */
  claim(n: number): CheckedRequest | undefined {
    const request = this.#requests.get(n);
    this.#requests.delete(n);
    return request;
  }

  /** Requests that nobody claimed. */
  get unclaimed(): number {
    return this.#requests.size;
  }

  /** Forgets requests that nobody claimed. */
  forget(): void {
    this.#requests.clear();
  }

  /** What came on each connection since the last call, where anything did. */
  take(): string[] {
    const streams: string[] = [];
    for (const arrived of this.#arrived) {
      if (arrived.octets !== '') streams.push(arrived.octets);
      arrived.octets = '';
      arrived.from = 0;
      arrived.continued = -1;
      if (arrived.closed) this.#arrived.delete(arrived);
    }
    return streams;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const arrived: Arrived = { octets: '', from: 0, continued: -1, opaque: false, closed: false };
    this.#arrived.add(arrived);
    this.#sockets.add(socket);
    socket.on('error', () => undefined); // whoever cut it has its reasons; what came until then counts
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      arrived.closed = true;
      // What a connection carried outlives it until it is taken.
      if (arrived.octets === '' || !this.#keepsOctets) this.#arrived.delete(arrived);
    });
    socket.on('data', (chunk: Buffer) => {
      arrived.octets += chunk.toString('latin1');
      if (!arrived.opaque) this.#answer(socket, arrived);
      if (this.#keepsOctets) return;
      arrived.octets = arrived.opaque ? '' : arrived.octets.slice(arrived.from);
      if (arrived.continued >= 0) arrived.continued -= arrived.from;
      arrived.from = 0;
    });
  }

  #answer(socket: Socket, arrived: Arrived): void {
    let answers = '';
    while (arrived.from < arrived.octets.length && !arrived.opaque) {
      const request = checkRequest(arrived.octets, arrived.from);
      if (request === 'partial') {
        answers += this.#goOn(arrived);
        break;
      }
      if ('refused' in request) {
        arrived.opaque = true;
        socket.end(`${answers}HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        return;
      }
      arrived.from = request.end;
      if (request.method === 'CONNECT') {
        arrived.opaque = true;
        answers += 'HTTP/1.1 200 OK\r\n\r\n';
        break;
      }
      this.#requests.set(++this.#last, request);
      answers += `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nReading: ${this.#last}\r\n\r\n`;
    }
    if (answers !== '') socket.write(answers);
  }

  /** Once, to a client that waits with its body (RFC 9110 section 10.1.1). */
  #goOn(arrived: Arrived): string {
    const { octets, from, continued } = arrived;
    const end = octets.indexOf('\r\n\r\n', from);
    if (continued === from || end === -1 || !/\r\nexpect: *100-continue\r\n/i.test(octets.slice(from, end + 2)))
      return '';
    arrived.continued = from;
    return 'HTTP/1.1 100 Continue\r\n\r\n';
  }
}
