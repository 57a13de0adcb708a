/**
 * Time of one `resolve`: round robin, a token, a sticky key in use, and the first
 * sight of a key (consistent choice and its entry). Each row is the median over
 * rounds of the median batch; p99 is over single calls, the clock's own cost
 * included. Answers are checked before anything is timed.
 */
import type { Route } from '../../src/core/model.ts';
import { consistentChoice } from '../../src/core/pool-index/consistent.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';
import { resolve } from '../../src/core/pool-index/resolve.ts';
import { plainSelector } from '../../src/core/selector.ts';
import { timeCalls } from '../lib/call-times.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, rowOf } from '../lib/row.ts';
import { filledDirectory, QUICK_SIZES, SIZES, sizeName, tokenOf } from './index-setup.ts';

const KEYS = 50_000;

const TARGET = 'a.test';
const NO_KEY = plainSelector('default', null);

interface Subject {
  readonly id: string;
  readonly name: string;
  readonly goalNs: number;
  pick(i: number): unknown;
}

/** Measures every way of picking at every size. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [count, pools] of quick ? QUICK_SIZES : SIZES) {
    const { pools: made } = filledDirectory(count, pools);
    check(made, count);
    for (const subject of subjects(made, count)) rows.push(...measure(subject, count, pools, quick ? 3 : 7));
  }
  return rows;
}

function subjects(pools: readonly Pool[], count: number): Subject[] {
  const scattered = (i: number): number => (Math.imul(i, 0x9e3779b1) >>> 0) % count;
  const pool = (i: number): Pool => pools[i % pools.length]!;
  // Keys are built anew from bytes, as they come from a request head: their hash is not cached.
  const tokens = Array.from({ length: KEYS }, (_, i) => scattered(i));
  const tokenText = tokens.map((n) => Buffer.from(tokenOf(n)).toString('latin1'));
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`checkout-${i}`).toString('latin1'));
  // Selectors are parsed with the credentials, once for many requests.
  const byToken = tokenText.map((text) => plainSelector('default', text));
  const byKey = keys.map((key) => plainSelector('default', key));
  let fresh = 0;
  return [
    { id: 'round-robin', name: 'round robin', goalNs: 200, pick: (i) => resolve(pool(i), NO_KEY, TARGET) },
    { id: 'token', name: 'token', goalNs: 1_300, pick: (i) => resolve(pool(tokens[i]!), byToken[i]!, TARGET) },
    { id: 'sticky', name: 'sticky, key in use', goalNs: 1_300, pick: (i) => resolve(pool(i), byKey[i]!, TARGET) },
    {
      id: 'choice',
      name: 'consistent choice',
      goalNs: 1_300,
      pick: (i) => consistentChoice(pool(i), pool(i).scope, keys[i]!),
    },
    { id: 'first', name: 'sticky, first sight', goalNs: 1_300, pick: (i) => ask(pool(i), `new-${fresh++}`) },
  ];
}

/** A request with a sticky key of its own, or none. */
function ask(pool: Pool, key: string | null): Route {
  const route = resolve(pool, plainSelector('default', key), TARGET);
  if (typeof route === 'string') throw new Error(route);
  return route;
}

function measure(subject: Subject, count: number, pools: number, rounds: number): Row[] {
  const { pick, goalNs } = subject;
  const { medians, tails } = timeCalls(pick, KEYS, rounds);
  const id = `pick.${subject.id}.${count}.${pools}`;
  const name = `${subject.name}, ${sizeName(count, pools)}`;
  return [
    rowOf(id, name, 'ns', medians, { id: 'I1', atMost: goalNs }),
    rowOf(`${id}.p99`, `${name}, p99`, 'ns', tails, { id: 'I1', atMost: 5_000 }),
  ];
}

function check(pools: readonly Pool[], count: number): void {
  const [pool] = pools;
  if (pool === undefined || pools.reduce((sum, { size }) => sum + size, 0) !== count)
    throw new Error('sessions are missing');
  const seen = new Set(Array.from({ length: Math.min(pool.size, 1_000) }, () => ask(pool, null).sessionId));
  if (seen.size !== Math.min(pool.size, 1_000)) throw new Error('round robin repeats itself');
  const named = ask(pool, tokenOf(0));
  if (pool.findById(named.sessionId)?.token !== tokenOf(0)) throw new Error('a token is not found');
  const first = ask(pool, 'sticky');
  if (ask(pool, 'sticky') !== first) throw new Error('a sticky key moved');
  if (consistentChoice(pool, pool.scope, 'sticky')?.id !== first.sessionId)
    throw new Error('the first choice is not the consistent one');
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
