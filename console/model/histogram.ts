/** Quantiles of a histogram of Prometheus, as its `histogram_quantile` estimates them. */

/** Cumulative counts by upper bound, seconds; `+Inf` among them. */
export type Buckets = ReadonlyMap<string, number>;

/** What was counted between two looks. */
export function between(before: Buckets, after: Buckets): Buckets {
  return new Map([...after].map(([bound, count]) => [bound, Math.max(0, count - (before.get(bound) ?? 0))]));
}

/** The value below which the share `q` lies, by a straight line within its bucket; null when nothing was counted. */
export function quantile(buckets: Buckets, q: number): number | null {
  const sorted = [...buckets].map(([bound, count]) => ({ bound: Number(bound.replace('+Inf', 'Infinity')), count }));
  sorted.sort((a, b) => a.bound - b.bound);
  const total = sorted.at(-1)?.count ?? 0;
  if (total === 0) return null;
  const rank = q * total;
  const at = sorted.findIndex(({ count }) => count >= rank);
  const { bound, count } = sorted[at]!;
  const below = sorted[at - 1] ?? { bound: 0, count: 0 };
  // Beyond the last bound nothing is known but that.
  if (bound === Number.POSITIVE_INFINITY) return below.bound;
  return below.bound + ((bound - below.bound) * (rank - below.count)) / (count - below.count);
}
