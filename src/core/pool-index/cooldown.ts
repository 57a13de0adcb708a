/**
 * How long whatever failed is left out: base, doubling with each further time up to
 * the longest, base again after it stayed well for as long as it was out last.
 * Extended by all that can be out: sessions, providers, endpoints, (session, target).
 */
import type { PoolPolicyState } from '../model.ts';

export type EjectionTimes = Pick<PoolPolicyState, 'baseEjectionMs' | 'maxEjectionMs'>;

export class Cooldown {
  /** Times it was out, as far as they are remembered. */
  ejections = 0;
  /** Length of the last one. */
  #lastMs = 0;
  /** Since when it is well, monotonic ms; infinite while it is out, or has not been well since. */
  #wellSinceMs = Number.POSITIVE_INFINITY;

  /** Goes out; answers until when, monotonic ms. */
  begin(nowMs: number, { baseEjectionMs, maxEjectionMs }: EjectionTimes): number {
    this.lapse(nowMs);
    this.#lastMs = Math.min(baseEjectionMs * 2 ** this.ejections, maxEjectionMs);
    this.ejections++;
    this.relapse();
    return nowMs + this.#lastMs;
  }

  /** Is well from now on; when it is already, since then. */
  recover(nowMs: number): void {
    if (this.#wellSinceMs > nowMs) this.#wellSinceMs = nowMs;
  }

  /** Is not well, though nobody took it out. */
  relapse(): void {
    this.#wellSinceMs = Number.POSITIVE_INFINITY;
  }

  /** Forgets its ejections if it stayed well for as long as the last one was. */
  lapse(nowMs: number): void {
    if (nowMs - this.#wellSinceMs < this.#lastMs) return;
    this.ejections = 0;
  }
}
