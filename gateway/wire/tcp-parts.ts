/**
 * What the wires of one gateway share that are on handles: their memory, and what they put
 * off until the event loop has done all that it has in hand (the check phase of its turn): to
 * write text, and to tell that they are gone.
 *
 * Writes that follow each other closely wake whom they are for once, not once each: a fifth of a
 * forwarded request's CPU (docs/decisions/0026).
 */
import type { ReadMemory } from './read-memory.ts';
import type { Request, TcpBinding } from './tcp-binding.ts';

/** A wire as far as something of it is put off. */
interface Deferring {
  /** Writes what it holds back. */
  flush(): void;
  /** Tells its holder that it is gone. */
  gone(): void;
}

/** Wires whose text is held back: what was said first waits for the work of so many, some tenths of a millisecond. */
const MAX_SPOKEN = 64;

export class TcpParts {
  readonly binding: TcpBinding;
  readonly memory: ReadMemory;
  /** For the next write. libuv has one in use only where the kernel did not take all, and then another is made. */
  writeRequest: Request;
  #spoken: Deferring[] = [];
  #closed: Deferring[] = [];
  #isDue = false;

  constructor(binding: TcpBinding, memory: ReadMemory) {
    this.binding = binding;
    this.memory = memory;
    this.writeRequest = new binding.WriteRequest();
  }

  /** Flushes a wire before long. */
  flushLater(wire: Deferring): void {
    if (this.#spoken.push(wire) === MAX_SPOKEN) this.#flush();
    else this.#fallDue();
  }

  /** Has a wire tell that it is gone. */
  tellLater(wire: Deferring): void {
    this.#closed.push(wire);
    this.#fallDue();
  }

  /** Does what was put off. */
  settle(): void {
    this.#isDue = false;
    this.#flush();
    const closed = this.#closed;
    this.#closed = [];
    for (const wire of closed) wire.gone();
  }

  #flush(): void {
    const spoken = this.#spoken;
    this.#spoken = [];
    for (const wire of spoken) wire.flush();
  }

  #fallDue(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(settle, this);
  }
}

function settle(parts: TcpParts): void {
  parts.settle();
}
