/**
 * Bindings of accounts on their way from the index to the store. Admission pushes
 * what the index decided in a request's turn and waits for nothing; here it is handed
 * on in order, a batch at a time, until the store has it.
 *
 *   push ─▶ waiting (≤ 10,000, one an account) ─▶ batch under way (≤ 500) ─▶ verdicts
 *     └ no room: refused                            └ failed: the same batch again, after a pause
 *
 * Invariant: what was taken is waiting, under way, or was answered with a verdict,
 * until `close`. A batch that failed may be on disk, so it is repeated as it was:
 * what came later for its accounts stays behind it.
 */
import {
  type AccountBinding,
  type BindingVerdict,
  MAX_BINDINGS,
  type RecordBindings,
} from '../src/core/account-binding.ts';
import { FIELD, type Logger } from '../src/core/log.ts';
import type { MoveReason } from '../src/core/pool-index/choice.ts';
import { Deadline, type Deadlines } from './deadlines.ts';

/** Accounts that wait while the store takes nothing: some megabytes. */
export const MAX_WAITING = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export class BindingQueue {
  /** Told of a binding that is not taken, in the turn of its `push`: nobody will write it down. */
  onRefused: (binding: AccountBinding) => void = () => {};
  /** Told what became of a binding; the index has what the store says of its account by then. */
  onVerdict: (binding: AccountBinding, verdict: BindingVerdict) => void = () => {};
  /** Bindings refused since the start. */
  refused = 0;
  /** Moves taken since the start, by reason. */
  readonly moves: Record<MoveReason, number> = {
    removed: 0,
    disabled: 0,
    provider_disabled: 0,
    ejected: 0,
    failed: 0,
    unwanted: 0,
    max_age: 0,
  };
  readonly #record: RecordBindings;
  readonly #deadlines: Deadlines;
  readonly #log: Logger;
  readonly #retry: Deadline;
  /** By pool and account; ids of pools have one length. */
  readonly #waiting = new Map<string, AccountBinding>();
  /** Handed over, or about to be again. */
  #batch: readonly AccountBinding[] = [];
  #isUnderWay = false;
  /** Hands over what a turn has pushed, once that turn is over. */
  #next: NodeJS.Immediate | null = null;
  /** 0: the last batch was taken. */
  #pauseMs = 0;
  #isRefusing = false;
  #isClosed = false;
  readonly #drains = new Set<(isEmpty: boolean) => void>();

  constructor(record: RecordBindings, deadlines: Deadlines, log: Logger) {
    this.#record = record;
    this.#deadlines = deadlines;
    this.#log = log;
    this.#retry = new Deadline(deadlines, () => void this.#handOver());
  }

  /** Bindings without a verdict. */
  get size(): number {
    return this.#waiting.size + this.#batch.length;
  }

  /** Takes a binding that the index made, or refuses it when there is no room; never waits. */
  push(binding: AccountBinding): void {
    const key = binding.poolId + binding.accountName;
    const earlier = this.#waiting.get(key);
    if (this.#isClosed || (earlier === undefined && this.#waiting.size >= MAX_WAITING)) return this.#refuse(binding);
    if (binding.reason !== 'first_use') this.moves[binding.reason]++;
    this.#waiting.set(key, earlier === undefined ? binding : merged(earlier, binding));
    const isIdle = !this.#isUnderWay && this.#pauseMs === 0;
    if (isIdle) this.#next ??= setImmediate(() => void this.#handOver());
  }

  /** Waits up to `deadlineMs` until every binding has its verdict, trying more often; false when some have none. */
  drain(deadlineMs: number): Promise<boolean> {
    if (this.size === 0) return Promise.resolve(true);
    if (this.#isClosed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const deadline = new Deadline(this.#deadlines, () => done(false));
      const done = (isEmpty: boolean): void => {
        deadline.release();
        this.#drains.delete(done);
        resolve(isEmpty);
      };
      this.#drains.add(done);
      deadline.arm(deadlineMs);
      void this.#handOver();
    });
  }

  /** Hands nothing over any more and refuses what comes; says so when something is left. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#next !== null) clearImmediate(this.#next);
    this.#retry.release();
    for (const done of this.#drains) done(false);
    if (this.size > 0) this.#log.error({ bindings: this.size }, 'bindings of accounts may be lost');
  }

  #refuse(binding: AccountBinding): void {
    this.refused++;
    if (!this.#isRefusing) this.#log.error({}, 'bindings of accounts are refused: no more can wait to be written');
    this.#isRefusing = true;
    this.onRefused(binding);
  }

  async #handOver(): Promise<void> {
    if (this.#next !== null) clearImmediate(this.#next);
    this.#next = null;
    while (!this.#isUnderWay && !this.#isClosed) {
      if (this.#batch.length === 0) this.#batch = this.#takeBatch();
      if (this.#batch.length === 0) return;
      this.#retry.disarm();
      this.#isUnderWay = true;
      let verdicts: readonly BindingVerdict[];
      try {
        verdicts = await this.#record(this.#batch);
      } catch (error) {
        return this.#failed(error);
      }
      this.#settled(verdicts);
    }
  }

  #takeBatch(): AccountBinding[] {
    const batch: AccountBinding[] = [];
    for (const [key, binding] of this.#waiting) {
      if (batch.length === MAX_BINDINGS) break;
      batch.push(binding);
      this.#waiting.delete(key);
    }
    return batch;
  }

  #settled(verdicts: readonly BindingVerdict[]): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#isUnderWay = false;
    if (this.#pauseMs > 0) this.#log.info({}, 'bindings of accounts are written again');
    this.#pauseMs = 0;
    this.#retry.release();
    batch.forEach((binding, index) => {
      this.onVerdict(binding, verdicts[index]!);
    });
    if (this.size > 0) return;
    this.#isRefusing = false;
    for (const done of this.#drains) done(true);
  }

  #failed(error: unknown): void {
    this.#isUnderWay = false;
    if (this.#isClosed) return;
    if (this.#pauseMs === 0) {
      const fields = { [FIELD.error]: error };
      this.#log.error(fields, 'bindings of accounts could not be written: held, and tried again');
    }
    const isHurried = this.#pauseMs === 0 || this.#drains.size > 0;
    this.#pauseMs = isHurried ? FIRST_PAUSE_MS : Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    this.#retry.arm(this.#pauseMs);
  }
}

/** Two steps of an account as one: from where the first began, which is what the store knows, to where the last ended. */
function merged(earlier: AccountBinding, later: AccountBinding): AccountBinding {
  const { previousSessionId } = earlier;
  return { ...later, previousSessionId, reason: previousSessionId === null ? earlier.reason : later.reason };
}
