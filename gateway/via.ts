/**
 * `Via` (RFC 9110 section 7.6.3): the line that a pool may ask us to add, and how a
 * request that comes back to us is told by it. Our name in it is a pseudonym of
 * this run alone: two gateways in a row are no loop, and it tells nobody where we are.
 */

const VIA_LINE = /(?:^|\r\n)via:([^\r\n]*)/gi;

export class Via {
  readonly #pseudonym: string;
  /** Until we have sent it once, nobody can send it back. */
  #sent = false;

  /** `run`: random text of token characters. */
  constructor(run: string) {
    this.#pseudonym = `sallyport-${run}`;
  }

  /** The line that says we got the message in HTTP/1.`minor`. */
  line(minor: number): string {
    this.#sent = true;
    return `Via: 1.${minor} ${this.#pseudonym}\r\n`;
  }

  /** Whether these header lines say that we had the message before. */
  isLoop(lines: string): boolean {
    return this.#sent && lines.includes(this.#pseudonym) && this.#isNamed(lines);
  }

  /** `Via = #( received-protocol RWS received-by [ RWS comment ] )`: as the received-by of an entry, not in a comment. */
  #isNamed(lines: string): boolean {
    for (const [, value] of lines.matchAll(VIA_LINE)) {
      for (const entry of value!.split(',')) if (entry.trim().split(/[ \t]+/)[1] === this.#pseudonym) return true;
    }
    return false;
  }
}
