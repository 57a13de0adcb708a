/**
 * What a connection's last request said, by its octets: a client that keeps its connection
 * sends the same header fields again and again, under another request line, and often
 * for the same host. Equal octets mean the same, so nothing is decided here.
 *
 * Bound: the fields' MAX_BYTES and one authority a connection, no fields before its second
 * request; a tunnel keeps nothing.
 */
import type { FieldSection } from './fields.ts';
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
    this.#octets = Buffer.from(buffer.subarray(from, end));
    this.#fields = fields;
  }
}
