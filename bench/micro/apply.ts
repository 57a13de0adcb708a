/**
 * Time of one change to the index, the longest turn while loading, and bytes a
 * session. Each operation is timed alone; the longest turn is CPU time of the
 * thread where the wall clock says more, as others use the machine too; garbage
 * collection is included. Memory is read after a full collection.
 */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Change } from '../../src/core/model.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, quantileOf, rowOf } from '../lib/row.ts';
import { startTurn } from '../lib/turn.ts';
import type { Filled } from './index-setup.ts';
import { emptyDirectory, goneOf, putOf, QUICK_SIZES, SIZES, sizeName } from './index-setup.ts';

const OPERATIONS = 20_000;
/** A turn as the gateway takes it at a bulk load: this many changes, then the loop goes on. */
const SLICE = 100;

/** Measures loading, then each kind of change, at every size. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const rows: Row[] = [];
  for (const [count, pools] of quick ? QUICK_SIZES : SIZES) {
    const filled = emptyDirectory(pools);
    rows.push(...(await load(filled, count, pools, collect)), ...changes(filled, count, pools));
  }
  return rows;
}

async function load(
  { directory, pools: made }: Filled,
  count: number,
  pools: number,
  collect: () => void,
): Promise<Row[]> {
  const before = await settledBytes(collect);
  const turns: number[] = [];
  let batch: Change[] = [];
  for (let n = 0; n < count; n += SLICE) {
    batch = Array.from({ length: Math.min(SLICE, count - n) }, (_, i) => putOf(n + i, pools));
    const turn = startTurn();
    for (const change of batch) directory.apply(change);
    turns.push(turn());
  }
  batch = [];
  const after = await settledBytes(collect);
  if (made.reduce((sum, { size }) => sum + size, 0) !== count) throw new Error('sessions are missing after the load');
  const size = sizeName(count, pools);
  const id = `${count}.${pools}`;
  const heap = (after - before) / count;
  const total = turns.reduce((sum, turn) => sum + turn, 0);
  // Below that the tables' and pools' fixed parts are what is measured.
  const memoryGoal = count >= 100_000 && pools === 1 ? { id: 'I3', atMost: 600 } : undefined;
  return [
    rowOf(`load.${id}`, `load, ${size}`, 'ms', [total]),
    rowOf(`load.turn.${id}`, `longest turn of ${SLICE} creates, ${size}`, 'ms', [Math.max(...turns)], {
      id: 'I2',
      atMost: 10,
    }),
    rowOf(`heap.${id}`, `heap and tables, ${size}`, 'B/session', [heap], memoryGoal),
  ];
}

function changes({ directory, pools: made }: Filled, count: number, pools: number): Row[] {
  const scattered = (i: number): number => (Math.imul(i, 0x9e3779b1) >>> 0) % count;
  const kinds: [name: string, change: (i: number) => Change][] = [
    ['create', (i) => putOf(count + i, pools)],
    ['update', (i) => putOf(scattered(i), pools, { password: `changed${i}` })],
    ['disable', (i) => putOf(count + i, pools, { enabled: false })],
    ['enable', (i) => putOf(count + i, pools)],
    ['delete', (i) => goneOf(count + i, pools)],
  ];
  const rows: Row[] = [];
  for (const [name, make] of kinds) {
    const samples = new Float64Array(OPERATIONS);
    let longest = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const change = make(i);
      const turn = startTurn();
      const start = performance.now();
      directory.apply(change);
      samples[i] = (performance.now() - start) * 1e3;
      longest = Math.max(longest, turn());
    }
    const id = `apply.${name}.${count}.${pools}`;
    const label = `${name}, ${sizeName(count, pools)}`;
    rows.push(
      rowOf(id, label, 'µs', [quantileOf(samples, 0.5)], { id: 'I2', atMost: 20 }),
      rowOf(`${id}.p99`, `${label}, p99`, 'µs', [quantileOf(samples, 0.99)]),
      rowOf(`${id}.turn`, `${label}, longest`, 'ms', [longest], { id: 'I2', atMost: 10 }),
    );
  }
  if (made.reduce((sum, { size }) => sum + size, 0) !== count) throw new Error('changes left sessions behind');
  return rows;
}

/** Heap and buffers in use. Buffers of dead arrays are freed beside the collector: it runs until the sum stands still. */
async function settledBytes(collect: () => void): Promise<number> {
  let bytes = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    collect();
    await setImmediate();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    if (heapUsed + arrayBuffers > bytes * 0.999) break;
    bytes = heapUsed + arrayBuffers;
  }
  return bytes;
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
