/** The arithmetic of the soak: slopes and their intervals, the schedule, what it reads of a metrics page. */
import { describe, expect, it } from 'vitest';
import { gauge } from '../../../bench/soak/sampler.ts';
import { quietPeriodAt, scheduleOf } from '../../../bench/soak/schedule.ts';
import { leastSquares, theilSen } from '../../../bench/soak/trend.ts';

const xs = Array.from({ length: 200 }, (_, n) => n);
/** Noise that is the same each time, between -1 and 1. */
const noise = (n: number) => Math.sin(n * n * 12.9898);

describe.each([
  ['least squares', leastSquares],
  ['Theil–Sen', theilSen],
])('%s', (_, trendOf) => {
  it('finds a line that is there, with no doubt', () => {
    const ys = xs.map((x) => 3 + 0.5 * x);
    const { slope, low, high, intercept } = trendOf(xs, ys);
    expect(slope).toBeCloseTo(0.5, 9);
    expect(low).toBeCloseTo(0.5, 9);
    expect(high).toBeCloseTo(0.5, 9);
    expect(intercept).toBeCloseTo(3, 6);
  });

  it('has the true slope within its interval, and nothing far from it', () => {
    const { low, high } = trendOf(
      xs,
      xs.map((x) => 10 + 0.01 * x + noise(x)),
    );
    expect(low).toBeLessThan(0.01);
    expect(high).toBeGreaterThan(0.01);
    expect(high - low).toBeLessThan(0.01);
  });

  it('is less sure of samples that follow one another', () => {
    const apart = trendOf(xs, xs.map(noise));
    const waves = trendOf(
      xs,
      xs.map((x) => Math.sin(x / 10)),
    );
    expect(waves.high - waves.low).toBeGreaterThan(2 * (apart.high - apart.low));
  });

  it('says nothing about fewer than four samples', () => {
    expect(trendOf([1, 2, 3], [1, 2, 3]).slope).toBeNaN();
  });
});

it('Theil–Sen is not moved by a few wild samples, least squares is', () => {
  const ys = xs.map((x) => (x >= 190 ? 1_000 : 0.5 * x));
  expect(theilSen(xs, ys).slope).toBeCloseTo(0.5, 1);
  expect(leastSquares(xs, ys).slope).toBeGreaterThan(1);
});

describe('schedule', () => {
  it('of an hour: ten minutes of warm-up, outages of thirty seconds, everything in order', () => {
    const { warmUp, period, sample, events } = scheduleOf(3_600);
    expect({ warmUp, period, sample }).toEqual({ warmUp: 600, period: 600, sample: 5 });
    expect(events.slice(0, 4)).toEqual([
      { at: 90, kind: 'bulk create' },
      { at: 210, kind: 'bulk delete' },
      { at: 300, kind: 'down' },
      { at: 330, kind: 'up' },
    ]);
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((a, b) => a - b));
    expect(events).toHaveLength(24);
  });

  it('of two minutes is the same, smaller; of a day, it warms up for no longer than of an hour', () => {
    const { warmUp, period, sample, events } = scheduleOf(120);
    expect({ warmUp, period, sample }).toEqual({ warmUp: 20, period: 20, sample: 1 });
    expect(events.filter(({ kind }) => kind === 'up').map(({ at }) => at)).toEqual([11, 31, 51, 71, 91, 111]);
    expect(scheduleOf(86_400).warmUp).toBe(600);
  });

  it('is quiet in the last quarter of each period, and nothing else happens there', () => {
    const schedule = scheduleOf(3_600);
    expect([449, 450, 599, 600, 1_050].map((at) => quietPeriodAt(schedule, at))).toEqual([null, 0, 0, null, 1]);
    expect(schedule.events.filter(({ at }) => quietPeriodAt(schedule, at) !== null)).toEqual([]);
  });
});

it('sums the series of a metric that have a label, and of no other metric', () => {
  const page = [
    '# TYPE pool_sessions gauge',
    'pool_sessions{pool="soak",state="healthy"} 54',
    'pool_sessions{pool="soak",state="ejected"} 2',
    'pool_sessions{pool="other",state="healthy"} 7',
    'pool_sessions_total{pool="soak"} 99',
    'heap_bytes 1.5e+6',
  ].join('\n');
  expect(gauge(page, 'pool_sessions', 'pool="soak"')).toBe(56);
  expect(gauge(page, 'heap_bytes')).toBe(1_500_000);
  expect(gauge(page, 'absent')).toBeNaN();
});
