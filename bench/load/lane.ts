/** One keep-alive connection to a gateway, with one absolute-form request under way at most. */

import { connect, type Socket } from 'node:net';
import { SMALL_BODY } from '../lib/payload.ts';

/** Called once for each request; `fault` is null, or says what came instead of the answer. */
export type OnAnswer = (lane: Lane, seconds: number, fault: string | null) => void;

/** Sends its requests in turn, each answered with `answer`; connects again when the gateway closes it. */
export class Lane {
  private readonly port: number;
  private readonly requests: readonly Buffer[];
  private readonly onAnswer: OnAnswer;
  /** What every right answer ends with. */
  private readonly tail: string;
  private socket: Socket;
  private turn = 0;
  private text = '';
  private fault: string | null = null;
  private done = false;
  busy = false;
  /** When the request under way, or the last one, was written; `performance.now()`. */
  sentAt = 0;

  constructor(port: number, requests: readonly Buffer[], onAnswer: OnAnswer, answer: string = SMALL_BODY) {
    this.port = port;
    this.requests = requests;
    this.onAnswer = onAnswer;
    this.tail = `\r\n\r\n${answer}`;
    this.socket = this.open();
  }

  send(): void {
    this.busy = true;
    this.sentAt = performance.now();
    this.socket.write(this.requests[this.turn]!);
    this.turn = (this.turn + 1) % this.requests.length;
  }

  /** Gives up the request under way. */
  abandon(fault: string): void {
    this.fault ??= fault;
    this.socket.destroy();
  }

  end(): void {
    this.done = true;
    this.socket.destroy();
  }

  private open(): Socket {
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    // 'close' follows, and settles it
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.fault ??= error.code ?? error.message;
    });
    socket.on('close', () => this.reopen());
    return socket;
  }

  private reopen(): void {
    if (this.done) return;
    this.socket = this.open();
    if (this.busy) this.settle(this.fault ?? 'closed before the answer was whole');
    this.fault = null;
  }

  private read(chunk: Buffer): void {
    this.text += chunk.toString('latin1');
    // A reply that is not the answer would never end with it: its head settles it.
    if (this.text.length >= 12 && !this.text.startsWith('HTTP/1.1 200')) {
      this.abandon(this.text.slice(0, this.text.indexOf('\r\n')));
    } else if (this.text.endsWith(this.tail)) this.settle(null);
    else if (this.hasOtherBody()) this.abandon('another answer than the right one');
  }

  /** Whether as much of a body has come as the right answer has. */
  private hasOtherBody(): boolean {
    const end = this.text.indexOf('\r\n\r\n');
    return end !== -1 && this.text.length >= end + this.tail.length;
  }

  private settle(fault: string | null): void {
    this.text = '';
    this.busy = false;
    this.onAnswer(this, (performance.now() - this.sentAt) / 1000, fault);
  }
}
