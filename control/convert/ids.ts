/** Ids and times between records (UUID text, milliseconds) and messages (bytes, timestamps). */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { blobToUuid, uuidToBlob } from '../store/uuid-blob.ts';

/** The id that 16 bytes of a message name; the message was checked before. */
export function idFrom<Id extends string>(bytes: Uint8Array): Id {
  return blobToUuid<Id>(bytes);
}

/** An id as the 16 bytes of a message. */
export function idBytes(uuid: string): Uint8Array<ArrayBuffer> {
  // Not copied: a bulk answer converts 200,000 of them.
  return uuidToBlob(uuid) as Buffer<ArrayBuffer>;
}

/** An id as JSON shows it: padded standard base64. */
export function idText(uuid: string): string {
  return uuidToBlob(uuid).toString('base64');
}

/** What every versioned message has. One that was never changed has one time, in both places. */
export function stamps(record: { version: number; createdAtMs: number; updatedAtMs: number }) {
  const createdAt = timestampFromMs(record.createdAtMs);
  return {
    version: BigInt(record.version),
    createdAt,
    updatedAt: record.updatedAtMs === record.createdAtMs ? createdAt : timestampFromMs(record.updatedAtMs),
  };
}
