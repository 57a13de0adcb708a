/**
 * Bodies in both directions: a `BodyReader` eats the octets that belong to one
 * body and hands on what travels: the same octets, or nothing of what must not
 * pass (chunk extensions, trailers). It validates every octet of the framing,
 * so that what the other side reads is what we read (RFC 9112 section 7.1).
 *
 *   chunked:  size ─▶ ext ─▶ data ─▶ data-end ─▶ size …
 *               └─ 0 ─▶ trailer lines (field lines; dropped, bounded) ─▶ done
 *
 * A reader is made per body and never allocates per octet: a chunk of input
 * normally leaves as one subarray of itself.
 */

import { isTokenOctet } from './octets.ts';

export type BodyEvent = 'more' | 'done' | 'malformed';

/** Where the octets that travel go, a few times per input chunk at most. It may free them: the reader looks at them no more. */
export type BodySink = (octets: Buffer) => void;

/** Octets of chunk extensions and of trailers in one body, line ends aside; more is an attack (B36, B40). */
const MAX_OVERHEAD = 16_384;

const SIZE = 0;
const SIZE_LF = 1;
const EXTENSION = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const TRAILER_NAME = 7;
const TRAILER_VALUE = 8;
const TRAILER_LF = 9;
const END_LF = 10;

export class BodyReader {
  /** Octets of the last `read` call that belonged to this body. */
  consumed = 0;
  readonly #chunked: boolean;
  /** Whether chunk framing travels too; false hands on bare data, for an HTTP/1.0 recipient. */
  readonly #keepFraming: boolean;
  #remaining: number;
  #state = SIZE;
  #digits = 0;
  #overhead = 0;

  constructor(framing: number | 'chunked' | 'close', keepFraming = true) {
    this.#chunked = framing === 'chunked';
    this.#keepFraming = keepFraming;
    this.#remaining = framing === 'chunked' ? 0 : framing === 'close' ? Number.POSITIVE_INFINITY : framing;
  }

  /** Whether the body has no octet left to come; known at once for length 0. */
  get done(): boolean {
    return !this.#chunked && this.#remaining === 0;
  }

  /** Reads the part of `input` that is body; `consumed` tells how much that was. */
  read(input: Buffer, sink: BodySink): BodyEvent {
    if (this.#chunked) return this.#readChunked(input, sink);
    const n = Math.min(input.length, this.#remaining);
    this.#remaining -= n;
    this.consumed = n;
    if (n > 0) sink(n === input.length ? input : input.subarray(0, n));
    return this.#remaining === 0 ? 'done' : 'more';
  }

  #readChunked(input: Buffer, sink: BodySink): BodyEvent {
    const { length } = input;
    // [from, i) is read and travels on; it is handed over before anything that does not.
    let from = 0;
    let i = 0;
    const flush = (end: number): void => {
      if (end > from) sink(from === 0 && end === length ? input : input.subarray(from, end));
    };
    while (i < length) {
      if (this.#state === DATA) {
        const n = Math.min(length - i, this.#remaining);
        i += n;
        this.#remaining -= n;
        if (this.#remaining > 0) break;
        this.#state = DATA_CR;
        if (!this.#keepFraming) {
          flush(i);
          from = i;
        }
        continue;
      }
      const before = this.#state;
      const verdict = this.#step(input[i]!);
      if (verdict === 'malformed') {
        this.consumed = i;
        return 'malformed';
      }
      const travels = this.#keepFraming && !dropped(before, this.#state);
      if (!travels) {
        flush(i);
        from = i + 1;
      }
      i++;
      if (verdict === 'done') {
        flush(i);
        this.consumed = i;
        return 'done';
      }
    }
    flush(i);
    this.consumed = i;
    return 'more';
  }

  /** One octet of framing. */
  #step(c: number): BodyEvent {
    switch (this.#state) {
      case SIZE:
        return this.#size(c);
      case SIZE_LF:
        if (c !== 10) return 'malformed';
        this.#digits = 0;
        this.#state = this.#remaining === 0 ? TRAILER_START : DATA;
        return 'more';
      case EXTENSION:
        if (c === 13) this.#state = SIZE_LF;
        else if (!isLineOctet(c) || this.#tooMuch()) return 'malformed';
        return 'more';
      case DATA_CR:
        if (c !== 13) return 'malformed';
        this.#state = DATA_LF;
        return 'more';
      case DATA_LF:
        if (c !== 10) return 'malformed';
        this.#state = SIZE;
        return 'more';
      case TRAILER_START:
        if (c === 13) this.#state = END_LF;
        else if (!isTokenOctet(c) || this.#tooMuch()) return 'malformed';
        else this.#state = TRAILER_NAME;
        return 'more';
      case TRAILER_NAME:
        if (c === 0x3a) this.#state = TRAILER_VALUE;
        else if (!isTokenOctet(c)) return 'malformed';
        return this.#tooMuch() ? 'malformed' : 'more';
      case TRAILER_VALUE:
        if (c === 13) this.#state = TRAILER_LF;
        else if (!isLineOctet(c) || this.#tooMuch()) return 'malformed';
        return 'more';
      case TRAILER_LF:
        if (c !== 10) return 'malformed';
        this.#state = TRAILER_START;
        return 'more';
      default:
        return c === 10 ? 'done' : 'malformed';
    }
  }

  #size(c: number): BodyEvent {
    const digit = hexDigit(c);
    if (digit !== -1) {
      // 12 hex digits: far below 2^53, above any real body; leading zeros cannot go on for ever.
      if (++this.#digits > 12) return 'malformed';
      this.#remaining = this.#remaining * 16 + digit;
      return 'more';
    }
    if (this.#digits === 0) return 'malformed';
    if (c === 13) this.#state = SIZE_LF;
    else if (c === 0x3b && !this.#tooMuch()) this.#state = EXTENSION;
    else return 'malformed';
    return 'more';
  }

  /** Counts one more octet that does not travel. */
  #tooMuch(): boolean {
    return ++this.#overhead > MAX_OVERHEAD;
  }
}

/** Whether the octet that took `before` to `after` is one that does not travel: extension or trailer. */
function dropped(before: number, after: number): boolean {
  if (after === EXTENSION || after === TRAILER_NAME) return true;
  return before === TRAILER_NAME || before === TRAILER_VALUE || before === TRAILER_LF;
}

/** VCHAR, SP, HTAB or obs-text: nothing that could end or hide a line. */
function isLineOctet(c: number): boolean {
  return (c >= 0x20 && c !== 0x7f) || c === 9;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
