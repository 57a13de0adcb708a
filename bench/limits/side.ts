/**
 * What the relays of this folder have in common: two sides each, on the TCP handles beneath
 * `net.Socket`, without stream, events and ticks. As little as a relay can do and lose nothing.
 *
 *   a side reads into memory that all share; what is read is copied before it is written, as the
 *   kernel may leave some of it until later
 *   a read that fills that memory gives the side its own, and is written from there without a copy
 *   while the kernel has not taken all, the side that it was read from does not read
 */

import { createServer } from 'node:net';
import {
  findTcpBinding,
  type Request,
  type TcpBinding,
  type TcpHandle,
  UV_EOF,
} from '../../gateway/wire/tcp-binding.ts';

const binding = bindingOrThrow();

const READ_BYTES = 65_536;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);
let scratch = Buffer.allocUnsafeSlow(READ_BYTES);
/** Used again until the kernel does not take all of a write. */
let writeRequest = new binding.WriteRequest();

type OurHandle = TcpHandle & { side: Side };
type OurRequest = Request & { side: Side; octets: Buffer | null };

/** One of the two connections of a relay. */
export class Side {
  peer: Side = this;
  /** Told what was read, lent until it returns. */
  onOctets: (octets: Buffer) => void = (octets) => this.pass(octets);
  readonly #handle: OurHandle;
  #own: Buffer | null = null;
  /** Writes that the kernel has not taken whole. */
  #waiting = 0;
  #ended = false;
  #closed = false;

  constructor(handle: TcpHandle) {
    this.#handle = handle as OurHandle;
    this.#handle.side = this;
    handle.onread = onRead;
    handle.useUserBuffer(shared);
  }

  /** Connects, and starts to read on both sides. */
  dial(port: number): void {
    const request = new binding.ConnectRequest() as OurRequest;
    request.side = this;
    request.oncomplete = onConnect;
    if (this.#handle.connect(request, '127.0.0.1', port) < 0) this.close();
  }

  start(): void {
    if (!this.#ended && !this.#closed) this.#handle.readStart();
  }

  /** Writes to the peer what was read here. */
  pass(octets: Buffer): void {
    if (this.peer.#closed) return;
    if (this.#own !== null) this.peer.#writeOctets(octets);
    else this.peer.#writeCopy(octets);
  }

  /** One character an octet; Node keeps what the kernel does not take. */
  write(text: string): void {
    if (!this.#closed) this.#written(this.#handle.writeLatin1String(writeRequest, text), null);
  }

  /** Closes both sides. */
  close(): void {
    for (const side of [this, this.peer]) {
      if (!side.#closed) side.#handle.close();
      side.#closed = true;
    }
  }

  /** Its handle has read so many octets, or failed; answers where the next read goes, if elsewhere. */
  read(count: number): Buffer | undefined {
    if (count < 0) {
      if (count === UV_EOF) this.#end();
      else this.close();
      return undefined;
    }
    const buffer = this.#own ?? shared;
    this.onOctets(buffer.subarray(0, count));
    if (this.#own !== null || count < READ_BYTES) return undefined;
    this.#own = Buffer.allocUnsafeSlow(READ_BYTES);
    return this.#own;
  }

  /** The kernel has taken the rest of a write. */
  flushed(status: number): void {
    this.#waiting--;
    if (status < 0) this.close();
    else if (this.#waiting === 0) this.peer.start();
  }

  #writeCopy(octets: Buffer): void {
    scratch.set(octets);
    if (this.#writeOctets(scratch.subarray(0, octets.length))) scratch = Buffer.allocUnsafeSlow(READ_BYTES);
  }

  /** Whether some of it waits. */
  #writeOctets(octets: Buffer): boolean {
    return this.#written(this.#handle.writeBuffer(writeRequest, octets), octets);
  }

  #written(status: number, octets: Buffer | null): boolean {
    if (status < 0) this.close();
    if (status < 0 || !binding.wroteAsync) return false;
    const request = writeRequest as OurRequest;
    writeRequest = new binding.WriteRequest();
    request.side = this;
    request.octets = octets; // libuv writes from there
    request.oncomplete = onWritten;
    this.#waiting++;
    this.peer.#handle.readStop();
    return true;
  }

  /** Its end is told to the peer; behind the peer's own, closing tells it. */
  #end(): void {
    this.#ended = true;
    if (this.peer.#ended) return this.close();
    const status = this.peer.#handle.shutdown(new binding.ShutdownRequest());
    if (status < 0) this.close();
  }
}

function bindingOrThrow(): TcpBinding {
  const binding = findTcpBinding();
  if (binding === null) throw new Error('the handles of this Node are out of reach');
  return binding;
}

function onRead(this: TcpHandle): Buffer | undefined {
  return (this as OurHandle).side.read(binding.readCount);
}

function onConnect(this: Request, status: number): void {
  const { side } = this as OurRequest;
  if (status < 0) return side.close();
  side.start();
  side.peer.start();
}

function onWritten(this: Request, status: number): void {
  (this as OurRequest).side.flushed(status);
}

/** Listens, and dials the upstream for each client, whom `prepare` sees first. Prints `{"port"}`; the process ends when stdin closes. */
export function relay(upstreamPort: number, prepare: (client: Side) => void = () => {}): void {
  const server = createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
    const listener = binding.listenerOf(server);
    const address = server.address();
    if (listener === null || address === null || typeof address === 'string')
      throw new Error('no handle to listen with');
    listener.setNoDelay(true); // inherited by what it accepts
    listener.onconnection = (_status, handle) => {
      if (handle === undefined) return;
      const client = new Side(handle);
      const upstreamHandle = binding.newHandle();
      upstreamHandle.setNoDelay(true);
      client.peer = new Side(upstreamHandle);
      client.peer.peer = client;
      prepare(client);
      client.peer.dial(upstreamPort);
    };
    console.log(JSON.stringify({ port: address.port }));
  });
  process.stdin.resume().on('end', () => process.exit(0));
}
