/**
 * The second choice for names that DNS does not know: the system's own look-up,
 * with whatever it is configured for (search domains, mDNS, NSS modules). It blocks
 * one of the few threads that files share, for as long as it likes, so few run at
 * once and few wait.
 */
import { lookup } from 'node:dns';
import type { Address } from './name-resolver.ts';

/** Look-ups at once, of the pool's four threads. */
const MAX_RUNNING = 2;
const MAX_WAITING = 64;

interface Waiting {
  readonly name: string;
  /** Whether anybody still waits for it. */
  readonly wanted: () => boolean;
  readonly done: (found: readonly Address[]) => void;
}

export class SystemLookup {
  #running = 0;
  readonly #waiting: Waiting[] = [];

  /** The name's addresses; none where the system knows none either, or too many wait already. */
  find(name: string, wanted: () => boolean, done: (found: readonly Address[]) => void): void {
    if (this.#running < MAX_RUNNING) this.#run({ name, wanted, done });
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ name, wanted, done });
    else done([]);
  }

  #run({ name, done }: Waiting): void {
    this.#running++;
    lookup(name, { all: true, order: 'ipv4first' }, (error, found) => {
      this.#running--;
      this.#next();
      done(error === null ? (found as readonly Address[]) : []);
    });
  }

  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.wanted()) return this.#run(next);
      next.done([]);
    }
  }
}
