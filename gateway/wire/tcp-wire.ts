/**
 * A wire in clear, on a handle of libuv: what `net.Socket` is made of, without the stream
 * above it. A read fills memory that all wires share and is told in the same turn. Text and small
 * octets leave behind what the event loop has in hand, all wires' together; a write is one system
 * call, and only what the kernel does not take waits in libuv (docs/decisions/0026).
 *
 *   kernel ─▶ the shared buffer ─▶ receiver, to whom they are lent ─┬─ keep: copied
 *                                                                    └─ pass: copied, and written
 *   a read that filled it ─▶ a buffer of the wire's own, until a read does not fill that ─▶ pass: written as it is
 */
import { getSystemErrorName } from 'node:util';
import { READ_BYTES } from './read-memory.ts';
import { type PeerName, type Request, type TcpHandle, UV_ENOTCONN, UV_EOF } from './tcp-binding.ts';
import type { TcpParts } from './tcp-parts.ts';
import { DISCARD, type Receiver, type Wire, type WireHolder } from './wire.ts';

/** What a request or a handle is ours by. */
interface Ours {
  wire: TcpWire;
}
type OurHandle = TcpHandle & Ours;
type OurRequest = Request & Ours & { octets?: Buffer };

const NO_OCTETS = Buffer.alloc(0);
/** Octets that are cheaper as text, one character an octet, than by way of the scratch buffer. */
const MAX_AS_TEXT = 1_024;
/** Text that a wire holds back: what Node writes without a copy of its own. */
const MAX_TEXT = 16_384;

export class TcpWire implements Wire {
  receiver: Receiver = DISCARD;
  bytesRead = 0;
  bytesWritten = 0;
  isPaused = false;
  ended = false;
  finished = false;
  destroyed = false;
  failure: string | null = null;
  readonly #handle: OurHandle;
  readonly #parts: TcpParts;
  #holder: WireHolder | null = null;
  #peer: PeerName | null = null;
  #open: boolean;
  /** Writes that libuv has in hand. */
  #writes = 0;
  /** We have finished our side, or shall behind what waits. */
  #ending = false;
  #shutting = false;
  /** What is to be written behind what the event loop has in hand. */
  #text = '';
  #closesWhenFinished = false;
  /** To be reset when its shutdown is done: until then libuv refuses. */
  #resets = false;
  /** While reads fill it; null: the shared one is read into. */
  #own: Buffer | null = null;
  /** What the octets of this turn lie in; null between reads. */
  #lending: Buffer | null = null;
  /** To whom a write goes on from there. */
  #lentTo: Wire | null = null;

  private constructor(parts: TcpParts, handle: TcpHandle, open: boolean) {
    this.#parts = parts;
    this.#handle = handle as OurHandle;
    this.#open = open;
    this.#handle.wire = this;
    handle.onread = onRead;
    handle.useUserBuffer(parts.memory.shared);
  }

  /** Of a connection that was accepted. */
  static accepted(parts: TcpParts, handle: TcpHandle): TcpWire {
    return new TcpWire(parts, handle, true);
  }

  /** To a literal address. A failure is told as any: by the close. */
  static dial(parts: TcpParts, address: string, port: number): TcpWire {
    const handle = parts.binding.newHandle();
    const wire = new TcpWire(parts, handle, false);
    handle.setNoDelay(true);
    const request = new parts.binding.ConnectRequest() as OurRequest;
    request.wire = wire;
    request.oncomplete = onConnect;
    const status = address.includes(':')
      ? handle.connect6(request, address, port)
      : handle.connect(request, address, port);
    if (status < 0) wire.#fail(status);
    return wire;
  }

  get peer(): { readonly address: string; readonly port: number } {
    if (this.#peer === null) {
      // As Node fills it, so that it keeps its shape.
      this.#peer = { address: '', family: '', port: 0 };
      if (!this.destroyed) this.#handle.getpeername(this.#peer);
    }
    return this.#peer;
  }

  get bytesWaiting(): number {
    return this.#writes === 0 || this.destroyed ? 0 : this.#handle.writeQueueSize;
  }

  get waits(): boolean {
    return this.#writes > 0;
  }

  get writable(): boolean {
    return !this.#ending && !this.destroyed;
  }

  start(holder: WireHolder): void {
    this.#holder = holder;
    if (this.#open) this.#read();
  }

  write(text: string): boolean {
    if (!this.writable) return false;
    const isFirst = this.#text === '';
    this.#text += text;
    if (this.#text.length > MAX_TEXT) this.flush();
    else if (isFirst) this.#parts.flushLater(this);
    return !this.waits;
  }

  writeOctets(octets: Buffer): boolean {
    this.flush();
    if (!this.writable) return false;
    const status = this.#handle.writeBuffer(this.#parts.writeRequest, octets);
    return this.#written(status, octets.length, octets);
  }

  writeLent(octets: Buffer): boolean {
    return this.join('', octets);
  }

  join(text: string, octets: Buffer): boolean {
    if (octets.length <= MAX_AS_TEXT) return this.write(text + octets.toString('latin1'));
    const first = this.#textBefore(octets.length, text);
    const length = first.length + octets.length;
    const { scratch } = this.#parts.memory;
    if (first !== '') scratch.write(first, 0, first.length, 'latin1');
    scratch.set(octets, first.length);
    if (!this.waits) return this.#writeScratch(length);
    // Octets that are sure to wait are copied no longer than they are.
    return this.writeOctets(Buffer.from(scratch.subarray(0, length)));
  }

  behind(octets: Buffer, from: number): Buffer {
    return this.#parts.memory.behind(octets, from);
  }

  keep(octets: Buffer): Buffer {
    return octets.buffer === this.#lending?.buffer ? Buffer.from(octets) : octets;
  }

  pass(octets: Buffer, to: Wire): boolean {
    const lending = this.#lending;
    if (lending === null || octets.buffer !== lending.buffer) return to.writeOctets(octets);
    // The shared buffer is nobody's, and a buffer of our own one wire's at a time.
    const isShared = lending === this.#parts.memory.shared;
    if (isShared || (this.#lentTo !== null && this.#lentTo !== to)) return to.writeLent(octets);
    const flows = to.writeOctets(octets);
    if (to.waits) this.#lentTo = to;
    return flows;
  }

  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    if (this.#open && !this.destroyed) this.#handle.readStop();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.#open) this.#read();
  }

  end(): void {
    this.flush();
    if (!this.writable) return;
    this.#ending = true;
    if (!this.waits) this.#finish();
  }

  endAndClose(): void {
    this.#closesWhenFinished = true;
    if (this.finished) this.destroy();
    else this.end();
  }

  destroy(): void {
    this.flush();
    if (this.destroyed) return;
    this.#close();
    this.#handle.close();
  }

  reset(): void {
    this.flush();
    if (this.destroyed) return;
    this.#resets = this.#shutting;
    if (this.#resets) return;
    this.#close();
    if (this.#handle.reset() < 0) this.#handle.close();
  }

  lookAtStalled(): void {
    // With octets to be written it is polled anyway; after our end nothing can be written. The kernel refuses even a
    // write of nothing where the peer has reset the connection; elsewhere it does nothing, on the wire neither.
    if (this.isPaused && this.writable && !this.waits) this.writeOctets(NO_OCTETS);
  }

  /** Writes what it holds back. */
  flush(): void {
    const text = this.#text;
    if (text === '' || this.destroyed) return;
    this.#text = '';
    const status = this.#handle.writeLatin1String(this.#parts.writeRequest, text);
    this.#written(status, text.length, null);
  }

  /** Its handle has read. Answers where the next read goes, if elsewhere. */
  take(): Uint8Array | undefined {
    const count = this.#parts.binding.readCount;
    if (this.destroyed) return undefined;
    if (count < 0) {
      this.#readFailed(count);
      return undefined;
    }
    this.bytesRead += count;
    const { memory } = this.#parts;
    const own = this.#own;
    const buffer = own ?? memory.shared;
    const isFull = count === buffer.length;
    this.#lending = buffer;
    this.receiver.onOctets(own === null ? memory.view(count) : own.subarray(0, count));
    this.#lending = null;
    return own === null && !isFull ? undefined : this.#nextBuffer(isFull);
  }

  connected(status: number): void {
    if (this.destroyed) return;
    if (status < 0) return this.#fail(status);
    this.#open = true;
    if (!this.isPaused) this.#read();
    this.#holder!.onWireOpen();
  }

  /** The kernel has taken all of a write that waited. */
  flushed(status: number): void {
    this.#writes--;
    if (this.destroyed) return;
    if (status < 0) return this.#fail(status);
    if (this.waits) return;
    if (this.#ending) this.#finish();
    else this.receiver.onDrain();
  }

  shutdownDone(): void {
    this.#shutting = false;
    if (this.destroyed) return;
    this.finished = true;
    if (this.#resets) this.reset();
    else if (this.ended || this.#closesWhenFinished) this.destroy();
  }

  /** Called behind what the event loop had in hand when it was closed. */
  gone(): void {
    this.#own = null;
    this.#holder?.onWireClosed();
  }

  #close(): void {
    this.destroyed = true;
    this.#parts.tellLater(this);
  }

  #read(): void {
    if (this.ended || this.destroyed || this.isPaused) return;
    const status = this.#handle.readStart();
    if (status < 0) this.#fail(status);
  }

  #readFailed(status: number): void {
    if (status !== UV_EOF) return this.#fail(status);
    this.ended = true;
    this.receiver.onEnd();
    if (this.finished) this.destroy();
  }

  /** Where the next read goes: not where a write still goes on from. */
  #nextBuffer(isFull: boolean): Buffer {
    const { memory } = this.#parts;
    const own = this.#own;
    if (own !== null && this.#lentTo === null && isFull) return own;
    if (own !== null && this.#lentTo !== null) memory.lend(own, this.#lentTo);
    else if (own !== null) memory.give(own);
    this.#lentTo = null;
    this.#own = isFull ? memory.take() : null;
    return this.#own ?? memory.shared;
  }

  /** `text`, with what is held back before it where both leave at once with so many octets; else that is written. */
  #textBefore(octets: number, text: string): string {
    const both = this.#text + text;
    if (both.length + octets > READ_BYTES) {
      this.flush();
      return text;
    }
    this.#text = '';
    return both;
  }

  #writeScratch(length: number): boolean {
    const { memory } = this.#parts;
    const flows = this.writeOctets(memory.scratch.subarray(0, length));
    // What the kernel did not take is written from that memory later.
    if (this.waits) memory.lendScratch(this);
    return flows;
  }

  #written(status: number, length: number, octets: Buffer | null): boolean {
    if (status < 0) {
      this.#fail(status);
      return false;
    }
    this.bytesWritten += length;
    const parts = this.#parts;
    if (!parts.binding.wroteAsync) return true;
    const request = parts.writeRequest as OurRequest;
    parts.writeRequest = new parts.binding.WriteRequest();
    request.wire = this;
    request.oncomplete = onWritten;
    // libuv reads from that memory until it is done.
    if (octets !== null) request.octets = octets;
    this.#writes++;
    return false;
  }

  /** Says our end; where the peer has said its own, closing says it. */
  #finish(): void {
    if (!this.ended && !this.#closesWhenFinished) return this.#shutdown();
    this.finished = true;
    this.destroy();
  }

  #shutdown(): void {
    const request = new this.#parts.binding.ShutdownRequest() as OurRequest;
    request.wire = this;
    request.oncomplete = onShutdown;
    this.#shutting = true;
    const status = this.#handle.shutdown(request);
    if (status === 0) return;
    this.#shutting = false;
    // Nobody is there any more to be told.
    if (status !== UV_ENOTCONN) return this.#fail(status);
    this.finished = true;
  }

  #fail(status: number): void {
    this.failure ??= getSystemErrorName(status);
    this.destroy();
  }
}

// Called by handles and requests: one function each for all of them.

function onRead(this: TcpHandle): Uint8Array | undefined {
  const { wire } = this as OurHandle;
  return wire.take();
}

function onConnect(this: Request, status: number): void {
  (this as OurRequest).wire.connected(status);
}

function onWritten(this: Request, status: number): void {
  (this as OurRequest).wire.flushed(status);
}

function onShutdown(this: Request): void {
  (this as OurRequest).wire.shutdownDone();
}
