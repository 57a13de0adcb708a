/**
 * The TCP handles of libuv as Node's own sockets use them: the one place that knows how
 * they are reached and what they look like (docs/decisions/0026). Where anything is not as
 * it is written here, `findTcpBinding` answers null and the gateway does with Node's sockets.
 */
import type { Server } from 'node:net';

/** Of libuv: the peer has finished its side. */
export const UV_EOF = -4095;
/** Of libuv: there is no connection to finish. */
export const UV_ENOTCONN = -107;

/** A call that libuv finishes later; the handle calls `oncomplete` of it with a status, 0 or an error below 0. */
export interface Request {
  oncomplete: ((this: this, status: number) => void) | null;
}

/** What a handle writes its peer into. */
export interface PeerName {
  address: string;
  family: string;
  port: number;
}

/** One TCP connection. What answers a number answers 0, or an error below 0. */
export interface TcpHandle {
  onread: (this: this) => Uint8Array | undefined;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  /** Writes what the kernel takes at once; the request is used only when something is left (`wroteAsync`). */
  writeBuffer(request: Request, octets: Uint8Array): number;
  writeLatin1String(request: Request, text: string): number;
  readonly writeQueueSize: number;
  shutdown(request: Request): number;
  connect(request: Request, address: string, port: number): number;
  connect6(request: Request, address: string, port: number): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, delaySeconds: number): number;
  getpeername(to: PeerName): number;
  close(): void;
  reset(): number;
}

/** A listening handle: what `net.Server` listens with. */
export interface TcpListenerHandle extends Pick<TcpHandle, 'setNoDelay' | 'setKeepAlive'> {
  onconnection: (status: number, handle: TcpHandle | undefined) => void;
}

/** The classes, and the words of memory in which handles leave the figures of a call. */
export class TcpBinding {
  readonly WriteRequest: new () => Request;
  readonly ShutdownRequest: new () => Request;
  readonly ConnectRequest: new () => Request;
  readonly #Handle: new (
    kind: number,
  ) => TcpHandle;
  readonly #socketKind: number;
  readonly #state: Int32Array;
  readonly #readCount: number;
  readonly #lastWasAsync: number;

  constructor(tcp: TcpModule, stream: StreamModule) {
    this.WriteRequest = stream.WriteWrap;
    this.ShutdownRequest = stream.ShutdownWrap;
    this.ConnectRequest = tcp.TCPConnectWrap;
    this.#Handle = tcp.TCP;
    this.#socketKind = tcp.constants.SOCKET;
    this.#state = stream.streamBaseState;
    this.#readCount = stream.kReadBytesOrError;
    this.#lastWasAsync = stream.kLastWriteWasAsync;
  }

  /** A handle that is to be connected. */
  newHandle(): TcpHandle {
    return new this.#Handle(this.#socketKind);
  }

  /** Within `onread`: octets that were read, or an error below 0. */
  get readCount(): number {
    return this.#state[this.#readCount]!;
  }

  /** After a write: whether the kernel did not take all of it, so that the request is in use. */
  get wroteAsync(): boolean {
    return this.#state[this.#lastWasAsync] !== 0;
  }

  /** The handle that a server listens with; null where it is no such handle. */
  listenerOf(server: Server): TcpListenerHandle | null {
    const { _handle: handle } = server as unknown as { readonly _handle: unknown };
    if (!(handle instanceof this.#Handle) || !('onconnection' in handle)) return null;
    return handle as unknown as TcpListenerHandle;
  }
}

interface TcpModule {
  readonly TCP: new (kind: number) => TcpHandle;
  readonly TCPConnectWrap: new () => Request;
  readonly constants: { readonly SOCKET: number };
}

interface StreamModule {
  readonly WriteWrap: new () => Request;
  readonly ShutdownWrap: new () => Request;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const METHODS = [
  ...(['useUserBuffer', 'readStart', 'readStop', 'writeBuffer', 'writeLatin1String', 'shutdown'] as const),
  ...(['connect', 'connect6', 'setNoDelay', 'setKeepAlive', 'getpeername', 'close', 'reset'] as const),
];

/** The handles of this runtime; null where they are others than we know, or out of reach. */
export function findTcpBinding(): TcpBinding | null {
  const { binding } = process as unknown as { readonly binding?: (name: string) => unknown };
  if (typeof binding !== 'function') return null;
  try {
    const tcp = binding('tcp_wrap') as TcpModule;
    const stream = binding('stream_wrap') as StreamModule;
    return isAsKnown(tcp, stream) ? new TcpBinding(tcp, stream) : null;
  } catch {
    // Out of reach, as under Node's permission model: its sockets do as well.
    return null;
  }
}

function isAsKnown({ TCP, TCPConnectWrap, constants }: TcpModule, stream: StreamModule): boolean {
  const { streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = stream;
  const classes = [TCP, TCPConnectWrap, stream.WriteWrap, stream.ShutdownWrap];
  return (
    classes.every((one) => typeof one === 'function') &&
    METHODS.every((name) => typeof TCP.prototype[name] === 'function') &&
    streamBaseState instanceof Int32Array &&
    [constants.SOCKET, kReadBytesOrError, kLastWriteWasAsync].every((index) => Number.isInteger(index))
  );
}
