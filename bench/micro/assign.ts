/**
 * Time of finding an account's assignment, of choosing the least-assigned session,
 * and of binding, moving and freeing an account, in pools where each session has an
 * assignment already; the time of a list of 1,000 choices; bytes an assignment. Each
 * operation is timed alone, the clock's own cost included. What is found and chosen
 * is checked before anything is timed.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AssignmentId, Change } from '../../src/core/model.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, quantileOf, rowOf } from '../lib/row.ts';
import { type Filled, filledDirectory, poolIdOf, QUICK_SIZES, SIZES, sessionIdOf, sizeName } from './index-setup.ts';

const OPERATIONS = 20_000;
/** The largest list that one call asks for. */
const LIST = 1_000;
const LISTS = 20;

/** Measures at every size. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const rows: Row[] = [];
  for (const [count, pools] of quick ? QUICK_SIZES : SIZES) {
    const filled = filledDirectory(count, pools);
    rows.push(bindAll(filled, count, pools, collect));
    check(filled, count, pools);
    rows.push(...finds(filled, count, pools), ...choices(filled, count, pools), ...changes(filled, count, pools));
  }
  return rows;
}

const scattered = (i: number, count: number): number => (Math.imul(i, 0x9e3779b1) >>> 0) % count;

/** Account `n` of the pool of session `to`; all strings are its own, as after crossing a thread. */
const putOf = (n: number, to: number, pools: number): Change =>
  structuredClone({
    kind: 'assignment-put',
    assignment: {
      id: sessionIdOf(n) as string as AssignmentId,
      poolId: poolIdOf(to % pools),
      accountName: `account-${n}`,
      sessionId: sessionIdOf(to),
      pinned: false,
      boundAtMs: 0,
    },
  });

/** One assignment for each session. */
function bindAll({ directory }: Filled, count: number, pools: number, collect: () => void): Row {
  const before = bytes(collect);
  for (let n = 0; n < count; n++) directory.apply(putOf(n, n, pools));
  const each = (bytes(collect) - before) / count;
  return rowOf(`assign.heap.${count}.${pools}`, `heap and tables, ${sizeName(count, pools)}`, 'B/assignment', [each]);
}

function bytes(collect: () => void): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** One session less assigned than all others must be found by every account. */
function check({ directory }: Filled, count: number, pools: number): void {
  for (let i = 0; i < 100; i++) {
    const n = scattered(i, count);
    const poolId = poolIdOf(n % pools);
    directory.apply({ kind: 'assignment-gone', poolId, accountName: `account-${n}` });
    const [chosen] = directory.leastAssigned({ poolId, accountNames: [`fresh-${i}`], exclude: null });
    if (chosen !== sessionIdOf(n)) throw new Error('the least-assigned session is not found');
    directory.apply(putOf(n, n, pools));
    const found = directory.findAssignment(poolId, `account-${n}`);
    if (found?.sessionId !== chosen) throw new Error('an assignment is not found');
  }
}

function finds({ directory }: Filled, count: number, pools: number): Row[] {
  const numbers = Array.from({ length: OPERATIONS }, (_, i) => scattered(i, count));
  // Built anew from bytes, as they come from a request head: their hash is not cached.
  const names = numbers.map((n) => Buffer.from(`account-${n}`).toString('latin1'));
  const samples = new Float64Array(OPERATIONS);
  for (let i = 0; i < 2 * OPERATIONS; i++) {
    const at = i % OPERATIONS;
    const poolId = poolIdOf(numbers[at]! % pools);
    const start = performance.now();
    directory.findAssignment(poolId, names[at]!);
    samples[at] = (performance.now() - start) * 1e6;
  }
  const id = `assign.find.${count}.${pools}`;
  const name = `find an account, ${sizeName(count, pools)}`;
  return [
    rowOf(id, name, 'ns', [quantileOf(samples, 0.5)], { id: 'I1', atMost: 1_300 }),
    rowOf(`${id}.p99`, `${name}, p99`, 'ns', [quantileOf(samples, 0.99)], { id: 'I1', atMost: 5_000 }),
  ];
}

function choices({ directory }: Filled, count: number, pools: number): Row[] {
  const size = sizeName(count, pools);
  const id = `assign.choose.${count}.${pools}`;
  const name = (i: number): string => Buffer.from(`newcomer-${i}`).toString('latin1');
  const singles = new Float64Array(OPERATIONS);
  for (let i = 0; i < 2 * OPERATIONS; i++) {
    const query = { poolId: poolIdOf(i % pools), accountNames: [name(i)], exclude: null };
    const start = performance.now();
    directory.leastAssigned(query);
    singles[i % OPERATIONS] = (performance.now() - start) * 1e6;
  }
  const lists = Array.from({ length: LISTS }, (_, round) => {
    const accountNames = Array.from({ length: LIST }, (_, i) => name(round * LIST + i));
    const start = performance.now();
    directory.leastAssigned({ poolId: poolIdOf(round % pools), accountNames, exclude: null });
    return performance.now() - start;
  });
  return [
    rowOf(id, `least assigned, ${size}`, 'ns', [quantileOf(singles, 0.5)], { id: 'I1', atMost: 1_300 }),
    rowOf(`${id}.p99`, `least assigned, ${size}, p99`, 'ns', [quantileOf(singles, 0.99)], { id: 'I1', atMost: 5_000 }),
    rowOf(`${id}.list`, `least assigned, list of ${LIST}, ${size}`, 'ms', lists, { id: 'I2', atMost: 10 }),
  ];
}

function changes({ directory }: Filled, count: number, pools: number): Row[] {
  const kinds: [name: string, change: (i: number) => Change][] = [
    ['bind', (i) => putOf(count + i, scattered(i, count), pools)],
    // To another session of the same pool: the next one that the pool was dealt.
    ['move', (i) => putOf(count + i, (scattered(i, count) + pools) % count, pools)],
    [
      'free',
      (i) => ({
        kind: 'assignment-gone',
        poolId: poolIdOf(((scattered(i, count) + pools) % count) % pools),
        accountName: `account-${count + i}`,
      }),
    ],
  ];
  return kinds.flatMap(([name, make]) => {
    const samples = new Float64Array(OPERATIONS);
    for (let i = 0; i < OPERATIONS; i++) {
      const change = make(i);
      const start = performance.now();
      directory.apply(change);
      samples[i] = (performance.now() - start) * 1e3;
    }
    const id = `assign.${name}.${count}.${pools}`;
    const label = `${name} an account, ${sizeName(count, pools)}`;
    return [
      rowOf(id, label, 'µs', [quantileOf(samples, 0.5)], { id: 'I2', atMost: 20 }),
      rowOf(`${id}.p99`, `${label}, p99`, 'µs', [quantileOf(samples, 0.99)]),
      rowOf(`${id}.longest`, `${label}, longest`, 'ms', [Math.max(...samples) / 1e3], { id: 'I2', atMost: 10 }),
    ];
  });
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
