/**
 * How loaded this process is, by what is measured and not by what is counted: the heap, the descriptors, and how
 * late the event loop comes. `server.ts` starts it; connections look at `level` only, one comparison.
 *
 *   NORMAL ──▶ EASING (answers end their connection) ──▶ SHEDDING (new requests: 503 before any work)
 *      ▲──────────┴────────────────────────────────────────┘
 *
 * A level is entered, or left, when every sample of a second says so, and left only well below where it was
 * entered: garbage that the next collection takes is no load, nor is one slow turn. What is under way goes on.
 *
 * Who is refused allocates next to nothing, so after the load nobody may cause that collection, and garbage would keep
 * the level for ever: a figure that has not fallen for some time is told from a full heap by collecting.
 */
import type { Clock } from '../src/core/clock.ts';
import { Heap } from '../src/core/heap.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import { FIELD, type Logger } from '../src/core/log.ts';
import { descriptorsInUse } from './descriptors.ts';
import { Memory } from './memory.ts';

export const NORMAL = 0;
export const EASING = 1;
export const SHEDDING = 2;
export type LoadLevel = typeof NORMAL | typeof EASING | typeof SHEDDING;

/** Shares of what there is, in percent; how late the sample itself came, in milliseconds. */
export interface LoadSample {
  readonly heapPercent: number;
  readonly descriptorPercent: number;
  readonly delayMs: number;
}

/** Time between two samples. */
export const SAMPLE_MS = 250;
/** So many samples in a row must agree before the level changes: a second. */
const AGREEING = 4;
/** While a level is held, so many samples in a row without a fall of the heap, and it is collected: 1.5 s. */
const UNCOLLECTED = 6;
/** A level is left at these shares of what it was entered at. */
const LEAVE_PERCENT = 0.97;
const LEAVE_DELAY = 0.5;

const NAMES = ['normal', 'easing', 'shedding'] as const;

export class Load {
  level: LoadLevel = NORMAL;
  readonly #limits: GatewayLimits;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #descriptors: number;
  readonly #memory = new Memory();
  readonly #heap = new Heap();
  /** Samples in a row that ask for a higher level than this one, or for a lower. */
  #higher = 0;
  #lower = 0;
  /** The mildest change that all of those samples ask for. */
  #wanted: LoadLevel = NORMAL;
  #dueAt = 0;
  #heapPercent = 0;
  /** Samples since the heap last fell, or a level was entered. */
  #uncollected = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `descriptors`: how many this process may have. */
  constructor(limits: GatewayLimits, descriptors: number, log: Logger, clock: Clock) {
    this.#limits = limits;
    this.#log = log;
    this.#clock = clock;
    this.#descriptors = descriptors;
  }

  /** Begins to sample. */
  start(): void {
    this.#dueAt = this.#clock.monotonicMs() + SAMPLE_MS;
    this.#timer = setInterval(() => {
      if (this.take(this.#measure())) this.#heap.collect();
    }, SAMPLE_MS).unref();
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Counts one sample in; called by the interval, and by tests in place of it. true: the heap should be collected. */
  take(sample: LoadSample): boolean {
    this.#consider(sample);
    const { heapPercent } = sample;
    const fell = heapPercent < this.#heapPercent;
    this.#heapPercent = heapPercent;
    if (fell || this.level === NORMAL || heapPercent <= this.#limits.easeHeapPercent * LEAVE_PERCENT) {
      this.#uncollected = 0;
    } else if (++this.#uncollected >= UNCOLLECTED) {
      this.#uncollected = 0;
      return true;
    }
    return false;
  }

  #consider(sample: LoadSample): void {
    const asked = this.#levelOf(sample);
    if (asked === this.level) {
      this.#higher = 0;
      this.#lower = 0;
    } else if (asked > this.level) {
      this.#lower = 0;
      this.#wanted = this.#higher++ === 0 || asked < this.#wanted ? asked : this.#wanted;
      if (this.#higher >= AGREEING) this.#enter(this.#wanted, sample);
    } else {
      this.#higher = 0;
      this.#wanted = this.#lower++ === 0 || asked > this.#wanted ? asked : this.#wanted;
      if (this.#lower >= AGREEING) this.#enter(this.#wanted, sample);
    }
  }

  /** What a sample asks for; while a level is held, less is enough to keep it. */
  #levelOf({ heapPercent, descriptorPercent, delayMs }: LoadSample): LoadLevel {
    const { easeHeapPercent, shedHeapPercent, easeDescriptorPercent, shedDelayMs } = this.#limits;
    const shed = this.level === SHEDDING ? LEAVE_PERCENT : 1;
    const ease = this.level === NORMAL ? 1 : LEAVE_PERCENT;
    const late = this.level === SHEDDING ? LEAVE_DELAY : 1;
    if (heapPercent > shedHeapPercent * shed || delayMs > shedDelayMs * late) return SHEDDING;
    if (heapPercent > easeHeapPercent * ease || descriptorPercent > easeDescriptorPercent * ease) return EASING;
    return NORMAL;
  }

  #measure(): LoadSample {
    const now = this.#clock.monotonicMs();
    const delayMs = now - this.#dueAt;
    this.#dueAt = now + SAMPLE_MS;
    return {
      heapPercent: this.#memory.percent(),
      descriptorPercent: (descriptorsInUse() / this.#descriptors) * 100,
      delayMs,
    };
  }

  #enter(level: LoadLevel, { heapPercent, descriptorPercent, delayMs }: LoadSample): void {
    this.level = level;
    this.#higher = 0;
    this.#lower = 0;
    const fields = {
      [FIELD.load]: NAMES[level],
      [FIELD.heapPercent]: Math.round(heapPercent),
      [FIELD.descriptorPercent]: Math.round(descriptorPercent),
      [FIELD.delayMs]: Math.round(delayMs),
    };
    if (level === NORMAL) this.#log.info(fields, 'load');
    else this.#log.warn(fields, 'load');
  }
}
