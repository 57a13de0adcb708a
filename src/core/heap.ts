/**
 * The JavaScript heap of this thread: what it holds, and the two ways to ask V8 for
 * some of it back. For `gateway/load.ts`, which must know garbage from a full heap,
 * and `src/rest.ts`.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** In bytes: the pages that the heap holds, and what of them is in use or not yet collected. */
export interface HeapUse {
  readonly reservedBytes: number;
  readonly usedBytes: number;
}

/**
 * Keeps V8 from making objects in the old generation because most of their kind outlived a few collections: what lives
 * as long as a connection looks like that while the young generation is small, and there, once dead, keeps all that
 * it refers to alive until the next full collection (docs/decisions/0025). Of the whole process, before it serves.
 */
export function keepYoungObjectsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}

/**
 * Keeps the young generation as small as it begins: a command that works through a long list makes much that dies at
 * once, for which V8 would take sixty megabytes more. Of the whole process, before it has made much.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

type Collect = (how: { type: 'major'; execution: 'async'; flavor: 'regular' | 'last-resort' }) => Promise<void>;

export class Heap {
  #gc: Collect | null = null;

  use(): HeapUse {
    const { total_heap_size: reservedBytes, used_heap_size: usedBytes } = getHeapStatistics();
    return { reservedBytes, usedBytes };
  }

  /** Collects garbage, in a task of its own: stops everything for as long as marking the heap takes. */
  collect(): void {
    void this.#collector()({ type: 'major', execution: 'async', flavor: 'regular' });
  }

  /** Collects in several rounds, and gives the pages that are empty then back to the system; in a task of its own, too. */
  shrink(): void {
    void this.#collector()({ type: 'major', execution: 'async', flavor: 'last-resort' });
  }

  #collector(): Collect {
    if (this.#gc !== null) return this.#gc;
    // The only way to ask for it that needs no flag at the start.
    setFlagsFromString('--expose-gc');
    this.#gc = runInNewContext('gc') as Collect;
    return this.#gc;
  }
}
