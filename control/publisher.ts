/**
 * Committed changes on their way to the gateway, in commit order.
 *
 *   write(tx) … reserve() ──┐ commit ── publish(changes) ──┐
 *   write(tx) … reserve() ──┴─ queue: [slot][slot]… ── head filled? ── apply(≤ 250 changes) ── resolves
 *                                          └ drop() when the transaction was rolled back
 *
 * A slot is taken as the last act inside a transaction: transactions run one at a
 * time, so slots stand in commit order, whatever order the callers wake up in.
 * Invariant: a change leaves only when every slot before it has left or was dropped.
 */
import type { Change } from '../src/core/model.ts';
import { DomainError } from './domain-error.ts';

/** Changes in one message: about a millisecond of the gateway's thread, to read them and to apply them. */
const CHANGES_PER_MESSAGE = 250;

/** A place in commit order: exactly one of the two must be called. */
export interface Slot {
  /** Resolves when the gateway's next request sees the changes; rejects with `unavailable` when it never will. */
  publish(changes: readonly Change[]): Promise<void>;
  drop(): void;
}

export interface Publisher {
  reserve(): Slot;
  /** True once the gateway failed to take a committed change: store and index may differ from then on. */
  isBroken(): boolean;
}

interface Entry {
  /** null until published. */
  changes: readonly Change[] | null;
  dropped: boolean;
  readonly settled: PromiseWithResolvers<void>;
}

/** `apply` is the gateway's; `onFailure` is told once, with its error, as the process cannot go on honestly. */
export function createPublisher(
  apply: (changes: readonly Change[]) => Promise<void>,
  onFailure: (error: unknown) => void,
): Publisher {
  const queue: Entry[] = [];
  let pumping = false;
  let broken = false;

  /** Takes every slot from the head that is ready. */
  function takeReady(): Entry[] {
    let ready = 0;
    while (ready < queue.length && (queue[ready]!.dropped || queue[ready]!.changes !== null)) ready++;
    return queue.splice(0, ready);
  }

  async function pump(): Promise<void> {
    if (pumping) return;
    pumping = true;
    // Writes of one group commit wake up one after the other, in this very turn: what they changed goes in one message.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    for (let ready = takeReady(); ready.length > 0; ready = takeReady()) {
      try {
        if (broken) throw new Error('the publisher is broken');
        await applyInSlices(
          apply,
          ready.flatMap((entry) => entry.changes ?? []),
        );
        for (const entry of ready) entry.settled.resolve();
      } catch (error) {
        if (!broken) {
          broken = true;
          onFailure(error);
        }
        for (const entry of ready) entry.settled.reject(new DomainError('unavailable'));
      }
    }
    pumping = false;
  }

  return {
    isBroken: () => broken,
    reserve() {
      const entry: Entry = { changes: null, dropped: false, settled: Promise.withResolvers() };
      queue.push(entry);
      return {
        publish(changes) {
          entry.changes = changes;
          void pump();
          return entry.settled.promise;
        },
        drop() {
          entry.dropped = true;
          void pump();
        },
      };
    },
  };
}

/** Applies changes in order, a bounded number a message. */
export async function applyInSlices(
  apply: (changes: readonly Change[]) => Promise<void>,
  changes: readonly Change[],
): Promise<void> {
  for (let i = 0; i < changes.length; i += CHANGES_PER_MESSAGE) {
    await apply(changes.slice(i, i + CHANGES_PER_MESSAGE));
  }
}
