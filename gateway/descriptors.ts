/**
 * File descriptors of this process: how many it may have, and how many it has. A
 * proxy runs out of them first, and what runs out takes the database and the health
 * page along; so the gateway leaves a reserve alone.
 *
 * When they run out all the same, others having taken them: a dial fails with EMFILE and is answered `overloaded`; of
 * clients that connect, libuv accepts and closes those it can, which see a reset without an answer, and the rest
 * waits in the backlog. Nothing has to be done for it to pass.
 */
import { readFileSync, statSync } from 'node:fs';

/** For listeners, the database, the control plane's clients, and what the runtime needs itself. */
export const DESCRIPTOR_RESERVE = 96;

/** The soft limit of this process; Infinity where the system does not tell. Reads a file. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * How many are open now; 0 where the system does not tell. Some microseconds: Linux
 * gives the number as the size of the directory since 6.2, so that nothing is listed.
 */
export function descriptorsInUse(): number {
  return statSync('/proc/self/fd', { throwIfNoEntry: false })?.size ?? 0;
}
