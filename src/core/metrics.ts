/**
 * What the gateway counts. Plain integers on the request path; nothing here
 * knows Prometheus. A `GatewaySnapshot` is a copy taken at scrape, plain data
 * that crosses the thread boundary; the control plane gives it names and labels.
 */

/** A histogram over fixed upper bounds (seconds): `counts[i]` observations ≤ `bounds[i]`, the last slot is +Inf. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Records one observation, in seconds. */
  observe(seconds: number): void {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && seconds > bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += seconds;
  }

  snapshot(): HistogramSnapshot {
    return { bounds: this.bounds, counts: [...this.counts], sum: this.sum };
  }
}

/** Not cumulative: `counts[i]` belongs to the bucket that ends at `bounds[i]`; one more slot for +Inf. */
export interface HistogramSnapshot {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One labelled value: labels in the order that the metric declares. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

/** The same numbers of each pool, as columns: thousands of them go from thread to thread as a few arrays. */
export interface PoolColumns {
  /** The label `pool`, a row each. */
  readonly pools: readonly string[];
  /** A number a row; `labels` are what stands behind the pool's. */
  readonly columns: readonly { readonly labels: readonly string[]; readonly values: Float64Array }[];
}

/** The columns of these rows. */
export function columnsOf<Row>(
  rows: readonly Row[],
  poolOf: (row: Row) => string,
  columns: readonly (readonly [labels: readonly string[], read: (row: Row) => number])[],
): PoolColumns {
  return {
    pools: rows.map(poolOf),
    columns: columns.map(([labels, read]) => ({ labels, values: Float64Array.from(rows, read) })),
  };
}

/** Tables of counts as samples of one label: what two tables call the same is added up. */
export function samplesOf(...tables: readonly Readonly<Record<string, number>>[]): Sample[] {
  const sums = new Map<string, number>();
  for (const [label, count] of tables.flatMap((table) => Object.entries(table))) {
    sums.set(label, (sums.get(label) ?? 0) + count);
  }
  return [...sums].map(([label, value]) => ({ labels: [label], value }));
}

export interface LabelledHistogram {
  readonly labels: readonly string[];
  readonly histogram: HistogramSnapshot;
}

/** Everything the gateway thread has counted since it started, and its gauges now. */
export interface GatewaySnapshot {
  /** labels: outcome */
  readonly resolveSeconds: readonly LabelledHistogram[];
  /** labels: pool, kind (forward, connect), outcome (ok, or whose fault) */
  readonly requests: readonly Sample[];
  /** labels: cause */
  readonly causes: readonly Sample[];
  readonly overheadSeconds: HistogramSnapshot;
  /** labels: provider */
  readonly dialSeconds: readonly LabelledHistogram[];
  /** labels: provider */
  readonly firstByteSeconds: readonly LabelledHistogram[];
  /** labels: cause */
  readonly failovers: readonly Sample[];
  /** labels: outcome (served, abandoned, or a cause) */
  readonly probes: readonly Sample[];
  /** labels: pool */
  readonly tunnelsActive: PoolColumns;
  readonly clientConnections: number;
  /** labels: pool, direction (in: to the client, out: to the upstream) */
  readonly bytes: PoolColumns;
  /** labels: pool, state (eligible, ejected, disabled) */
  readonly sessions: PoolColumns;
  /** Sticky keys and accounts. labels: reason */
  readonly stickyMoves: readonly Sample[];
  /** labels: kind (a Change's kind) */
  readonly indexChanges: readonly Sample[];
  readonly indexApplySeconds: HistogramSnapshot;
  /** labels: reason */
  readonly authFailures: readonly Sample[];
  /** Seconds a turn of the gateway's event loop came late; since the last scrape. */
  readonly eventLoopDelay: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Upper bounds of the resolver's histogram: from 0.5 µs, as resolving is measured in single microseconds. */
export const RESOLVE_BUCKETS: readonly number[] = [
  0.5e-6, 1e-6, 2e-6, 3e-6, 5e-6, 7.5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 5e-3, 25e-3, 100e-3,
];
/** Upper bounds for time spent inside the gateway. */
export const OVERHEAD_BUCKETS: readonly number[] = [
  10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1,
];
/** Upper bounds for network waits: a dial, a first byte. */
export const NETWORK_BUCKETS: readonly number[] = [
  0.5e-3, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 30, 60,
];
/** Upper bounds for applying one change to the index. */
export const APPLY_BUCKETS: readonly number[] = [
  1e-6, 2e-6, 5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3,
];
