/**
 * The envelope around a message in gRPC, gRPC-Web and Connect's streams: one byte
 * of flags, the length in four (big-endian), then the message. Called by
 * `json-body.ts`; Connect itself wraps the answers.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { malformed } from './domain-error.ts';

export const ENVELOPE_HEAD_BYTES = 5;
/** The one flag that a request may have: its message is compressed. */
const COMPRESSED = 1;

/** Wraps a message, uncompressed. */
export function envelopeOf(data: Uint8Array): Uint8Array {
  const envelope = Buffer.alloc(ENVELOPE_HEAD_BYTES + data.length);
  envelope.writeUInt32BE(data.length, 1);
  envelope.set(data, ENVELOPE_HEAD_BYTES);
  return envelope;
}

/**
 * Opens the one envelope that a request is. Throws `invalid_argument` for a broken one, `unimplemented` for none
 * and for several, as the protocols have it: a method that takes many messages would be another method.
 */
export function openEnvelope(bytes: Uint8Array): { readonly data: Uint8Array; readonly compressed: boolean } {
  if (bytes.length === 0) throw oneMessageOnly();
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length < ENVELOPE_HEAD_BYTES ? Number.POSITIVE_INFINITY : ENVELOPE_HEAD_BYTES + head.getUint32(1);
  const flags = head.getUint8(0);
  if (end > bytes.length || (flags & ~COMPRESSED) !== 0) {
    throw malformed([{ field: 'body', description: 'must be a whole message in an envelope' }]);
  }
  if (end < bytes.length) throw oneMessageOnly();
  return { data: bytes.subarray(ENVELOPE_HEAD_BYTES, end), compressed: (flags & COMPRESSED) !== 0 };
}

function oneMessageOnly(): ConnectError {
  return new ConnectError('The request must be exactly one message.', Code.Unimplemented);
}
