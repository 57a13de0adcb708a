/** Medians and spreads over the rounds of a bench; the only arithmetic the tables use. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median, smallest and largest of the finite values; all NaN when there is none. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const { length } = sorted;
  if (length === 0) return { median: Number.NaN, min: Number.NaN, max: Number.NaN };
  const upper = sorted[length >> 1]!;
  const median = length % 2 === 1 ? upper : (sorted[(length >> 1) - 1]! + upper) / 2;
  return { median, min: sorted[0]!, max: sorted[length - 1]! };
}

/** The quotients of two series round by round: the rounds are interleaved, so that each pair saw the same machine. */
export function pairedRatio(a: readonly number[], b: readonly number[]): Spread {
  return spread(a.slice(0, b.length).map((value, round) => value / b[round]!));
}

/** The value below which the share `q` (0–1) of an ascending series lies. */
export function quantile(ascending: ArrayLike<number>, q: number): number {
  if (ascending.length === 0) return Number.NaN;
  return ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))]!;
}
