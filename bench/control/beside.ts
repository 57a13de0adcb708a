/**
 * C3: requests at a steady rate through the gateway while the control plane works, each
 * kind of work in turn beside the same traffic with nothing to do. What is judged is the
 * loop of the gateway's thread, and how long requests took beside the round's own base line.
 *
 * Twice in the same rounds: on the gateway's core alone, where both threads share it
 * and the kernel decides who waits, and free to use both, one of which it shares with
 * load, upstream and the clients of the work.
 */
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { openWindow } from '../lib/process-meter.ts';
import { type MicroOptions, type Row, type RowGoal, rowOf } from '../lib/row.ts';
import { type Core, Stage } from '../lib/stage.ts';
import { type Delay, loopDelaysOf } from './loop-delays.ts';
import { BenchProduct } from './product.ts';
import { Traffic } from './traffic.ts';
import { NOTHING, type Scratch, WORKS, type Work, type WorkPlan } from './works.ts';

/** Until what the round before left to do is done: its pool cleared from the index, its memory given back (`src/rest.ts`). */
const SETTLE_MS = 5_000;
/** Of this process, which shares a core with the load: what it does for the work must not slow down those that measure. */
const NICENESS = 10;

interface Layout {
  readonly id: string;
  readonly name: string;
  readonly core: Core;
}

const LAYOUTS: readonly Layout[] = [
  { id: 'one', name: 'one core', core: 0 },
  { id: 'two', name: 'two cores', core: '0,1' },
];

/** One window's figures: milliseconds, `value` in the unit of the work. */
interface Figures {
  readonly gateway: Delay;
  readonly control: Delay;
  readonly p50: number;
  readonly p99: number;
  readonly lateness: number;
  readonly failures: number;
  readonly foreignCores: number;
  readonly value: number;
}

export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const plan = quick ? { seconds: 1, rows: 5_000, stored: 10_000 } : { seconds: 3, rows: 50_000, stored: 100_000 };
  const rounds = quick ? 1 : 5;
  const stage = new Stage();
  const products = new Map(LAYOUTS.map((layout) => [layout, new BenchProduct(stage, layout.core)]));
  try {
    const traffic = new Traffic(stage);
    await traffic.start();
    const benches = [];
    for (const [layout, product] of products) {
      await product.start();
      await product.fill('stored', plan.stored);
      await traffic.prepare(product);
      benches.push(new Bench(layout, product, traffic, plan));
    }
    // After the children have started, who would inherit it.
    setPriority(NICENESS);
    // Code compiled and caches filled before the first round that counts, as in a server that has run for a while.
    for (const bench of benches) await bench.round('warm', false);
    for (let round = 0; round < rounds; round++) {
      for (const bench of benches) await bench.round(`round${round}`, true);
    }
    // The goals are for the whole size.
    return benches.flatMap((bench) => bench.rows(!quick));
  } finally {
    for (const product of products.values()) await product.close();
    await stage.close();
  }
}

class Bench {
  readonly #layout: Layout;
  readonly #product: BenchProduct;
  readonly #traffic: Traffic;
  readonly #plan: WorkPlan;
  readonly #figures = new Map<Work, Figures[]>([NOTHING, ...WORKS].map((work) => [work, []]));

  constructor(layout: Layout, product: BenchProduct, traffic: Traffic, plan: WorkPlan) {
    this.#layout = layout;
    this.#product = product;
    this.#traffic = traffic;
    this.#plan = plan;
  }

  /** Every kind of work once. */
  async round(name: string, counts: boolean): Promise<void> {
    const { pool } = await this.#product.proxies<{ pool: { id: string } }>('CreatePool', { name });
    const scratch = { poolId: pool.id, name };
    for (const [work, figures] of this.#figures) {
      const measured = await this.#window(work, scratch);
      if (counts) figures.push(measured);
    }
    await this.#product.proxies('DeletePool', { poolId: pool.id });
    await sleep(SETTLE_MS);
  }

  async #window(work: Work, scratch: Scratch): Promise<Figures> {
    const act = work.ready(this.#product, this.#plan, scratch);
    await this.#traffic.begin(this.#product);
    const close = openWindow(null, [process.pid]);
    await this.#product.scrape();
    const { value, check } = await act();
    const delays = loopDelaysOf(await this.#product.scrape());
    const { foreignCores } = close();
    const { latency, lateness = Number.NaN, failures } = await this.#traffic.end();
    check?.();
    const { p50 = Number.NaN, p99 = Number.NaN } = latency ?? {};
    return { ...delays, p50: p50 * 1e3, p99: p99 * 1e3, lateness: lateness * 1e3, failures, foreignCores, value };
  }

  rows(judged: boolean): Row[] {
    const base = this.#series(NOTHING, ({ p99 }) => p99);
    const goal = (atMost: number): RowGoal | undefined => (judged ? { id: 'C3', atMost } : undefined);
    const windows = [...this.#figures.values()].flat();
    const lateness = windows.map((each) => each.lateness);
    const foreign = windows.map(({ foreignCores }) => foreignCores);
    const failures = windows.reduce((sum, each) => sum + each.failures, 0);
    return [
      ...this.#rowsOf(NOTHING, () => undefined),
      ...WORKS.flatMap((work) => {
        const ratios = this.#series(work, ({ p99 }) => p99).map((p99, round) => p99 / base[round]!);
        return [...this.#rowsOf(work, goal), this.#row(work, 'ratio', 'p99 × without', '×', ratios, goal(1.5))];
      }),
      this.#row(null, 'lateness', 'the load itself late, p99', 'ms', lateness),
      this.#row(null, 'foreign', 'cores that other processes kept busy', '', foreign),
      this.#row(null, 'failures', 'requests that failed', '', [failures], judged ? { id: 'C3', atMost: 0 } : undefined),
    ];
  }

  #rowsOf(work: Work, goal: (atMost: number) => RowGoal | undefined): Row[] {
    const row = (id: string, name: string, of: (figures: Figures) => number, bound?: RowGoal) =>
      this.#row(work, id, name, 'ms', this.#series(work, of), bound);
    const itself = this.#series(work, ({ value }) => value);
    return [
      ...(work === NOTHING ? [] : [this.#row(work, 'work', 'itself', work.unit, itself)]),
      row('loop-p99', "gateway's loop late, p99", ({ gateway }) => gateway.p99, goal(20)),
      row('loop-max', "gateway's loop late, max", ({ gateway }) => gateway.max, goal(50)),
      row('control-max', "control's loop late, max", ({ control }) => control.max),
      row('p50', 'proxied p50', ({ p50 }) => p50),
      row('p99', 'proxied p99', ({ p99 }) => p99),
    ];
  }

  #row(work: Work | null, id: string, name: string, unit: string, values: readonly number[], goal?: RowGoal): Row {
    const { id: layout, name: where } = this.#layout;
    const [workId, workName] = work === null ? ['all', 'all windows'] : [work.id, work.name];
    return rowOf(`beside-${layout}-${workId}-${id}`, `${where}, ${workName}: ${name}`, unit, values, goal);
  }

  #series(work: Work, of: (figures: Figures) => number): number[] {
    return (this.#figures.get(work) ?? []).map(of);
  }
}
