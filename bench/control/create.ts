/**
 * C1: CreateSession over HTTP by 8 clients with a million sessions stored, beside
 * what bare better-sqlite3 commits one by one on the same disk, in turns. I4: the
 * same store started again, and a small one. I3: the memory of the process then, at
 * rest.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type MicroOptions, type Row, rowOf } from '../lib/row.ts';
import { spread } from '../lib/statistics.ts';
import { BenchProduct } from './product.ts';

const CLIENTS = 8;
const RAW_COMMITS = join(import.meta.dirname, 'raw-commits.ts');
const RAW_TIMEOUT_MS = 60_000;
/** Until it has given back what starting took. */
const SETTLE_MS = 10_000;

export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const plan = quick ? { stored: 10_000, rounds: 2, seconds: 1 } : { stored: 1_000_000, rounds: 5, seconds: 5 };
  const product = new BenchProduct();
  try {
    await product.start();
    const small = await startTimes(product, 10_000, plan.rounds);
    await product.fill('more', plan.stored - 10_000);
    await checkEffective(product);
    const raw: number[] = [];
    const created: number[] = [];
    for (let round = 0; round < plan.rounds; round++) {
      raw.push(await rawRate(product, plan.seconds));
      created.push(await createRate(product, round, plan.seconds));
    }
    const atLeast = Math.min(2_000, 0.7 * spread(raw).median);
    const large = quick ? [] : [rowOf('start-many', startName(plan.stored), 's', await restart(product, 3), goal(15))];
    await setTimeout(SETTLE_MS);
    const rss = rowOf('rss', `RSS at rest, ${amount(plan.stored)} sessions`, 'MB', [product.residentBytes / 1e6], {
      id: 'I3',
      atMost: 1_000,
    });
    return [
      rowOf('create', `CreateSession, 8 clients, ${amount(plan.stored)} stored`, '/s', created, { id: 'C1', atLeast }),
      rowOf('create-raw', 'better-sqlite3 alone, a commit a row, the same disk', '/s', raw),
      rowOf('start', startName(10_000), 's', small, goal(2)),
      ...large,
      rss,
    ];
  } finally {
    await product.close();
  }
}

const goal = (atMost: number) => ({ id: 'I4', atMost });
const amount = (count: number) => count.toLocaleString('en-US');
const startName = (count: number) => `start to ready, ${amount(count)} sessions`;

/** A change is acknowledged when it is effective: what was created resolves, what was deleted does not. */
async function checkEffective(product: BenchProduct): Promise<void> {
  const body = JSON.parse(createBody(product, 'check')) as object;
  const { session } = await product.proxies<{ session: { id: string } }>('CreateSession', body);
  const query = { username: 'default-session-check', targetHost: 'a.test', targetPort: 80 };
  const chosen = await product.proxies<{ sessionId?: string }>('ResolveSession', query);
  if (chosen.sessionId !== session.id) throw new Error('a session that was created does not resolve');
  await product.proxies('DeleteSession', { sessionId: session.id });
  const after = await product.proxies<{ sessionId?: string }>('ResolveSession', query);
  if (after.sessionId === session.id) throw new Error('a session that was deleted resolves');
}

function createBody({ bootstrap }: BenchProduct, token: string): string {
  const { workspaceId, poolId, providerId } = bootstrap;
  const endpoint = { scheme: 'http', host: '203.0.113.10', port: 8_080, username: 'user', password: 'pass' };
  return JSON.stringify({ workspaceId, poolId, providerId, token, ...endpoint });
}

/** Sessions acknowledged a second, each client sending its next when it has its answer. */
async function createRate(product: BenchProduct, round: number, seconds: number): Promise<number> {
  const { apiKey } = product.bootstrap;
  const template = createBody(product, '@');
  const endMs = performance.now() + seconds * 1_000;
  const startMs = performance.now();
  let created = 0;
  const client = async (_: unknown, index: number): Promise<void> => {
    for (let n = 0; performance.now() < endMs; n++) {
      const body = template.replace('"@"', `"c${round}-${index}-${n}"`);
      await product.send('/proxies.v1.Proxies/CreateSession', apiKey, body);
      created++;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return created / ((performance.now() - startMs) / 1_000);
}

async function rawRate({ stage, dataDir }: BenchProduct, seconds: number): Promise<number> {
  const child = stage.start('raw-commits', 0, [process.execPath, RAW_COMMITS, dataDir, String(seconds)]);
  try {
    return ((await child.nextJson(RAW_TIMEOUT_MS)) as { perSecond: number }).perSecond;
  } finally {
    await child.stop();
  }
}

/** Seconds from spawning to ready with so many sessions stored, a start a round. */
async function startTimes(product: BenchProduct, sessions: number, rounds: number): Promise<number[]> {
  await product.fill('first', sessions);
  const times = await restart(product, rounds);
  const { sessionIds } = await product.proxies<{ sessionIds: string[] }>('ListSessions', { limit: 1_000 });
  if (sessionIds.length !== 1_000) throw new Error('a restart lost sessions');
  return times;
}

async function restart(product: BenchProduct, rounds: number): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await product.stop();
    seconds.push(await product.start());
  }
  return seconds;
}
