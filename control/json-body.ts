/**
 * Request bodies of every protocol (Connect, gRPC, gRPC-Web; JSON and binary), read
 * and decoded by us. A method takes one message, also where it answers a stream.
 *
 *   rpc-mount: set the body aside, give Connect an empty message
 *     └ Connect: gate (headers only) ─ interceptors ─ decodeBody: read ≤ limit, open the envelope, inflate, decode
 *
 * Why: Connect decodes before the first interceptor and answers decoding errors
 * with the library's text, which quotes the offending value: a password put into
 * the wrong field would come back out. Here every error is ours, passes the
 * outcome interceptor like any other, and no byte is read before the gate.
 */
import type { IncomingMessage } from 'node:http';
import { type DescMessage, fromBinary, fromJsonString, type Message } from '@bufbuild/protobuf';
import {
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type UnaryRequest,
} from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { callOf, checkpoint } from './call.ts';
import { DomainError, malformed } from './domain-error.ts';
import { ENVELOPE_HEAD_BYTES, envelopeOf, openEnvelope } from './envelope.ts';
import { describeJsonFault } from './json-fault.ts';

/** What stands before the format, if anything, is the protocol; gRPC's may leave the format out. */
const CONTENT = /^application\/(?:(connect|grpc-web|grpc)(?:\+|(?=\s*(?:;|$))))?(json|proto|)\s*(?:;|$)/i;
/** Where each protocol says how the message is compressed. */
const ENCODING_HEADERS: Readonly<Record<string, string>> = {
  connect: 'connect-content-encoding',
  grpc: 'grpc-encoding',
  'grpc-web': 'grpc-encoding',
};
/** An empty message in each format. */
const EMPTY_JSON = Buffer.from('{}');
const EMPTY_PROTO = Buffer.alloc(0);
/** Deeper than any message of this API, far below any stack. */
const MAX_DEPTH = 16;

interface PendingBody {
  readonly raw: IncomingMessage;
  readonly format: 'json' | 'proto';
  /** The message stands in an envelope: gRPC, gRPC-Web, and Connect's streams. */
  readonly enveloped: boolean;
  readonly encoding: string | undefined;
}

const bodyKey = createContextKey<PendingBody | null>(null, { description: 'the request body, not read yet' });
const messageKey = createContextKey<Message | null>(null, { description: 'the one message of a stream’s request' });

/** What stands in for a body, and the context values that carry the body itself. */
interface SetAside {
  /** For Connect to decode: an empty message. For a request that no protocol means, nothing. */
  readonly body: UniversalServerRequest['body'];
  readonly values: ContextValues;
}

/** Leaves the body of a request in its socket until it is decoded. */
export function setBodyAside(raw: IncomingMessage): SetAside {
  const pending = pendingBodyOf(raw);
  const values = createContextValues().set(bodyKey, pending);
  if (pending === null) return { body: nothing(), values };
  const { format, enveloped } = pending;
  const empty = format === 'json' ? EMPTY_JSON : EMPTY_PROTO;
  if (enveloped) return { body: one(envelopeOf(empty)), values };
  // Connect decodes whole bytes as well; its type tells of JSON only.
  return { body: format === 'json' ? {} : (empty as never), values };
}

function pendingBodyOf(raw: IncomingMessage): PendingBody | null {
  const content = CONTENT.exec(raw.headers['content-type'] ?? '');
  if (raw.method !== 'POST' || content === null) return null;
  const protocol = content[1]?.toLowerCase();
  const encoding = raw.headers[protocol === undefined ? 'content-encoding' : (ENCODING_HEADERS[protocol] ?? '')];
  return {
    raw,
    format: content[2]?.toLowerCase() === 'json' ? 'json' : 'proto',
    enveloped: protocol !== undefined,
    encoding: typeof encoding === 'string' ? encoding : undefined,
  };
}

/** Reads and decodes the body that was set aside; `limitOf` is the largest message of a method, bytes. */
export function decodeBody(limitOf: (input: DescMessage) => number): Interceptor {
  return (next) => async (request) => {
    const { input } = request.method;
    const body = request.contextValues.get(bodyKey);
    if (body === null) throw new Error('a request reached the services with a body that was not set aside');
    const bytes = await readBody(body, limitOf(input), callOf(request.contextValues).signal);
    const message = body.format === 'json' ? decodeJson(input, bytes) : decodeBinary(input, bytes);
    if (!request.stream) return next({ ...request, message });
    request.contextValues.set(messageKey, message);
    return next({ ...request, message: one(message) });
  };
}

/** The one message of a request that was decoded, whatever its method answers with. */
export function messageOf(request: UnaryRequest | StreamRequest): Message {
  const message = request.stream ? request.contextValues.get(messageKey) : request.message;
  if (message === null) throw new Error('a request was looked at before it was decoded');
  return message;
}

async function* nothing(): AsyncGenerator<never> {}

async function* one<T>(item: T): AsyncGenerator<T> {
  yield item;
}

async function readBody(body: PendingBody, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const { raw, enveloped, encoding } = body;
  const whole = await collect(raw, maxBytes, enveloped ? ENVELOPE_HEAD_BYTES : 0, signal);
  // Connect has refused unknown encodings already; the bound holds for what comes out, so a bomb stays small.
  const compression = [compressionGzip, compressionBrotli].find(({ name }) => name === encoding);
  const { data, compressed } = enveloped ? openEnvelope(whole) : { data: whole, compressed: compression !== undefined };
  if (!compressed) return data;
  if (compression === undefined) throw malformed([{ field: 'body', description: 'must name how it is compressed' }]);
  return compression.decompress(data, maxBytes);
}

/**
 * All bytes of the body, up to `maxBytes` and what wraps them; past the bound the rest is let through unread, so
 * that the answer can still be written. Rejects when the call's signal says that nobody waits for that.
 */
function collect(raw: IncomingMessage, maxBytes: number, wrapBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void) => {
      raw.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const giveUp = (error: unknown) => {
      finish(() => reject(error));
      raw.on('error', () => {}).resume();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes + wrapBytes) return;
      giveUp(new DomainError('resource_exhausted', `The request is larger than ${maxBytes} bytes.`));
    };
    const onEnd = () => finish(() => resolve(Buffer.concat(chunks, size)));
    const onGone = () => finish(() => reject(new DomainError('canceled')));
    const onAbort = () => {
      try {
        checkpoint({ signal });
      } catch (error) {
        giveUp(error);
      }
    };
    raw.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
    signal.addEventListener('abort', onAbort);
    onAbort();
  });
}

function decodeJson(schema: DescMessage, bytes: Uint8Array): Message {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed([{ field: 'body', description: 'must be UTF-8' }]);
  }
  try {
    return fromJsonString(schema, text, { ignoreUnknownFields: false, recursionLimit: MAX_DEPTH });
  } catch {
    throw malformed([describeJsonFault(schema, text)]);
  }
}

function decodeBinary(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(schema, bytes);
  } catch {
    throw malformed([{ field: 'body', description: `must be a ${schema.typeName} in protobuf's binary format` }]);
  }
}

/**
 * JSON of responses. Lists and numbers are written even when empty or zero, so that a
 * client can rely on `sessionIds` being there. The library's switch for that writes empty
 * maps too, while the reference leaves out `labels` when there are none; a map has no
 * presence to tell by. So the one map of this API is taken out of the text, where it
 * cannot be mistaken: inside a JSON string each of these quotes would be escaped.
 */
export const responseJson = {
  ignoreUnknownFields: false,
  alwaysEmitImplicit: true,
  textEncoder: { encode: (json: string) => new TextEncoder().encode(json.replaceAll(',"labels":{}', '')) },
};
