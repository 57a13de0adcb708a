/**
 * A wire over a socket of Node, which tells by events: where there is TLS, where Node tries
 * several addresses of a name, and where its handles are others than we know. Its reads bring
 * memory of their own, which nobody else has.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { reset, resetTls } from './reset.ts';
import { DISCARD, type Receiver, type Wire, type WireHolder } from './wire.ts';

const NO_OCTETS = Buffer.alloc(0);

export class StreamWire implements Wire {
  receiver: Receiver = DISCARD;
  failure: string | null = null;
  readonly socket: Socket;
  /** The TCP socket: `socket` itself, or what carries its TLS. */
  readonly #carrier: Socket;
  // Bound, not written as functions here: V8 takes those for ones that stay (docs/decisions/0025).
  readonly #onOctets = this.#came.bind(this);
  readonly #onEnd = this.#ended.bind(this);
  readonly #onDrain = this.#drained.bind(this);

  constructor(socket: Socket, carrier: Socket = socket) {
    this.socket = socket;
    this.#carrier = carrier;
    const note = ({ code = '' }: NodeJS.ErrnoException): void => {
      this.failure ??= code;
    };
    socket.on('error', note);
    if (carrier !== socket) carrier.on('error', note);
  }

  get peer(): { readonly address: string; readonly port: number } {
    const { remoteAddress: address = '', remotePort: port = 0 } = this.#carrier;
    return { address, port };
  }

  get bytesRead(): number {
    return this.socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.socket.bytesWritten;
  }

  get bytesWaiting(): number {
    return this.socket.writableLength;
  }

  get waits(): boolean {
    return this.socket.writableLength > 0;
  }

  get isPaused(): boolean {
    return this.socket.isPaused();
  }

  get writable(): boolean {
    return this.socket.writable;
  }

  get ended(): boolean {
    return this.socket.readableEnded;
  }

  get finished(): boolean {
    return this.socket.writableFinished;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  start(holder: WireHolder): void {
    const { socket } = this;
    socket.on('data', this.#onOctets).on('end', this.#onEnd).on('drain', this.#onDrain);
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => holder.onWireOpen());
    socket.once('close', () => holder.onWireClosed());
  }

  /** Leaves what comes in to somebody else, who goes on with the socket; its close is still told. */
  release(): Socket {
    return this.socket.off('data', this.#onOctets).off('end', this.#onEnd).off('drain', this.#onDrain);
  }

  write(text: string): boolean {
    return this.socket.write(text, 'latin1');
  }

  writeOctets(octets: Buffer): boolean {
    return this.socket.write(octets);
  }

  writeLent(octets: Buffer): boolean {
    return this.socket.write(Buffer.from(octets));
  }

  join(text: string, octets: Buffer): boolean {
    return this.socket.write(Buffer.concat([Buffer.from(text, 'latin1'), octets]));
  }

  behind(octets: Buffer, from: number): Buffer {
    return octets.subarray(from);
  }

  keep(octets: Buffer): Buffer {
    return octets;
  }

  pass(octets: Buffer, to: Wire): boolean {
    const flows = to.writeOctets(octets);
    releaseWritten(octets, to);
    return flows;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  endAndClose(): void {
    this.socket.end(() => this.socket.destroy());
  }

  destroy(): void {
    this.socket.destroy();
  }

  reset(): void {
    if (this.socket === this.#carrier) reset(this.socket);
    else resetTls(this.socket, this.#carrier);
  }

  lookAtStalled(): void {
    // As of a `TcpWire`; TLS keeps a write of nothing to itself, so that it is the carrier's.
    const carrier = this.#carrier;
    const mayWrite = this.writable && carrier.writable && this.bytesWaiting + carrier.writableLength === 0;
    if (mayWrite && this.isPaused) carrier.write(NO_OCTETS);
  }

  #came(octets: Buffer): void {
    this.receiver.onOctets(octets);
  }

  #ended(): void {
    this.receiver.onEnd();
  }

  #drained(): void {
    this.receiver.onDrain();
  }
}

/**
 * Frees octets that were just written, if the kernel took them whole and they have their memory to themselves, as what a
 * socket reads has: it would stay until the next collection. Nobody looks at them any more: they are empty.
 */
function releaseWritten(octets: Buffer, to: Wire): void {
  const { buffer } = octets;
  if (!to.waits && buffer instanceof ArrayBuffer && octets.byteLength === buffer.byteLength) buffer.transfer(0);
}
