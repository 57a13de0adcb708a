/**
 * A plaintext in flight. Printing, logging, serialising or inspecting one gives
 * `[redacted]`; the only way to the text is `reveal()`, which is easy to search
 * for. Not a structured-clone type: reveal it where it leaves for the gateway.
 */
import { inspect } from 'node:util';

const REDACTED = '[redacted]';

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The plaintext. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
