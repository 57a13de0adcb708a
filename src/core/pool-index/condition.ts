/**
 * How one session fares that failed lately; a session that never did has none.
 * Made by `Health`, its standing changed by `Ejections` alone, which keeps counts
 * and heaps in line with it.
 */
import { Cooldown } from './cooldown.ts';
import type { Patient } from './patient.ts';
import type { TargetBlock } from './target-blocks.ts';

/** Where something stands that can be out: the states of the drawing in `health.ts`. */
export type Standing = 'in' | 'ejected' | 'half_open' | 'trial';

/** Why a session was left out: stable codes. */
export type HealthReason = 'failures' | 'credential' | 'endpoint' | 'provider';

export class Condition extends Cooldown {
  readonly kind = 'session';
  readonly patient: Patient;
  standing: Standing = 'in';
  /** Consecutive ones. */
  failures = 0;
  /** Of the last ejection. */
  reason: HealthReason = 'failures';
  /** End of the last ejection, monotonic ms. */
  untilMs = 0;
  /** The trial that it is on; 0: on none. */
  trial = 0;
  duePlace = -1;
  /** Its place among its group's ejected ones, and its number in the order of ejections. */
  badPlace = -1;
  order = 0;
  /** What is held against it for single target hosts. */
  targets: Map<string, TargetBlock> | null = null;

  constructor(patient: Patient) {
    super();
    this.patient = patient;
  }

  /** Whether it says no more than having none would. */
  get isBlank(): boolean {
    return this.standing === 'in' && this.failures === 0 && this.ejections === 0 && this.targets === null;
  }
}

/** Whether it is in no roster: ejected, or on its trial. */
export function isOut(standing: Standing): boolean {
  return standing === 'ejected' || standing === 'trial';
}

/** Whether one trial decides about it. */
export function isHalfOpen(standing: Standing): boolean {
  return standing === 'half_open' || standing === 'trial';
}

/** Fewer ejections, then fewer failures, serve before others. */
export function isLessBad(a: Condition, b: Condition): boolean {
  return a.ejections !== b.ejections ? a.ejections < b.ejections : a.failures < b.failures;
}
