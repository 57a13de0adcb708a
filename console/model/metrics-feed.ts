/**
 * What the metrics page says, every two seconds, and what that means a second: the rates and
 * latencies of the last ten minutes, for the plots and tiles of the overview.
 *
 * Bound: POINTS looks.
 */
import { signal } from '@preact/signals';
import { type MetricsPage, readMetrics } from '../../client/metrics-page.ts';
import { type Buckets, between, quantile } from './histogram.ts';

/** What happened between two looks, a second; latencies in seconds, null where nothing was measured. */
export interface Point {
  /** Unix time, seconds. */
  readonly at: number;
  readonly served: number;
  readonly failed: number;
  readonly resolveMedian: number | null;
  readonly resolveP99: number | null;
  readonly overheadP99: number | null;
  readonly bytes: number;
}

export interface PoolRate {
  readonly pool: string;
  readonly healthy: number;
  readonly ejected: number;
  readonly other: number;
  readonly perSecond: number;
  readonly failedPerSecond: number;
}

const LOOK_MS = 2_000;
const POINTS = 300;
/** How far back `causes` looks. */
const CAUSES_POINTS = 30;

export class MetricsFeed {
  readonly points = signal<readonly Point[]>([]);
  readonly page = signal<MetricsPage | null>(null);
  readonly pools = signal<readonly PoolRate[]>([]);
  /** How often each cause has ended a request in the last minute, most first; `ok` is none of them. */
  readonly causes = signal<readonly { readonly cause: string; readonly count: number }[]>([]);
  readonly #url: string;
  readonly #told: (isAnswered: boolean) => void;
  readonly #looks: { readonly at: number; readonly page: MetricsPage }[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;

  /** `told`: whether the last look was answered. */
  constructor(baseUrl: string, told: (isAnswered: boolean) => void) {
    this.#url = `${baseUrl}/metrics`;
    this.#told = told;
  }

  /** Looks at once, and then every two seconds until stopped. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.look().then(
      () => this.#told(true),
      () => this.#told(false),
    );
    if (!this.#stopped) this.#timer = setTimeout(() => void this.start(), LOOK_MS);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** One look. Rejects when there is no answer. */
  async look(): Promise<void> {
    const response = await fetch(this.#url);
    const page = readMetrics(await response.text());
    const before = this.#looks.at(-1);
    const now = { at: Date.now() / 1_000, page };
    // A process that has started anew counts from nothing.
    const isAnew = before !== undefined && startOf(before.page) !== startOf(page);
    if (isAnew) this.#looks.length = 0;
    this.#looks.push(now);
    if (this.#looks.length > CAUSES_POINTS + 1) this.#looks.shift();
    this.page.value = page;
    if (before === undefined || isAnew) {
      this.pools.value = poolsOf(page, page, 1);
      return;
    }
    const seconds = Math.max(now.at - before.at, 0.001);
    this.points.value = [...this.points.value, pointOf(before.page, page, now.at, seconds)].slice(-POINTS);
    this.pools.value = poolsOf(before.page, page, seconds);
    this.causes.value = causesOf(this.#looks[0]!.page, page);
  }
}

function startOf(page: MetricsPage): number {
  return page.sum('process_start_time_seconds');
}

function pointOf(before: MetricsPage, page: MetricsPage, at: number, seconds: number): Point {
  const rate = (name: string, labels = {}) => Math.max(0, page.sum(name, labels) - before.sum(name, labels)) / seconds;
  const all = rate('sallyport_requests_total');
  const served = rate('sallyport_requests_total', { outcome: 'ok' });
  const resolve = counted(before, page, 'sallyport_resolve_duration_seconds_bucket');
  return {
    at,
    served,
    failed: Math.max(0, all - served),
    resolveMedian: quantile(resolve, 0.5),
    resolveP99: quantile(resolve, 0.99),
    overheadP99: quantile(counted(before, page, 'sallyport_overhead_seconds_bucket'), 0.99),
    bytes: rate('sallyport_bytes_total'),
  };
}

function counted(before: MetricsPage, page: MetricsPage, name: string): Buckets {
  return between(before.by(name, 'le'), page.by(name, 'le'));
}

function poolsOf(before: MetricsPage, page: MetricsPage, seconds: number): PoolRate[] {
  const states = page.by('sallyport_sessions', 'pool');
  const names = new Set([...states.keys(), ...page.by('sallyport_requests_total', 'pool').keys()]);
  const failedOf = (from: MetricsPage, pool: string) =>
    from.sum('sallyport_requests_total', { pool }) - from.sum('sallyport_requests_total', { pool, outcome: 'ok' });
  return [...names]
    .filter((pool) => pool !== '')
    .map((pool) => {
      const sessions = (state: string) => page.sum('sallyport_sessions', { pool, state });
      const all = page.sum('sallyport_requests_total', { pool }) - before.sum('sallyport_requests_total', { pool });
      const healthy = sessions('eligible');
      const ejected = sessions('ejected');
      return {
        pool,
        healthy,
        ejected,
        other: (states.get(pool) ?? 0) - healthy - ejected,
        perSecond: Math.max(0, all) / seconds,
        failedPerSecond: Math.max(0, failedOf(page, pool) - failedOf(before, pool)) / seconds,
      };
    });
}

function causesOf(before: MetricsPage, page: MetricsPage): { cause: string; count: number }[] {
  const name = 'sallyport_causes_total';
  const old = before.by(name, 'cause');
  return [...page.by(name, 'cause')]
    .map(([cause, count]) => ({ cause, count: count - (old.get(cause) ?? 0) }))
    .filter(({ cause, count }) => cause !== 'ok' && count > 0)
    .sort((a, b) => b.count - a.count);
}
