/** Ids of the API, 16 bytes, as text that can be compared and shown. */

/** As UUID text: what proxy usernames and the command line take. */
export function uuidOf(id: Uint8Array): string {
  let hex = '';
  for (const byte of id) hex += byte.toString(16).padStart(2, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** From UUID text; of other text whatever its hexadecimal digits say. */
export function idOf(uuid: string): Uint8Array<ArrayBuffer> {
  const pairs = uuid.replaceAll('-', '').match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}
