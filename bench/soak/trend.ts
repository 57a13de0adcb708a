/**
 * Slopes of a series, each with its 95 % interval. Samples of a process's memory
 * follow one another closely; intervals count them as the fewer independent ones
 * that their autocorrelation leaves.
 */

import { quantile } from '../lib/statistics.ts';

export interface Trend {
  /** Of y per x. */
  readonly slope: number;
  /** Ends of the 95 % interval of the slope. */
  readonly low: number;
  readonly high: number;
  /** y where x is 0. */
  readonly intercept: number;
}

const Z95 = 1.96;
const UNKNOWN: Trend = { slope: Number.NaN, low: Number.NaN, high: Number.NaN, intercept: Number.NaN };
const FEWEST = 4;

/** The line with the least squares of distances: every sample pulls, the outliers most. NaN for fewer than four samples. */
export function leastSquares(xs: readonly number[], ys: readonly number[]): Trend {
  if (xs.length < FEWEST) return UNKNOWN;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const squares = sum(xs.map((x) => (x - meanX) ** 2));
  const slope = sum(xs.map((x, i) => (x - meanX) * (ys[i]! - meanY))) / squares;
  const intercept = meanY - slope * meanX;
  const residuals = xs.map((x, i) => ys[i]! - intercept - slope * x);
  const freedom = Math.max(1, independent(residuals) - 2);
  const half = Z95 * Math.sqrt(sum(residuals.map((r) => r * r)) / freedom / squares);
  return { slope, low: slope - half, high: slope + half, intercept };
}

/** The median of the slopes between any two samples: up to a quarter of them may be wild. NaN for fewer than four. */
export function theilSen(xs: readonly number[], ys: readonly number[]): Trend {
  const { length } = xs;
  if (length < FEWEST) return UNKNOWN;
  const slopes = new Float64Array((length * (length - 1)) / 2);
  let pairs = 0;
  for (let i = 0; i < length; i++) {
    for (let j = i + 1; j < length; j++) slopes[pairs++] = (ys[j]! - ys[i]!) / (xs[j]! - xs[i]!);
  }
  slopes.sort();
  const slope = quantile(slopes, 0.5);
  const offsets = Float64Array.from(xs, (x, i) => ys[i]! - slope * x);
  // Kendall's statistic has this deviation without a trend; it says how many pairs from the middle the interval ends.
  const deviation = Math.sqrt((length * (length - 1) * (2 * length + 5)) / 18);
  const reach = (Z95 * deviation * Math.sqrt(length / independent([...offsets]))) / pairs / 2;
  return {
    slope,
    low: quantile(slopes, Math.max(0, 0.5 - reach)),
    high: quantile(slopes, Math.min(1, 0.5 + reach)),
    intercept: quantile(offsets.sort(), 0.5),
  };
}

/** How many independent samples a series is worth, by the correlation of neighbours; between 3 and its length. */
function independent(series: readonly number[]): number {
  const middle = mean(series);
  const power = sum(series.map((y) => (y - middle) ** 2));
  const shared = sum(series.slice(1).map((y, i) => (y - middle) * (series[i]! - middle)));
  const correlation = power === 0 ? 0 : Math.max(0, shared / power);
  return Math.max(3, (series.length * (1 - correlation)) / (1 + correlation));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
