/**
 * Writes that wait at the same time share one transaction, and so one fsync, which
 * is most of what a small write costs. Each keeps its own all-or-none:
 *
 *   begin immediate ─┬─ savepoint ─ work A ─ release ─┬─ commit ── A and C resolve, B rejects
 *                    ├─ savepoint ─ work B ─ rollback ┤
 *                    └─ savepoint ─ work C ─ release ─┘
 *
 * Works run one after the other, each seeing those before it. Nobody hears anything
 * before the commit, not even a refusal, as it may rest on a row of a neighbour.
 */
import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** Bounds how long the first of a group waits for the last, and what one failed commit rejects. */
const MAX_GROUP = 64;

const SAVEPOINT = CompiledQuery.raw('savepoint member');
const RELEASE = CompiledQuery.raw('release member');
const ROLL_BACK = CompiledQuery.raw('rollback to member');

type Work<T> = (tx: Transaction<Schema>) => Promise<T>;

interface Waiting {
  readonly work: Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** The one way to write: a queue in front of the writing handle. */
export class GroupCommit {
  readonly #writer: Kysely<Schema>;
  readonly #refuse: () => void;
  readonly #inTransaction: () => boolean;
  readonly #queue: Waiting[] = [];
  readonly #between: (() => Promise<void>)[] = [];
  #draining: Promise<void> | null = null;

  /** `refuse` is asked before each group and throws when the store must not be written any more. */
  constructor(writer: Kysely<Schema>, refuse: () => void, inTransaction: () => boolean) {
    this.#writer = writer;
    this.#refuse = refuse;
    this.#inTransaction = inTransaction;
  }

  /** Runs `work` and resolves with its result once it is on disk. */
  write<T>(work: Work<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#queue.push({ work, resolve: (value) => resolve(value as T), reject });
    this.#draining ??= this.#drain();
    return promise;
  }

  /** Runs `work` while no transaction is open; writes wait for it, so it must be short. */
  between<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#between.push(() => work().then(resolve, reject));
    this.#draining ??= this.#drain();
    return promise;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#between.length > 0) {
      // Lets every request that has already arrived get as far as the queue; no timer, so nobody waits for company.
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (const work of this.#between.splice(0)) await work();
      if (this.#queue.length > 0) await this.#runGroup();
    }
    this.#draining = null;
  }

  async #runGroup(): Promise<void> {
    const taken: Waiting[] = [];
    const settle: (() => void)[] = [];
    try {
      await this.#writer.transaction().execute(async (tx) => {
        while (this.#queue.length > 0 && taken.length < MAX_GROUP) {
          this.#refuse();
          const waiting = this.#queue.shift()!;
          taken.push(waiting);
          settle.push(await this.#runOne(tx, waiting));
        }
      });
      for (const tell of settle) tell();
    } catch (error) {
      // BEGIN or COMMIT failed, or SQLite gave up the whole transaction: nothing of the group is stored.
      const failed = taken.length > 0 ? taken : this.#queue.splice(0, MAX_GROUP);
      for (const waiting of failed) waiting.reject(error);
    }
  }

  /** How to settle one write once the group is on disk. */
  async #runOne(tx: Transaction<Schema>, { work, resolve, reject }: Waiting): Promise<() => void> {
    await tx.executeQuery(SAVEPOINT);
    try {
      const value = await work(tx);
      await tx.executeQuery(RELEASE);
      return () => resolve(value);
    } catch (error) {
      // After a full disk or an I/O error there may be no transaction left to roll back to.
      if (!this.#inTransaction()) throw error;
      await tx.executeQuery(ROLL_BACK);
      await tx.executeQuery(RELEASE);
      return () => reject(error);
    }
  }
}
