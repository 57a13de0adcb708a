/**
 * The edge between ids as UUID text (everywhere) and as 16-byte blobs (in the
 * file and in `bytes` fields of messages). Byte order is text order, so an index
 * over blobs walks v7 ids in order of creation.
 */

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether `text` is a UUID in its canonical spelling: lower case, with hyphens, of any version. */
export function isUuidText(text: string): boolean {
  return UUID_TEXT.test(text);
}

/** The 16 bytes of a canonical UUID text; throws a RangeError for anything else. */
export function uuidToBlob(uuid: string): Buffer {
  const blob = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  // A cheap check: Buffer.from stops at the first character that is not hexadecimal.
  if (blob.length !== 16 || uuid.length !== 36) throw new RangeError('an id must be UUID text');
  return blob;
}

/** The canonical UUID text of 16 bytes, branded as the caller's id type; throws a RangeError for another length. */
export function blobToUuid<Id extends string>(blob: Uint8Array): Id {
  if (blob.length !== 16) throw new RangeError('an id must be 16 bytes');
  const hex = Buffer.from(blob.buffer, blob.byteOffset, 16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Id;
}
