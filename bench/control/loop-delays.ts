/**
 * How late the event loops of both threads came, as the product itself measures it
 * and tells on its metrics page: a sample every 10 ms, told from scrape to scrape. Two
 * scrapes, one before and one after, make a window of exactly what is between them.
 */

/** In milliseconds. */
export interface Delay {
  readonly p99: number;
  readonly max: number;
}

/** Part of the control thread's figures, which are prom-client's; taken off the gateway's already. */
const SAMPLE_MS = 10;

/** Throws when the page does not have them. */
export function loopDelaysOf(page: string): { readonly gateway: Delay; readonly control: Delay } {
  const gateway = (stat: string) => sampleOf(page, `sallyport_event_loop_delay_seconds{stat="${stat}"}`) * 1e3;
  const control = (stat: string) =>
    Math.max(0, sampleOf(page, `nodejs_eventloop_lag_${stat}_seconds`) * 1e3 - SAMPLE_MS);
  return {
    gateway: { p99: gateway('p99'), max: gateway('max') },
    control: { p99: control('p99'), max: control('max') },
  };
}

function sampleOf(page: string, series: string): number {
  const line = page.split('\n').find((each) => each.startsWith(`${series} `));
  const value = Number(line?.slice(series.length + 1) ?? Number.NaN);
  if (Number.isNaN(value)) throw new Error(`the metrics page does not have ${series}`);
  return value;
}
