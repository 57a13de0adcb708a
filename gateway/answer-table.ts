/**
 * Answers by text, for texts that come again and again: bounded, and without those that come no more.
 *
 *   recent ◀── asked for again ── older ──▶ dropped, when `recent` becomes `older`
 *
 * The turn is made by what is added: where nothing is, nothing grows, and a look-up that hits reads no clock.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../src/core/clock.ts';

/** Of each half. */
const MAX_ANSWERS = 16_384;
/** What nobody has asked for so long is dropped at the next turn but one at the latest. */
const TURN_MS = 300_000;

export class AnswerTable<Answer extends object> {
  readonly #clock: Clock;
  #recent = emptyHalf<Answer>();
  /** Nobody needs it before the first turn. */
  #older: LRUCache<string, Answer> | null = null;
  #turnedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turnedMs = clock.monotonicMs();
  }

  get size(): number {
    return this.#recent.size + (this.#older?.size ?? 0);
  }

  get(text: string): Answer | undefined {
    return this.#recent.get(text) ?? this.#fromOlder(text);
  }

  set(text: string, answer: Answer): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#turnedMs >= TURN_MS) this.#turn(now);
    this.#recent.set(text, answer);
  }

  clear(): void {
    this.#recent.clear();
    this.#older?.clear();
  }

  #fromOlder(text: string): Answer | undefined {
    const answer = this.#older?.get(text);
    if (answer === undefined) return undefined;
    this.#older!.delete(text);
    this.#recent.set(text, answer);
    return answer;
  }

  #turn(now: number): void {
    const spare = this.#older ?? emptyHalf<Answer>();
    spare.clear();
    this.#older = this.#recent;
    this.#recent = spare;
    this.#turnedMs = now;
  }
}

function emptyHalf<Answer extends object>(): LRUCache<string, Answer> {
  return new LRUCache({ max: MAX_ANSWERS });
}
