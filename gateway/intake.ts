/**
 * How octets come in from sockets: into one buffer that all sockets in clear share, as a
 * read and what becomes of it are one turn of the event loop (docs/decisions/0024). Where
 * that cannot be had (TLS, another Node), each read brings a buffer of its own.
 *
 *   kernel ─▶ the shared buffer ─▶ receiver, to whom they are lent ─┬─ keep: copied
 *                                                                    └─ pass: copied to a scratch buffer, and written
 *   a read that filled it ─▶ a buffer of the socket's own, until a read does not fill that ─▶ pass: written as it is
 *
 * Invariant: nothing refers to the shared buffer, or to the scratch buffer, once the
 * turn is over: who keeps octets asks `keep`, who writes them elsewhere `pass` or `join`.
 */
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { READ_BYTES, ReadMemory } from './read-memory.ts';

/**
 * Gets octets as they come; they are lent to it until it returns. An object and no function: one that is written where it
 * is assigned to a field would be made in the old generation (docs/decisions/0025).
 */
export interface Receiver {
  onOctets(octets: Buffer): void;
}

/** Drops what comes. */
export const DISCARD: Receiver = { onOctets: () => undefined };

/** The field of a socket in which its intake stands. */
const INTAKE = Symbol('intake');
interface Taken {
  [INTAKE]: SharedIntake;
}

/** Node calls it for each read, with the socket as `this`. */
function onRead(this: unknown, count: number, buffer: Uint8Array): boolean {
  return (this as Taken)[INTAKE].take(count, buffer as Buffer);
}

/** What comes in from one socket. */
export interface Intake {
  /** Who gets it; nobody to begin with. */
  receiver: Receiver;
  /** The octets as they can be kept beyond this turn. */
  keep(octets: Buffer): Buffer;
  /** Writes octets that came in to another socket; false: it takes no more for now, as `Socket.write` has it. */
  pass(octets: Buffer, to: Socket): boolean;
}

/** How an accepted socket is told where to read to; a dialled one is told when it is made, by a public option. */
interface ReadInternals {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** The intakes of one gateway. */
export class Intakes {
  readonly shared = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly memory = new ReadMemory();
  /** Where the socket that was read last reads to next. */
  next: Buffer = this.shared;
  readonly #internals: ReadInternals | null;
  #scratch = this.memory.take();
  /** Node asks for it when a socket begins to read, and behind each call of `onRead`. */
  readonly #nextBuffer = (): Buffer => {
    const { next } = this;
    this.next = this.shared;
    return next;
  };

  /** `shares` false: every socket brings its own buffers, as where Node's internals are others than we know. */
  constructor(shares = true) {
    this.#internals = shares ? findInternals() : null;
  }

  /** Whether accepted sockets read into the shared buffer. */
  get sharesAccepted(): boolean {
    return this.#internals !== null;
  }

  /** The intake of a socket in clear that was accepted just now. */
  accepted(socket: Socket): Intake {
    const handle = handleOf(socket);
    if (this.#internals === null || handle === null) return this.separate(socket);
    const intake = new SharedIntake(this);
    const { buffer, callback, generator } = this.#internals;
    const fields = socket as unknown as Record<symbol, unknown>;
    fields[buffer] = this.shared;
    fields[callback] = onRead;
    fields[generator] = this.#nextBuffer;
    fields[INTAKE] = intake;
    handle.useUserBuffer(this.shared);
    // Its end is told only while it flows.
    socket.resume();
    return intake;
  }

  /** A socket that is to be connected, which will speak in clear, and its intake. */
  dialled(): { socket: Socket; intake: Intake } {
    if (this.#internals === null) {
      const socket = new Socket({ allowHalfOpen: true });
      return { socket, intake: this.separate(socket) };
    }
    const intake = new SharedIntake(this);
    const socket = new Socket({ allowHalfOpen: true, onread: { buffer: this.#nextBuffer, callback: onRead } });
    (socket as unknown as Taken)[INTAKE] = intake;
    socket.resume();
    return { socket, intake };
  }

  /** The intake of a socket whose reads bring buffers of their own. */
  separate(socket: Socket): Intake {
    return new SeparateIntake(socket);
  }

  /** Writes octets that are lent. */
  copyTo(to: Socket, octets: Buffer): boolean {
    this.#scratch.set(octets);
    return this.#writeScratch(to, octets.length);
  }

  /** Writes latin1 text and lent octets behind it at once; together they are READ_BYTES at most. */
  join(text: string, octets: Buffer, to: Socket): boolean {
    const { length } = text;
    this.#scratch.write(text, 0, length, 'latin1');
    this.#scratch.set(octets, length);
    return this.#writeScratch(to, length + octets.length);
  }

  #writeScratch(to: Socket, length: number): boolean {
    const octets = this.#scratch.subarray(0, length);
    // Octets that are sure to wait are copied once more, and no longer than they are.
    if (to.writableLength > 0 || to instanceof TLSSocket) return to.write(Buffer.from(octets));
    const flowing = to.write(octets);
    // What the kernel did not take is written from that memory later.
    if (to.writableLength > 0) {
      this.memory.lend(this.#scratch, to);
      this.#scratch = this.memory.take();
    }
    return flowing;
  }
}

class SharedIntake implements Intake {
  receiver = DISCARD;
  readonly #intakes: Intakes;
  /** While reads fill it; null: the shared one is read into. */
  #own: Buffer | null = null;
  /** What the octets of this turn lie in; null between reads. */
  #lending: Buffer | null = null;
  /** Whose write the kernel did not take all of in this turn: it goes on from the socket's own buffer. */
  #lentTo: Socket | null = null;

  constructor(intakes: Intakes) {
    this.#intakes = intakes;
  }

  /** So many octets were read into the buffer that was answered before. */
  take(count: number, buffer: Buffer): true {
    const isFull = count === buffer.length;
    this.#lending = buffer;
    this.receiver.onOctets(isFull ? buffer : buffer.subarray(0, count));
    this.#lending = null;
    this.#settle(isFull);
    this.#intakes.next = this.#own ?? this.#intakes.shared;
    return true;
  }

  keep(octets: Buffer): Buffer {
    return octets.buffer === this.#lending?.buffer ? Buffer.from(octets) : octets;
  }

  pass(octets: Buffer, to: Socket): boolean {
    if (octets.buffer === this.#intakes.shared.buffer) return this.#intakes.copyTo(to, octets);
    if (octets.buffer !== this.#lending?.buffer) return to.write(octets);
    // One socket at a time can have the buffer.
    if (this.#lentTo !== null && this.#lentTo !== to) return to.write(Buffer.from(octets));
    const flowing = to.write(octets);
    if (to.writableLength > 0) this.#lentTo = to;
    return flowing;
  }

  /** Where the next read goes: not where a write still goes on from. */
  #settle(isFull: boolean): void {
    const { memory } = this.#intakes;
    if (this.#own !== null && this.#lentTo !== null) memory.lend(this.#own, this.#lentTo);
    else if (this.#own !== null && isFull) return;
    else if (this.#own !== null) memory.give(this.#own);
    this.#lentTo = null;
    this.#own = isFull ? memory.take() : null;
  }
}

/** Node's own way: every read takes a fresh buffer of up to 64 KiB. */
class SeparateIntake implements Intake {
  receiver = DISCARD;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.receiver.onOctets(chunk));
  }

  keep(octets: Buffer): Buffer {
    return octets;
  }

  pass(octets: Buffer, to: Socket): boolean {
    const flowing = to.write(octets);
    releaseWritten(octets, to);
    return flowing;
  }
}

/**
 * Frees octets that were just written, if the kernel took them whole and they have their memory to themselves, as what a
 * socket reads has: it would stay until the next collection. Nobody looks at them any more: they are empty.
 */
function releaseWritten(octets: Buffer, to: Socket): void {
  const { buffer } = octets;
  if (to.writableLength === 0 && buffer instanceof ArrayBuffer && octets.byteLength === buffer.byteLength) {
    buffer.transfer(0);
  }
}

interface ReadingHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

/** The handle beneath a socket, if it can be told where to read to. */
function handleOf(socket: Socket): ReadingHandle | null {
  const { _handle: handle } = socket as unknown as { _handle?: Partial<ReadingHandle> | null };
  return typeof handle?.useUserBuffer === 'function' ? (handle as ReadingHandle) : null;
}

/** The fields in which Node keeps the public option `onread`; null when it keeps it otherwise. */
function findInternals(): ReadInternals | null {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const named = (name: string) => symbols.find(({ description }) => description === name);
  const buffer = named('kBuffer');
  const callback = named('kBufferCb');
  const generator = named('kBufferGen');
  return buffer && callback && generator ? { buffer, callback, generator } : null;
}
