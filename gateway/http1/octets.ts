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

/** Whether this octet may stand in a token. */
export function isTokenOctet(octet: number): boolean {
  return TCHAR[octet] === 1;
}

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

/**
 * Whether octets from `from` on have one that stands nowhere in a head: a control octet, or a CR or an LF that is not
 * part of a CRLF. A CR at the very end may still become one.
 */
export function hasStrayOctet(octets: Uint8Array, from: number): boolean {
  for (let i = fieldValueEnd(octets, from); i < octets.length; i = fieldValueEnd(octets, i + 1)) {
    const paired = octets[i] === 10 ? octets[i - 1] === 13 : octets[i] === 13 && (octets[i + 1] ?? 10) === 10;
    if (!paired) return true;
  }
  return false;
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
