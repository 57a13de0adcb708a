/**
 * What guessing keys costs a client: after MAX_FAILURES wrong credentials within WINDOW_MS from one network
 * (`networkOf`), further wrong ones are refused as `limit_reached` until the window is over. Right ones are never
 * asked about here, so a shared address keeps working. Called by `admission.ts` when somebody could not be identified.
 *
 * Bounds: MAX_NETWORKS entries, least recently used first out; no timers. Log lines of refusals from one network
 * are MAX_FAILURES a window, and then one a second: a guesser, or a client that loops on 407 (A12), fills no disk.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../src/core/clock.ts';

export const MAX_FAILURES = 20;
export const WINDOW_MS = 60_000;
const MAX_NETWORKS = 65_536;
const LOG_EVERY_MS = 1_000;

/** What a network did since its window began, at `since` (monotonic ms). */
interface Window {
  since: number;
  failures: number;
  lines: number;
  /** Monotonic ms of its last line. */
  loggedAt: number;
}

export class AuthThrottle {
  /** A bound by size, of one each: a bound by `max` would take the memory of all of them in advance. */
  readonly #windows = new LRUCache<string, Window>({ maxSize: MAX_NETWORKS, sizeCalculation: () => 1 });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Networks that are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts wrong credentials from a network; true: it had its share of failures, and this is beyond it. */
  failed(network: string): boolean {
    const window = this.#windowOf(network);
    return ++window.failures > MAX_FAILURES;
  }

  /** Whether one more refusal of this network may leave a line in the log. */
  mayLog(network: string): boolean {
    const window = this.#windowOf(network);
    const now = this.#clock.monotonicMs();
    if (++window.lines > MAX_FAILURES && now - window.loggedAt < LOG_EVERY_MS) return false;
    window.loggedAt = now;
    return true;
  }

  #windowOf(network: string): Window {
    const now = this.#clock.monotonicMs();
    let window = this.#windows.get(network);
    if (window === undefined || now - window.since >= WINDOW_MS) {
      window = { since: now, failures: 0, lines: 0, loggedAt: now };
      this.#windows.set(network, window);
    }
    return window;
  }
}
