/**
 * What a rotating provider's tokens look like: one character class and a length or a
 * range of lengths, `[A-Za-z0-9_]{8,16}`. The control plane checks formats and tokens
 * with it; the gateway mints tokens and spells values by it.
 *
 * Invariant: whatever a format says, its tokens hold letters, digits and `_~.-` only:
 * no colon, `@`, blank or control character.
 */

/** A format, ready to judge tokens and to make them. */
export interface TokenFormat {
  /** Its characters, each once, in the order of their codes. */
  readonly alphabet: string;
  /** Shortest and longest token, 1–256. */
  readonly min: number;
  readonly max: number;
  fits(token: string): boolean;
}

const MAX_LENGTH = 256;
/** One character class of letters, digits, ranges and `_~.-`, then a length or a range of lengths. */
const GRAMMAR = /^\[((?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_~.])+-?)\]\{(\d{1,3})(?:,(\d{1,3}))?\}$/;
/** A range, or a character by itself; a dash is one at the end only. */
const MEMBER = /(.)(?:-(.))?/g;
/** Of `[A-z]`, too, only what may stand in a class by itself: between the cases lie brackets and a backslash. */
const ALLOWED = /[A-Za-z0-9_~.-]/;
const ASCII_END = 128;

/** Compiles a format; null for text that is none. */
export function compileTokenFormat(format: string): TokenFormat | null {
  const match = GRAMMAR.exec(format);
  if (match === null) return null;
  const [, characters = '', from = '', to = from] = match;
  const [min, max] = [Number(from), Number(to)];
  if (min < 1 || max > MAX_LENGTH || min > max) return null;
  const holds = new Uint8Array(ASCII_END);
  for (const [, first = '', last = first] of characters.matchAll(MEMBER)) {
    if (first > last) return null;
    for (let code = first.charCodeAt(0); code <= last.charCodeAt(0); code++) {
      if (ALLOWED.test(String.fromCharCode(code))) holds[code] = 1;
    }
  }
  const alphabet = [...holds.keys()].filter((code) => holds[code] === 1).map((code) => String.fromCharCode(code));
  return { alphabet: alphabet.join(''), min, max, fits: (token) => isMadeOf(token, holds, min, max) };
}

function isMadeOf(token: string, holds: Uint8Array, min: number, max: number): boolean {
  const { length } = token;
  if (length < min || length > max) return false;
  // Beyond ASCII the table answers undefined.
  for (let i = 0; i < length; i++) if (holds[token.charCodeAt(i)] !== 1) return false;
  return true;
}
