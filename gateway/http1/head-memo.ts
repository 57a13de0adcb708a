/**
 * What a connection's last head said, by its octets: a client that keeps its connection
 * sends the same header fields again and again, under another request line, and often
 * for the same host; an upstream answers in the same words. Equal octets mean the same, so
 * nothing is decided here.
 *
 * Bound: MAX_BYTES and one authority a connection, no octets before its second head; a
 * tunnel keeps nothing.
 */
import type { FieldSection } from './fields.ts';
import type { ReplyHead } from './reply-head.ts';
import type { AuthorityMemo, KnownAuthority } from './target.ts';

const MAX_BYTES = 1_024;

export class HeadMemo implements AuthorityMemo {
  authority: KnownAuthority | null = null;
  #heads = 0;
  #octets: Buffer | null = null;
  #fields: FieldSection | null = null;

  /** Octets of the section, the empty line that ends it included; 0: none is known. */
  get length(): number {
    return this.#octets === null ? 0 : this.#octets.length;
  }

  /** What the section says that begins at `from`; null unless it is the one that is known, whole. */
  find(buffer: Buffer, from: number): FieldSection | null {
    const octets = this.#octets;
    if (octets === null) return null;
    const end = from + octets.length;
    return end <= buffer.length && buffer.compare(octets, 0, octets.length, from, end) === 0 ? this.#fields : null;
  }

  /** The section from `from` to `end`, its empty line included, was read. */
  put(buffer: Buffer, from: number, end: number, fields: FieldSection): void {
    if (++this.#heads < 2 || end - from > MAX_BYTES) return;
    this.#octets = keptCopy(buffer, from, end, this.#octets);
    this.#fields = fields;
  }
}

/** Heads in a row that were all new, after which no more are looked at: such an upstream never says the same again. */
const MAX_NEW = 32;

/** The last reply head of an upstream, to requests of one method. */
export class ReplyMemo {
  #octets: Buffer | null = null;
  #reply: ReplyHead | null = null;
  #method = '';
  #isHarmless = false;
  /** In a row. */
  #new = 0;

  /** What the head says that `buffer` begins with; null unless it is the one that is known, whole. */
  find(buffer: Buffer, method: string): ReplyHead | null {
    const octets = this.#octets;
    if (octets === null || method !== this.#method || buffer.length < octets.length) return null;
    if (buffer.compare(octets, 0, octets.length, 0, octets.length) !== 0) return null;
    this.#new = 0;
    return this.#reply;
  }

  /** The head that `buffer` begins with was read. */
  put(buffer: Buffer, method: string, reply: ReplyHead): void {
    if (++this.#new === 1 || this.#new > MAX_NEW || reply.size > MAX_BYTES) return;
    this.#octets = keptCopy(buffer, 0, reply.size, this.#octets);
    this.#reply = reply;
    this.#method = method;
    this.#isHarmless = false;
  }

  /** Whether it is the known one, and was found to hold nothing that must not pass. */
  knowsHarmless(reply: ReplyHead): boolean {
    return this.#isHarmless && reply === this.#reply;
  }

  /** It holds nothing that must not pass. */
  foundHarmless(reply: ReplyHead): void {
    if (reply === this.#reply) this.#isHarmless = true;
  }
}

/**
 * Octets that live as long as a connection, in memory of their own: `Buffer.from` takes a piece of a slab
 * of 64 KiB, which stays whole for the sake of one head. What was kept before gives its memory, if it has the length.
 */
function keptCopy(buffer: Buffer, from: number, end: number, before: Buffer | null): Buffer {
  const copy = before?.length === end - from ? before : Buffer.allocUnsafeSlow(end - from);
  buffer.copy(copy, 0, from, end);
  return copy;
}
