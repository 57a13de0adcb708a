/**
 * The gateway's counters, written on the request path as plain number fields
 * and copied out only at scrape. One `PoolCounters` per pool is looked up once
 * a request; label values come from closed sets or from names an operator chose.
 *
 * Bound: at most MAX_POOLS pools and MAX_PROVIDERS providers have a series of
 * their own; the rest share `other`.
 */
import { CAUSES, type Cause, type Fault } from '../src/core/cause.ts';
import {
  columnsOf,
  Histogram,
  type LabelledHistogram,
  NETWORK_BUCKETS,
  OVERHEAD_BUCKETS,
  type PoolColumns,
  type Sample,
} from '../src/core/metrics.ts';
import type { PoolState, ProviderId } from '../src/core/model.ts';

const MAX_POOLS = 1_000;
const MAX_PROVIDERS = 200;
const OTHER = 'other';

export type RequestKind = 'forward' | 'connect';
type Outcome = 'ok' | Fault;
/** How a probe ended: it proved what it was for, it was cut before that, or what it met. */
export type ProbeOutcome = 'served' | 'abandoned' | Cause;
export type AuthFailure = 'missing' | 'malformed' | 'unknown' | 'expired' | 'forbidden';

/** Counts of one pool since the process started. */
export class PoolCounters {
  readonly label: string;
  readonly requests = new Map<string, number>();
  tunnelsActive = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(label: string) {
    this.label = label;
  }

  count(kind: RequestKind, outcome: Outcome): void {
    const key = kind === 'forward' ? outcome : `c:${outcome}`;
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
  }
}

export class Counters {
  readonly overheadSeconds = new Histogram(OVERHEAD_BUCKETS);
  readonly causes = new Map<Cause, number>();
  readonly failovers = new Map<Cause, number>();
  readonly authFailures = new Map<AuthFailure, number>();
  readonly probes = new Map<ProbeOutcome, number>();
  readonly #pools = new Map<string, PoolCounters>();
  readonly #labels = new Set<string>();
  readonly #dial = new Map<string, Histogram>();
  readonly #firstByte = new Map<string, Histogram>();

  /** The counters of a pool; made at its first request. */
  pool(pool: PoolState): PoolCounters {
    let counters = this.#pools.get(pool.id);
    if (counters === undefined) {
      const full = this.#pools.size >= MAX_POOLS;
      if (full) return this.#shared();
      counters = new PoolCounters(this.#labelOf(pool));
      this.#pools.set(pool.id, counters);
    }
    return counters;
  }

  /** Requests that never reached a pool count under the pool ``. */
  unplaced(): PoolCounters {
    return this.#named('');
  }

  cause(cause: Cause): void {
    this.causes.set(cause, (this.causes.get(cause) ?? 0) + 1);
  }

  /** A request left a session that failed it with this cause, for another. */
  failover(cause: Cause): void {
    this.failovers.set(cause, (this.failovers.get(cause) ?? 0) + 1);
  }

  /** A probe ended. */
  probe(outcome: ProbeOutcome): void {
    this.probes.set(outcome, (this.probes.get(outcome) ?? 0) + 1);
  }

  authFailure(reason: AuthFailure): void {
    this.authFailures.set(reason, (this.authFailures.get(reason) ?? 0) + 1);
  }

  dialled(provider: ProviderId, seconds: number): void {
    histogramOf(this.#dial, provider).observe(seconds);
  }

  firstByte(provider: ProviderId, seconds: number): void {
    histogramOf(this.#firstByte, provider).observe(seconds);
  }

  /** Samples of everything above, as plain data. */
  snapshot(): {
    requests: Sample[];
    causes: Sample[];
    failovers: Sample[];
    probes: Sample[];
    authFailures: Sample[];
    tunnelsActive: PoolColumns;
    bytes: PoolColumns;
    dialSeconds: LabelledHistogram[];
    firstByteSeconds: LabelledHistogram[];
  } {
    const requests: Sample[] = [];
    const pools = [...this.#pools.values()];
    for (const pool of pools) {
      for (const [key, value] of pool.requests) {
        const connect = key.startsWith('c:');
        requests.push({ labels: [pool.label, connect ? 'connect' : 'forward', connect ? key.slice(2) : key], value });
      }
    }
    return {
      requests,
      causes: samplesOf(this.causes),
      failovers: samplesOf(this.failovers),
      probes: samplesOf(this.probes),
      authFailures: samplesOf(this.authFailures),
      tunnelsActive: columnsOf(pools, labelOf, [[[], (pool) => pool.tunnelsActive]]),
      bytes: columnsOf(pools, labelOf, [
        [['in'], (pool) => pool.bytesIn],
        [['out'], (pool) => pool.bytesOut],
      ]),
      dialSeconds: histogramsOf(this.#dial),
      firstByteSeconds: histogramsOf(this.#firstByte),
    };
  }

  /** Pools of different workspaces may share a name: the second gets a suffix of its id. */
  #labelOf(pool: PoolState): string {
    const label = this.#labels.has(pool.name) ? `${pool.name}@${pool.id.slice(-8)}` : pool.name;
    this.#labels.add(label);
    return label;
  }

  #shared(): PoolCounters {
    return this.#named(OTHER);
  }

  #named(label: string): PoolCounters {
    let counters = this.#pools.get(label);
    if (counters === undefined) {
      counters = new PoolCounters(label);
      this.#pools.set(label, counters);
    }
    return counters;
  }
}

const labelOf = (pool: PoolCounters): string => pool.label;

/** The outcome label of a finished request. */
export function outcomeOf(cause: Cause | null): Outcome {
  return cause === null ? 'ok' : CAUSES[cause].fault;
}

function histogramOf(map: Map<string, Histogram>, label: string): Histogram {
  let histogram = map.get(label);
  if (histogram === undefined) {
    if (map.size >= MAX_PROVIDERS && label !== OTHER) return histogramOf(map, OTHER);
    histogram = new Histogram(NETWORK_BUCKETS);
    map.set(label, histogram);
  }
  return histogram;
}

function samplesOf(map: Map<string, number>): Sample[] {
  return [...map].map(([label, value]) => ({ labels: [label], value }));
}

function histogramsOf(map: Map<string, Histogram>): LabelledHistogram[] {
  return [...map].map(([label, histogram]) => ({ labels: [label], histogram: histogram.snapshot() }));
}
