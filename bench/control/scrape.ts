/** C4: a scrape of `/metrics` with 1,000 pools, each of which has series of its own. */
import { type MicroOptions, type Row, rowOf } from '../lib/row.ts';
import { quantile } from '../lib/statistics.ts';
import { BenchProduct, sessionRows } from './product.ts';

/** Pools that a first start makes, which have their series too: of 1,000 in all, none is left without. */
const POOLS_OF_A_START = 2;

export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const [pools, rounds, scrapes] = quick ? [100, 2, 10] : [1_000, 5, 20];
  const product = new BenchProduct();
  try {
    await product.start();
    const { providerId } = product.bootstrap;
    const added = pools - POOLS_OF_A_START;
    for (let n = 0; n < added; n++) {
      const { pool } = await product.proxies<{ pool: { id: string } }>('CreatePool', { name: `pool${n}` });
      await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions: sessionRows('one', 1) });
    }
    const page = await product.scrape();
    for (const n of [0, added - 1]) {
      if (!page.includes(`pool="pool${n}"`)) throw new Error(`pool${n} has no series on the page`);
    }
    const medians: number[] = [];
    for (let round = 0; round < rounds; round++) medians.push(await medianMs(product, scrapes));
    const name = `a scrape of /metrics, ${pools.toLocaleString('en-US')} pools, ${Math.round(page.length / 1_000)} kB`;
    return [rowOf('scrape', name, 'ms', medians, quick ? undefined : { id: 'C4', atMost: 10 })];
  } finally {
    await product.close();
  }
}

async function medianMs(product: BenchProduct, scrapes: number): Promise<number> {
  const tookMs = new Float64Array(scrapes);
  for (let n = 0; n < scrapes; n++) {
    const startMs = performance.now();
    await product.scrape();
    tookMs[n] = performance.now() - startMs;
  }
  return quantile(tookMs.sort(), 0.5);
}
