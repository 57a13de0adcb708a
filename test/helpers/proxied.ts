/**
 * A client of the gateway for flows that send thousands of requests: keep-alive
 * absolute-form over raw sockets, one request at a time on each.
 */
import { connect, type Socket } from 'node:net';

export interface ProxiedAnswer {
  readonly status: number;
  /** The session that served it, from `Sallyport-Session`; null when none was chosen. */
  readonly sessionId: string | null;
  readonly reason: string;
  /** `Sallyport-Request-Id`. */
  readonly requestId: string;
}

export class ProxiedClient {
  readonly #port: number;
  #socket: Socket | null = null;
  #text = '';
  #waiting: { resolve: (answer: ProxiedAnswer) => void; reject: (error: Error) => void } | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  /** GET through the gateway; the answer's body must have a Content-Length. */
  get(url: string, authorization: string): Promise<ProxiedAnswer> {
    const socket = this.#open();
    const answer = new Promise<ProxiedAnswer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    const { host } = new URL(url);
    socket.write(`GET ${url} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
    return answer;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open(): Socket {
    if (this.#socket !== null) return this.#socket;
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    this.#socket = socket;
    this.#text = '';
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      this.#read();
    });
    socket.on('error', () => undefined); // shows as the close below
    socket.once('close', () => {
      if (this.#socket === socket) this.#socket = null;
      this.#settle(null);
    });
    return socket;
  }

  #read(): void {
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#text.slice(0, headEnd);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (this.#text.length < headEnd + 4 + length) return;
    this.#text = this.#text.slice(headEnd + 4 + length);
    const [, status, reason] = /^HTTP\/1\.1 (\d{3}) (.*)/.exec(head) ?? [];
    if (/^connection: close/im.test(head)) this.#socket = null;
    this.#settle({
      status: Number(status),
      reason: reason ?? '',
      sessionId: /^sallyport-session: (\S+)/im.exec(head)?.[1] ?? null,
      requestId: /^sallyport-request-id: (\S+)/im.exec(head)?.[1] ?? '',
    });
  }

  #settle(answer: ProxiedAnswer | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (answer === null) waiting?.reject(new Error('the gateway closed the connection without an answer'));
    else waiting?.resolve(answer);
  }
}

/** UUID text of an id in wire form (base64 of 16 bytes). */
export function uuidOf<Id extends string = string>(wireId: string): Id {
  const hex = Buffer.from(wireId, 'base64').toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id;
}
