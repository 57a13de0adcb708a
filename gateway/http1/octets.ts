/**
 * Character classes of RFC 9110 section 5.6.2 and RFC 9112, as tables over one
 * octet. Heads are handled as latin1 strings: one character is one octet, so
 * what is copied out is byte for byte what came in.
 */

const TCHAR = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TCHAR[c.charCodeAt(0)] = 1;
}

/** Octets of a field value: HTAB, SP, VCHAR, obs-text. */
const FIELD_VALUE = new Uint8Array(256);
FIELD_VALUE[9] = 1;
for (let c = 0x20; c < 0x7f; c++) FIELD_VALUE[c] = 1;
for (let c = 0x80; c < 0x100; c++) FIELD_VALUE[c] = 1;

/** The index at or after `start` of the first octet that no token may hold. */
export function tokenEnd(octets: Uint8Array, start: number): number {
  let i = start;
  while (TCHAR[octets[i]!] === 1) i++;
  return i;
}

/** The index at or after `start` of the first octet that no field value may hold. */
export function fieldValueEnd(octets: Uint8Array, start: number): number {
  let i = start;
  while (FIELD_VALUE[octets[i]!] === 1) i++;
  return i;
}

/** Whether text[start, end) is a non-empty token. */
export function isToken(text: string, start: number, end: number): boolean {
  if (start >= end) return false;
  for (let i = start; i < end; i++) {
    if (TCHAR[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether octets[start, end) are all such that a field value may hold them: no control, no bare CR or LF, no NUL. */
export function isFieldValue(octets: Uint8Array, start: number, end: number): boolean {
  return fieldValueEnd(octets, start) >= end;
}

/** Whether octets[start, end) are visible ASCII only, as a request target must be. */
export function isVisible(octets: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = octets[i]!;
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

/** Whether octets from `from` on have a CR or an LF that is not part of a CRLF; a CR at the very end may still become one. */
export function hasBareLineEnd(octets: Buffer, from: number): boolean {
  for (let i = from; i < octets.length; i++) {
    const c = octets[i];
    if (c === 10 && octets[i - 1] !== 13) return true;
    if (c === 13 && i + 1 < octets.length && octets[i + 1] !== 10) return true;
  }
  return false;
}

/**
 * The same text, keeping no other in memory. A part cut out of a head is to V8 a view of the whole head, credentials
 * included: what outlives its request must be a copy. (V8 copies what it has to join; 120 ns.)
 */
export function ownCopy(text: string): string {
  return ` ${text}`.slice(1);
}

/** text[start, end) without the optional whitespace around it (RFC 9110 section 5.6.3). */
export function trimOws(text: string, start: number, end: number): string {
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isOws(c: number): boolean {
  return c === 0x20 || c === 0x09;
}
