/**
 * What the wires of one gateway share that are on handles: their memory, and what they put off.
 *
 *   text to write ─▶ behind all that the event loop has in hand (the check phase of its turn)
 *   gone          ─▶ behind the call that closed it
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

  constructor(binding: TcpBinding, memory: ReadMemory) {
    this.binding = binding;
    this.memory = memory;
    this.writeRequest = new binding.WriteRequest();
  }

  /** Flushes a wire before long. */
  flushLater(wire: Deferring): void {
    const count = this.#spoken.push(wire);
    if (count === MAX_SPOKEN) flushSpoken(this);
    else if (count === 1) setImmediate(flushSpoken, this);
  }

  /** The same at once, of all that wait. */
  flush(): void {
    const spoken = this.#spoken;
    this.#spoken = [];
    for (const wire of spoken) wire.flush();
  }

  /** Has a wire tell that it is gone, behind the call that it is in. */
  tellLater(wire: Deferring): void {
    if (this.#closed.push(wire) === 1) process.nextTick(tellClosed, this);
  }

  tellClosed(): void {
    const closed = this.#closed;
    this.#closed = [];
    for (const wire of closed) wire.gone();
  }
}

function flushSpoken(parts: TcpParts): void {
  parts.flush();
}

function tellClosed(parts: TcpParts): void {
  parts.tellClosed();
}
