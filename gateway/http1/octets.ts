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

/** Whether text[start, end) is a non-empty token. */
export function isToken(text: string, start: number, end: number): boolean {
  if (start >= end) return false;
  for (let i = start; i < end; i++) {
    if (TCHAR[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether text[start, end) has only octets that a field value may hold: no control, no bare CR or LF, no NUL. */
export function isFieldValue(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (FIELD_VALUE[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether text[start, end) is visible ASCII only, as a request target must be. */
export function isVisible(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
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

/** text[start, end) without the optional whitespace around it (RFC 9110 section 5.6.3). */
export function trimOws(text: string, start: number, end: number): string {
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isOws(c: number): boolean {
  return c === 0x20 || c === 0x09;
}
