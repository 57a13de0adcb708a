/**
 * What happens in a soak, and when: the same six periods for every length, so that
 * moments of one phase can be compared. All times are seconds since the load began.
 */

/** How sessions churn, one step each `CHURN_SECONDS`, round and round: as many are made as deleted. */
export const CHURN_STEPS = ['create', 'credential', 'disable', 'enable', 'delete'] as const;
export type ChurnStep = (typeof CHURN_STEPS)[number];
export const CHURN_SECONDS = 0.4;

export const PERIODS = 6;
const LONGEST_WARM_UP = 600;
const LONGEST_OUTAGE = 30;
const LONGEST_SAMPLE = 5;
/** At least; so that the quiet part has a few. */
const SAMPLES_OF_A_PERIOD = 20;
/** Shares of a period. The last quarter of each is quiet: nothing but churn. */
const BULK_CREATE = 0.15;
const BULK_DELETE = 0.35;
const OUTAGE = 0.5;
const OUTAGE_LENGTH = 0.05;
const QUIET = 0.75;

export interface ScheduledEvent {
  readonly at: number;
  readonly kind: 'bulk create' | 'bulk delete' | 'down' | 'up';
}

export interface Schedule {
  readonly seconds: number;
  /** Samples of before are in the plot, and in no trend. */
  readonly warmUp: number;
  readonly period: number;
  /** From one sample to the next. */
  readonly sample: number;
  /** In the order of time. */
  readonly events: readonly ScheduledEvent[];
}

export function scheduleOf(seconds: number): Schedule {
  const period = seconds / PERIODS;
  const outage = Math.min(LONGEST_OUTAGE, OUTAGE_LENGTH * period);
  const events = Array.from({ length: PERIODS }, (_, n): ScheduledEvent[] => {
    const at = (share: number) => (n + share) * period;
    return [
      { at: at(BULK_CREATE), kind: 'bulk create' },
      { at: at(BULK_DELETE), kind: 'bulk delete' },
      { at: at(OUTAGE), kind: 'down' },
      { at: at(OUTAGE) + outage, kind: 'up' },
    ];
  }).flat();
  return {
    seconds,
    warmUp: Math.min(LONGEST_WARM_UP, period),
    period,
    sample: Math.min(LONGEST_SAMPLE, period / SAMPLES_OF_A_PERIOD),
    events,
  };
}

/** The number of the period that has its quiet part at this time, from 0; null at other times. */
export function quietPeriodAt({ period }: Schedule, at: number): number | null {
  const periods = at / period;
  return periods % 1 >= QUIET ? Math.floor(periods) : null;
}
