/**
 * Time of one `resolve`: by every selection, a token, a sticky key in use, the first
 * sight of a key (consistent choice and its entry), an account, and by labels. Each row
 * is the median over rounds of the median batch; p99 is over single calls, the clock's
 * own cost included. Answers are checked before anything is timed.
 */
import { OPEN_POLICY, type Route, type SelectionName } from '../../src/core/model.ts';
import { consistentChoice } from '../../src/core/pool-index/consistent.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';
import { resolve } from '../../src/core/pool-index/resolve.ts';
import { isSelectorFault, parseSelector, type Selector } from '../../src/core/selector.ts';
import { timeCalls } from '../lib/call-times.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, type RowGoal, rowOf } from '../lib/row.ts';
import { type Filled, filledDirectory, QUICK_SIZES, SIZES, sizeName, tokenOf } from './index-setup.ts';

const KEYS = 50_000;
/** Different labels in a directory: so many countries, each with so many cities. */
const COUNTRIES = 50;
const CITIES = 20;
const TARGET = 'a.test';
const NO_KEY = selectorOf('');

interface Subject {
  readonly id: string;
  readonly name: string;
  /** I1 ≤ 1,300 ns when absent. */
  readonly goal?: RowGoal;
  /** Before anything of it is timed. */
  prepare?(): void;
  /** Makes what each call asks for, beside the timed part; absent where calls repeat themselves. */
  ask?(): Selector;
  pick(i: number, asked: Selector | undefined): unknown;
}

/** Measures every way of picking at every size. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [count, pools] of quick ? QUICK_SIZES : SIZES) {
    const filled = filledDirectory(count, pools, (n) => ({ labels: labelsOf(n) }));
    check(filled, count);
    for (const subject of subjects(filled, count)) rows.push(...measure(subject, count, pools, quick ? 3 : 7));
  }
  return rows;
}

/** Two letters for the country, as clients ask for it. */
function labelsOf(n: number): { country: string; city: string } {
  const country = n % COUNTRIES;
  const letters = String.fromCharCode(0x61 + Math.trunc(country / 10), 0x61 + (country % 10));
  return { country: letters, city: `${letters}_${Math.trunc(n / COUNTRIES) % CITIES}` };
}

/** As the credentials' cache has it: parsed from bytes, so that no text has its hash yet. */
function selectorOf(keys: string): Selector {
  const selector = parseSelector(Buffer.from(`default${keys}`).toString('latin1'), null);
  if (isSelectorFault(selector)) throw new Error(`${keys} is no selector`);
  return selector;
}

function subjects({ directory, pools }: Filled, count: number): Subject[] {
  const pool = (i: number): Pool => pools[i % pools.length]!;
  const inTurn = (i: number) => resolve(pool(i), NO_KEY, TARGET);
  const select = (selection: SelectionName) => () => {
    for (const { state } of pools) {
      directory.apply({ kind: 'pool-put', pool: { ...state, policy: { ...OPEN_POLICY, selection } } });
    }
  };
  // Some session of pool i, as the bench deals them out.
  const sessionIn = (i: number): number =>
    (i % pools.length) + pools.length * ((Math.imul(i, 0x9e3779b1) >>> 0) % Math.trunc(count / pools.length));
  const asking = (keys: (i: number) => string) => {
    const asked = Array.from({ length: KEYS }, (_, i) => selectorOf(keys(i)));
    return (i: number) => resolve(pool(i), asked[i]!, TARGET);
  };
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`checkout-${i}`).toString('latin1'));
  let fresh = 0;
  return [
    { id: 'round-robin', name: 'round robin', goal: { id: 'I1', atMost: 200 }, pick: inTurn },
    { id: 'random', name: 'random', prepare: select('random'), pick: inTurn },
    { id: 'least', name: 'least connections', prepare: select('least_connections'), pick: inTurn },
    { id: 'lru', name: 'least recently used', prepare: select('least_recently_used'), pick: inTurn },
    { id: 'fastest', name: 'fastest of two', prepare: select('fastest'), pick: inTurn },
    {
      id: 'country',
      name: 'round robin in a country',
      prepare: select('round_robin'),
      pick: asking((i) => `-country-${labelsOf(sessionIn(i)).country}`),
    },
    {
      id: 'city',
      name: 'round robin in a city of a country',
      pick: asking((i) => `-country-${labelsOf(sessionIn(i)).country}-city-${labelsOf(sessionIn(i)).city}`),
    },
    { id: 'token', name: 'token', pick: asking((i) => `-session-${tokenOf(sessionIn(i))}`) },
    { id: 'sticky', name: 'sticky, key in use', pick: asking((i) => `-session-checkout-${i}`) },
    {
      id: 'sticky.country',
      name: 'sticky in a country, key in use',
      pick: asking((i) => `-session-checkout-${i}-country-${labelsOf(sessionIn(i)).country}`),
    },
    { id: 'choice', name: 'consistent choice', pick: (i) => consistentChoice(pool(i), pool(i).scope, keys[i]!) },
    {
      id: 'first',
      name: 'sticky, first sight',
      ask: () => selectorOf(`-session-new-${fresh++}`),
      pick: (i, asked) => resolve(pool(i), asked!, TARGET),
    },
    { id: 'account', name: 'account, bound', pick: asking((i) => `-account-crawler-${i}`) },
    {
      id: 'assign',
      name: 'account, first use',
      // It makes an assignment, and changes the index.
      goal: { id: 'I2', atMost: 20_000 },
      ask: () => selectorOf(`-account-new-${fresh++}`),
      pick: (i, asked) => resolve(pool(i), asked!, TARGET),
    },
  ];
}

function measure(subject: Subject, count: number, pools: number, rounds: number): Row[] {
  const { pick, prepare, ask, goal = { id: 'I1', atMost: 1_300 } } = subject;
  prepare?.();
  const asked: Selector[] = [];
  const { medians, tails } = timeCalls(
    (i) => pick(i, asked[i]),
    KEYS,
    rounds,
    (from, to) => {
      if (ask !== undefined) for (let i = from; i < to; i++) asked[i] = ask();
    },
  );
  const id = `pick.${subject.id}.${count}.${pools}`;
  const name = `${subject.name}, ${sizeName(count, pools)}`;
  return [
    rowOf(id, name, 'ns', medians, goal),
    rowOf(`${id}.p99`, `${name}, p99`, 'ns', tails, goal.id === 'I1' ? { id: 'I1', atMost: 5_000 } : undefined),
  ];
}

function ask(pool: Pool, keys: string): Route {
  const route = resolve(pool, selectorOf(keys), TARGET);
  if (typeof route === 'string') throw new Error(route);
  return route;
}

function check({ directory, pools }: Filled, count: number): void {
  const [pool] = pools;
  if (pool === undefined || pools.reduce((sum, { size }) => sum + size, 0) !== count)
    throw new Error('sessions are missing');
  const seen = new Set(Array.from({ length: Math.min(pool.size, 1_000) }, () => ask(pool, '').sessionId));
  if (seen.size !== Math.min(pool.size, 1_000)) throw new Error('round robin repeats itself');
  const named = ask(pool, `-session-${tokenOf(0)}`);
  if (pool.findById(named.sessionId)?.token !== tokenOf(0)) throw new Error('a token is not found');
  for (const kind of ['session', 'account']) {
    const first = ask(pool, `-${kind}-kept`);
    if (ask(pool, `-${kind}-kept`) !== first) throw new Error(`a ${kind} key moved`);
    if (kind === 'session' && consistentChoice(pool, pool.scope, 'kept')?.id !== first.sessionId)
      throw new Error('the first choice is not the consistent one');
  }
  const { country, city } = labelsOf(0);
  for (const keys of [`-country-${country}`, `-country-${country}-city-${city}`]) {
    // A facet of a large pool is built in slices.
    ask(pool, keys);
    while (directory.step());
    const { labels } = pool.findById(ask(pool, keys).sessionId)!;
    if (labels?.labels.country !== country) throw new Error('a label is not heeded');
  }
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
