/**
 * How much of a chunked body has come, for its bound: the content alone, as a length would tell it. `forward.ts`
 * asks before octets travel on, so nothing beyond the bound does. A body with a length is refused by that.
 */
import { BodyReader } from './http1/framing.ts';

export class BodyLimit {
  readonly #reader = new BodyReader('chunked', false);
  /** Octets of content that may still come. */
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  /** Counts octets of the body as they came; true: its content is beyond the bound. */
  exceededBy(octets: Buffer): boolean {
    this.#reader.read(octets, (piece) => {
      this.#left -= piece.length;
    });
    return this.#left < 0;
  }
}
