/**
 * `sallyport/client`: the API for TypeScript programs. A client is two typed
 * services over one transport; messages and the types of their JSON come with it.
 * Generated code does the work; this file knows where the key goes, and ids.
 */
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { type ConnectTransportOptions, createConnectTransport } from '@connectrpc/connect-node';
import { Accounts } from '../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../control/gen/proxies/v1/proxies_pb.ts';

// biome-ignore lint/performance/noBarrelFile: the entry of a package, where everything is found under one name
export { Code, ConnectError } from '@connectrpc/connect';
export * from '../control/gen/accounts/v1/accounts_pb.ts';
export { BadRequestSchema } from '../control/gen/google/rpc/error_details_pb.ts';
export * from '../control/gen/proxies/v1/proxies_pb.ts';
export type { RequestJson, ResponseJson } from './method-json.ts';

export interface SallyportOptions {
  /** Base URL of the control plane, such as `http://127.0.0.1:7070`. */
  readonly url: string;
  /** An API key; what it may do is what the client may do. */
  readonly apiKey: string;
  /** Bound of every call that gives none of its own, milliseconds; default 30,000. Streams have none. */
  readonly timeoutMs?: number;
}

/** Both services, every method by its name in lowerCamelCase; failures are `ConnectError`s with a `code`. */
export interface Sallyport {
  readonly accounts: Client<typeof Accounts>;
  readonly proxies: Client<typeof Proxies>;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** A client of one control plane. It holds no connection that keeps a process alive once its calls are answered. */
export function createSallyport(options: SallyportOptions): Sallyport {
  const transport = createTransport(options);
  return { accounts: createClient(Accounts, transport), proxies: createClient(Proxies, transport) };
}

function createTransport({ url, apiKey, timeoutMs = DEFAULT_TIMEOUT_MS }: SallyportOptions): Transport {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${apiKey}`);
    return next(request);
  };
  const options: ConnectTransportOptions = {
    baseUrl: url,
    httpVersion: '1.1',
    useBinaryFormat: true,
    interceptors: [authorize],
  };
  const unary = createConnectTransport({ ...options, defaultTimeoutMs: timeoutMs });
  const streaming = createConnectTransport(options);
  // A tail is open until its reader has seen enough: the bound of a call is none of a stream.
  return { unary: unary.unary.bind(unary), stream: streaming.stream.bind(streaming) };
}

const UUID = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i;

/** The 16 bytes of an id: from UUID text, or from base64 as JSON shows ids. Throws a TypeError for anything else. */
export function idOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = UUID.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : Buffer.from(text, 'base64');
  if (bytes.length !== 16) throw new TypeError('an id is 16 bytes: UUID text or base64');
  return Uint8Array.from(bytes);
}

/** An id as UUID text: what proxy usernames and the command line take. */
export function uuidOf(id: Uint8Array): string {
  const hex = Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex');
  return hex.replace(UUID, '$1-$2-$3-$4-$5');
}
