/** Whose turn it is where both threads want the same core: the gateway's. */
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';

const product = new Product();

beforeAll(async () => {
  await product.start();
  // Whatever a thread pool of either side does, it has done by then: files, compression.
  await product.metrics();
});
afterAll(() => product.destroy());

/** The niceness of each thread of the process, by the thread's name. */
function niceness(): { name: string; nice: number }[] {
  return readdirSync(`/proc/${product.pid}/task`).map((tid) => {
    const stat = readFileSync(`/proc/${product.pid}/task/${tid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    // Nice is field 19; the fields after the name begin with the third.
    return { name: stat.slice(stat.indexOf('(') + 1, end), nice: Number(stat.slice(end + 2).split(' ')[16]) };
  });
}

test.runIf(process.platform === 'linux')('the control thread stands back, and nobody else does', () => {
  const own = getPriority();
  const standingBack = niceness().filter(({ nice }) => nice !== own);
  expect(standingBack).toEqual([{ name: 'WorkerThread', nice: Math.min(19, own + 10) }]);
});
