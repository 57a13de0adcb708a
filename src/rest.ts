/**
 * Gives memory back once the process has come to rest. V8 keeps what a crowd made the
 * heap grow to for as long as nobody allocates, and that may be for ever: 100,000
 * short tunnels left 285 MiB resident, of which 30 were in use (`bench/`, churn).
 *
 *   busy ──▶ at rest for 2 s ──▶ collected ──▶ shrunk, while that helps ──▶ nothing more, until it has grown anew
 *     ▲────────────┴─ a turn of work ┴─────────────────┘
 *
 * Each step stops the thread, for one to three milliseconds a MiB in use: so none is taken while anything is
 * done, nor is a large heap shrunk, of which what could be given back is the smaller part. Each of the two
 * threads has one of its own.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { Heap, type HeapUse } from './core/heap.ts';

/** Time between two looks. */
export const LOOK_MS = 500;
/** Looks in a row that must find it at rest: 2 s. */
const RESTING = 4;
/** Share of a look's time that the process may be awake at rest: its own reports and samples are 1 to 2 %. */
const AWAKE = 0.05;
/** What the heap must have grown by for it to be worth the stops. */
const WORTHWHILE_BYTES = 8 << 20;
/** A heap with more in use than this is not shrunk. */
const LARGE_BYTES = 64 << 20;
/** A shrink that frees less was the last one. Each ages what was compiled and is not used, so that a few in a row free more. */
const HELPS_BYTES = 1 << 20;

export type Step = 'nothing' | 'collect' | 'shrink';

export class Rest {
  readonly #heap = new Heap();
  #looks = 0;
  /** What the heap held when there was nothing more to give back. */
  #settledBytes = 0;
  #last: Step = 'nothing';
  #stepped = false;
  /** What was in use before the last step. */
  #usedBefore = 0;
  #before: EventLoopUtilization | undefined;
  #timer: NodeJS.Timeout | null = null;

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What is to be done after a look that found the process awake for this share of the time, and its heap like this. */
  take(awake: number, { reservedBytes, usedBytes }: HeapUse): Step {
    // The first look after a step has seen the step itself.
    if (this.#stepped) {
      this.#stepped = false;
      return 'nothing';
    }
    const last = this.#last;
    this.#last = 'nothing';
    if (awake > AWAKE) this.#looks = 0;
    else this.#looks++;
    if (this.#looks < RESTING || reservedBytes - this.#settledBytes < WORTHWHILE_BYTES) return 'nothing';
    const freed = this.#usedBefore - usedBytes;
    if (last === 'nothing') this.#last = 'collect';
    else if (usedBytes <= LARGE_BYTES && (last === 'collect' || freed >= HELPS_BYTES)) this.#last = 'shrink';
    else this.#settledBytes = reservedBytes;
    this.#usedBefore = usedBytes;
    this.#stepped = this.#last !== 'nothing';
    return this.#last;
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    const step = this.take(utilization, this.#heap.use());
    if (step === 'collect') this.#heap.collect();
    if (step === 'shrink') this.#heap.shrink();
  }
}
