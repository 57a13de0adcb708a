/**
 * A small blocking-style HTTP client over one socket, for what is checked rather
 * than timed: read a head, read N bytes, open a tunnel. Bounded by a timeout.
 */

import { connect, type Socket } from 'node:net';
import { TARGET_HOST } from './payload.ts';

const TIMEOUT_MS = 15_000;
const MAX_HEAD_BYTES = 65_536;
const CHUNK_BYTES = 16_384;

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

/** One connection to a gateway; every read rejects when the peer closes, fails or stays silent. */
export class ClientConnection {
  readonly socket: Socket;
  private buffered: Buffer = Buffer.alloc(0);
  private failure: Error | null = null;
  private wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
      this.wake();
    });
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('end', () => this.fail(new Error('the connection ended early')));
    this.socket.setTimeout(TIMEOUT_MS, () => this.fail(new Error(`silent for ${TIMEOUT_MS} ms`)));
  }

  /** Sends a request and reads its reply, which must have a Content-Length. */
  async exchange(request: string | Buffer): Promise<Reply> {
    this.socket.write(request);
    const head = await this.readHead();
    const length = Number(/\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1] ?? 0);
    return { status: statusOf(head), body: await this.readBytes(length) };
  }

  /** CONNECTs to the target; the reply of a tunnel has no body. */
  async openTunnel(authorization: string): Promise<number> {
    this.socket.write(connectRequest(authorization));
    return statusOf(await this.readHead());
  }

  private async readHead(): Promise<string> {
    for (;;) {
      const end = this.buffered.indexOf('\r\n\r\n');
      if (end !== -1) {
        const head = this.buffered.toString('latin1', 0, end);
        this.buffered = this.buffered.subarray(end + 4);
        return head;
      }
      if (this.buffered.length > MAX_HEAD_BYTES) throw new Error('the head of the reply does not end');
      await this.more();
    }
  }

  private async readBytes(length: number): Promise<Buffer> {
    while (this.buffered.length < length) await this.more();
    const bytes = this.buffered.subarray(0, length);
    this.buffered = this.buffered.subarray(length);
    return bytes;
  }

  private async more(): Promise<void> {
    if (this.failure) throw this.failure;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The status of a reply's head, 0 when it is not HTTP. */
export function statusOf(head: string): number {
  return /^HTTP\/1\.[01] (\d{3})/.test(head) ? Number(head.slice(9, 12)) : 0;
}

export function connectRequest(authorization: string): string {
  return `CONNECT ${TARGET_HOST}:80 HTTP/1.1\r\nHost: ${TARGET_HOST}:80\r\nProxy-Authorization: ${authorization}\r\n\r\n`;
}

/** A GET in absolute form, as a client sends it to a proxy. */
export function forwardRequest(path: string, authorization: string): string {
  return `GET http://${TARGET_HOST}${path} HTTP/1.1\r\nHost: ${TARGET_HOST}\r\nProxy-Authorization: ${authorization}\r\n\r\n`;
}

/** A POST in absolute form, head and body: with its length, or in chunks of 16 KiB. */
export function postRequest(path: string, authorization: string, body: Buffer, chunked: boolean): Buffer {
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
  const head = `POST http://${TARGET_HOST}${path} HTTP/1.1\r\nHost: ${TARGET_HOST}\r\nProxy-Authorization: ${authorization}\r\n${framing}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), ...(chunked ? inChunks(body) : [body])]);
}

function inChunks(body: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const piece = body.subarray(at, at + CHUNK_BYTES);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return [...pieces, Buffer.from('0\r\n\r\n')];
}

/** A GET in origin form, as it stands inside a tunnel. */
export function tunnelledRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${TARGET_HOST}\r\n\r\n`;
}
