/**
 * Request bodies of unary Connect calls (JSON and binary), read and decoded by us.
 *
 *   preHandler: set the body aside, give Connect an empty message
 *     └ Connect: gate (headers only) ─ interceptors ─ decodeBody: read ≤ limit, inflate, decode, put the message in
 *
 * Why: Connect decodes before the first interceptor and answers decoding errors
 * with the library's text, which quotes the offending value: a password put into
 * the wrong field would come back out. Here every error is ours, passes the
 * outcome interceptor like any other, and no byte is read before the gate.
 */
import type { IncomingMessage } from 'node:http';
import { type DescMessage, fromBinary, fromJsonString, type Message } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
} from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import type { FastifyRequest } from 'fastify';
import { DomainError, malformed } from './domain-error.ts';
import { describeJsonFault } from './json-fault.ts';

const UNARY_CONTENT = /^application\/(json|proto)\s*(;|$)/i;
/** Deeper than any message of this API, far below any stack. */
const MAX_DEPTH = 16;

interface PendingBody {
  readonly raw: IncomingMessage;
  readonly format: 'json' | 'proto';
  readonly encoding: string | undefined;
}

const bodyKey = createContextKey<PendingBody | null>(null, { description: 'the request body, not read yet' });

/** Fastify's preHandler: a unary Connect body is left in the socket and stands for an empty message until decoded. */
export async function setBodyAside(request: FastifyRequest): Promise<void> {
  const format = UNARY_CONTENT.exec(request.headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (request.method !== 'POST' || format === undefined) return;
  request.body = format === 'json' ? {} : new Uint8Array(0);
}

/** The context values of one call: carries the body that was set aside. */
export function contextOfRequest(request: FastifyRequest): ContextValues {
  const values = createContextValues();
  if (request.body === undefined) return values;
  const format = request.body instanceof Uint8Array ? 'proto' : 'json';
  return values.set(bodyKey, { raw: request.raw, format, encoding: request.headers['content-encoding'] });
}

/** Reads and decodes the body that was set aside; `limitOf` is the largest message of a method, bytes. */
export function decodeBody(limitOf: (input: DescMessage) => number): Interceptor {
  return (next) => async (request) => {
    const body = request.contextValues.get(bodyKey);
    if (body === null || request.stream) return next(request);
    const { input } = request.method;
    const bytes = await readBody(body, limitOf(input));
    const message = body.format === 'json' ? decodeJson(input, bytes) : decodeBinary(input, bytes);
    return next({ ...request, message });
  };
}

async function readBody({ raw, encoding }: PendingBody, maxBytes: number): Promise<Uint8Array> {
  const bytes = await collect(raw, maxBytes);
  // Connect has refused unknown encodings already; the bound holds for what comes out, so a bomb stays small.
  const compression = [compressionGzip, compressionBrotli].find(({ name }) => name === encoding);
  return compression === undefined ? bytes : compression.decompress(bytes, maxBytes);
}

/** All bytes of the body; past the bound the rest is let through unread, so that the answer can still be written. */
function collect(raw: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void) => {
      raw.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      settle();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes) return;
      finish(() => reject(new DomainError('resource_exhausted', `The request is larger than ${maxBytes} bytes.`)));
      raw.on('error', () => {}).resume();
    };
    const onEnd = () => finish(() => resolve(Buffer.concat(chunks, size)));
    const onClose = () => finish(() => reject(new ConnectError('the client went away', Code.Canceled)));
    raw.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
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
