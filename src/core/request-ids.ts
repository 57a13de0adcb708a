/**
 * Ids of requests: a number within the run of a gateway, and the text that everybody
 * outside is told, `<run>-<number in hex>`. What keeps many of them keeps numbers: ten thousand young
 * texts that outlive their youth are work for every collection.
 */

/** Hex digits that a text has at the least. */
const DIGITS = 8;
/** The last two. */
const LOW = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));

/** How numbers and texts belong together. */
export interface RequestNames {
  textOf(number: number): string;
  /** 0: it is the text of none. */
  numberOf(text: string): number;
}

export class RequestIds implements RequestNames {
  readonly #run: string;
  #last = 0;
  /** All of a text but its last two digits, which is the same for 256 numbers in a row. */
  #high = -1;
  #highText = '';

  /** `run`: text that no other run has. */
  constructor(run: string) {
    this.#run = run;
  }

  /** Of the next request; from 1. */
  next(): number {
    return ++this.#last;
  }

  textOf(number: number): string {
    const high = Math.floor(number / 256);
    if (high !== this.#high) {
      this.#high = high;
      this.#highText = `${this.#run}-${high.toString(16).padStart(DIGITS - 2, '0')}`;
    }
    return this.#highText + LOW[number % 256]!;
  }

  numberOf(text: string): number {
    const number = Number.parseInt(text.slice(this.#run.length + 1), 16);
    return number >= 1 && number <= this.#last && this.textOf(number) === text ? number : 0;
  }
}
