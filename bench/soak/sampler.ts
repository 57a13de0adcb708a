/** Looks at the product every few seconds, from outside and by its metrics page. */

import { openDescriptors, openWindow } from '../lib/process-meter.ts';
import type { Field } from './field.ts';
import type { Interval } from './job.ts';
import type { LoadProcess } from './load-process.ts';

/** `at` is seconds since the load began, sizes are bytes, delays seconds; NaN (null in JSON) is what is not known here. */
export interface Sample extends Interval {
  readonly at: number;
  readonly rss: number;
  readonly descriptors: number;
  /** V8's heap in use on the control thread. */
  readonly controlHeap: number;
  /** Of the pool `soak`, in the gateway's index. */
  readonly sessions: number;
  /** Attempts that moved to another session, since the product started. */
  readonly failovers: number;
  /** How late turns of the gateway's event loop came, in this interval. */
  readonly delayP99: number;
  readonly delayMax: number;
  /** Changes of sessions since the load began: steps of the churn and bulk calls. */
  readonly changes: number;
  /** Cores that the product kept busy. */
  readonly busy: number;
  /** Cores that processes other than the soak's kept busy. */
  readonly strangers: number;
}

export class Sampler {
  readonly #field: Field;
  readonly #load: LoadProcess;
  readonly #startMs: number;
  #closeWindow: ReturnType<typeof openWindow>;

  constructor(field: Field, load: LoadProcess, startMs: number) {
    this.#field = field;
    this.#load = load;
    this.#startMs = startMs;
    this.#closeWindow = this.#open();
  }

  async take(changes: number): Promise<Sample> {
    const { product } = this.#field;
    const page = await product.scrape();
    const interval = await this.#load.sample();
    const window = this.#closeWindow();
    this.#closeWindow = this.#open();
    return {
      at: (performance.now() - this.#startMs) / 1_000,
      ...interval,
      rss: product.residentBytes,
      descriptors: openDescriptors(product.pid),
      controlHeap: gauge(page, 'nodejs_heap_size_used_bytes'),
      sessions: gauge(page, 'sallyport_sessions', 'pool="soak"'),
      // The page has no series for what never happened.
      failovers: gauge(page, 'sallyport_failovers_total') || 0,
      delayP99: gauge(page, 'sallyport_event_loop_delay_seconds', 'stat="p99"'),
      delayMax: gauge(page, 'sallyport_event_loop_delay_seconds', 'stat="max"'),
      changes,
      busy: (window.gatewayCpu ?? Number.NaN) / window.seconds,
      strangers: window.foreignCores,
    };
  }

  #open(): ReturnType<typeof openWindow> {
    const { product, upstream, weakUpstream } = this.#field;
    return openWindow(product.pid, [upstream.pid, weakUpstream.pid, this.#load.pid, process.pid]);
  }
}

/** The sum of a metric's series that have this label; NaN when the page has none. */
export function gauge(page: string, name: string, label = ''): number {
  const values = page
    .split('\n')
    .filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)) && line.includes(label))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0);
}
