/**
 * How much of the memory that this process may have is in use, for `load.ts`: of the heap's old generation, which is
 * what ends a process that fills it, and of what the system allows where that is less than the machine has.
 */
import { totalmem } from 'node:os';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

/** V8's own proportion: without a flag, the young generation may take 3/128 of what the old one may. */
const OLD_SHARE = 128 / 131;

export class Memory {
  readonly #oldLimit: number;
  /** Bytes that a container may have; Infinity where there is no bound of its own. */
  readonly #allowed: number;

  constructor() {
    this.#oldLimit = givenOldLimit() ?? getHeapStatistics().heap_size_limit * OLD_SHARE;
    const constrained = process.constrainedMemory();
    this.#allowed = constrained > 0 && constrained < totalmem() ? constrained : Number.POSITIVE_INFINITY;
  }

  /** The larger of the two shares, in percent. */
  percent(): number {
    let used = 0;
    for (const space of getHeapSpaceStatistics()) if (!isYoung(space.space_name)) used += space.space_used_size;
    return Math.max(used / this.#oldLimit, this.#resident() / this.#allowed) * 100;
  }

  #resident(): number {
    if (this.#allowed === Number.POSITIVE_INFINITY) return 0;
    try {
      return process.memoryUsage.rss();
    } catch {
      // The figure is a file, and there may be no descriptor left to read it with.
      return 0;
    }
  }
}

/** New space, and the large objects in it. */
function isYoung(space: string): boolean {
  return space.startsWith('new_');
}

/** `--max-old-space-size`, in bytes, as it was given to the runtime; the last one counts. */
function givenOldLimit(): number | null {
  const flags = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  const given = flags.findLast((flag) => /^--max[-_]old[-_]space[-_]size=\d+$/.test(flag));
  return given === undefined ? null : Number(given.slice(given.indexOf('=') + 1)) * 1_048_576;
}
