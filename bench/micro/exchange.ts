/**
 * What a request costs beside parsing, resolving and sockets: its exchange, from the
 * head to the end, with and without the ledger that books its traffic and keeps its
 * record; the CPU that its line in the log adds, written to a file, a few requests in
 * each turn of the event loop; and what a report of usage costs with 20,000 tunnels
 * under way. What is drained is checked against what was put in, and lines are counted.
 */

import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AddressGuard } from '../../gateway/address-guard.ts';
import { AuthThrottle } from '../../gateway/auth-throttle.ts';
import { BindingQueue } from '../../gateway/binding-queue.ts';
import { Caps } from '../../gateway/caps.ts';
import { GatewayContext } from '../../gateway/context.ts';
import { Counters } from '../../gateway/counters.ts';
import { Credentials } from '../../gateway/credentials.ts';
import { Deadlines } from '../../gateway/deadlines.ts';
import { Exchange } from '../../gateway/exchange.ts';
import { Ledger } from '../../gateway/ledger.ts';
import { Load } from '../../gateway/load.ts';
import { NameResolver } from '../../gateway/name-resolver.ts';
import { OwnAddresses } from '../../gateway/own-addresses.ts';
import { UpstreamPool } from '../../gateway/upstream-pool.ts';
import { UpstreamTls } from '../../gateway/upstream-tls.ts';
import { Via } from '../../gateway/via.ts';
import { Wires } from '../../gateway/wire/wires.ts';
import { systemClock } from '../../src/core/clock.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { type Logger, silentLog } from '../../src/core/log.ts';
import type { ApiKeyId, ApiKeyState, Route, WorkspaceId } from '../../src/core/model.ts';
import type { Pool } from '../../src/core/pool-index/pool.ts';
import { resolve } from '../../src/core/pool-index/resolve.ts';
import { RequestIds } from '../../src/core/request-ids.ts';
import { plainSelector } from '../../src/core/selector.ts';
import { MAX_REPORT } from '../../src/core/usage-tally.ts';
import { startLogging } from '../../src/logging.ts';
import { type MicroOptions, printRows, type Row, rowOf } from '../lib/row.ts';
import { filledDirectory } from './index-setup.ts';

const SESSIONS = 100_000;
const BATCH = 20_000;
/** Requests that end in one turn of the event loop. */
const A_TURN = 8;
const TUNNELS = 20_000;
const TARGET = { host: 'www.example.test', port: 443, path: '' };
const KEY: ApiKeyState = {
  id: '018f8c20-0000-7000-8000-00000000000a' as ApiKeyId,
  workspaceId: '018f8c20-0000-7000-8000-00000000000b' as WorkspaceId,
  hash: '',
  mayUseGateway: true,
  expiresAtMs: null,
};
const SELECTOR = plainSelector('default', null);
const IDS = new RequestIds('00000000');
/** A ledger that does nothing: what remains is the exchange itself. */
const NO_LEDGER = { begin: () => undefined, finish: () => undefined } as unknown as Ledger;

/** Measures exchanges over 100,000 sessions, and reports. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  const rounds = quick ? 5 : 15;
  const [pool] = filledDirectory(SESSIONS, 1).pools;
  const ledger = new Ledger(systemClock, IDS);
  const booked = await measure(context(ledger), pool!, rounds, ledger);
  const bare = await measure(context(NO_LEDGER), pool!, rounds, null);
  return [
    rowOf('exchange', 'an exchange, booked and recorded', 'ns', booked),
    rowOf('exchange.bare', 'an exchange without the ledger', 'ns', bare),
    ...(await measureLines(pool!, rounds)),
    ...(await measureReports(pool!, quick ? 5 : 15)),
  ];
}

function context(ledger: Ledger, log: Logger | null = null): GatewayContext {
  const { directory } = filledDirectory(1, 1);
  const deadlines = new Deadlines();
  const { dnsTimeoutMs } = defaultLimits;
  const resolver = new NameResolver({ clock: systemClock, deadlines, dnsTimeoutMs, dnsServers: null });
  const ownAddresses = new OwnAddresses((host) => resolver.known(host));
  return new GatewayContext({
    clock: systemClock,
    log: log ?? silentLog,
    accessLog: log !== null,
    limits: defaultLimits,
    revokeGraceMs: 0,
    directory,
    credentials: new Credentials(directory, systemClock),
    bindings: new BindingQueue(async () => [], deadlines, silentLog),
    counters: new Counters(),
    deadlines,
    wires: new Wires(),
    upstreamTls: new UpstreamTls([]),
    upstreams: new UpstreamPool(defaultLimits, systemClock),
    ownAddresses,
    resolver,
    addressGuard: new AddressGuard(resolver, ownAddresses, true),
    ledger,
    caps: new Caps(defaultLimits, Number.POSITIVE_INFINITY),
    load: new Load(defaultLimits, Number.POSITIVE_INFINITY, silentLog, systemClock),
    throttle: new AuthThrottle(systemClock),
    health: { succeeded: () => undefined, failed: () => undefined, abandoned: () => undefined },
    via: new Via('bench'),
    resolveSeconds: new Map(),
    requestIds: IDS,
  });
}

function routeOf(pool: Pool): Route {
  const route = resolve(pool, SELECTOR, TARGET.host);
  if (typeof route === 'string') throw new Error(route);
  return route;
}

function begin(shared: GatewayContext, pool: Pool): Exchange {
  const exchange = new Exchange(shared, 'connect', 'CONNECT', TARGET, '127.0.0.1:50000');
  exchange.key = KEY;
  exchange.identifiedBy = 'credentials';
  exchange.pool = shared.counters.pool(pool.state);
  exchange.selector = SELECTOR;
  exchange.budget = shared.retryBudgets.of(pool);
  exchange.place(routeOf(pool), pool.trial);
  exchange.beginDial();
  exchange.endDial();
  exchange.served();
  return exchange;
}

/** ns for each exchange, by round; the ledger is drained between rounds, as once a second in life. */
async function measure(shared: GatewayContext, pool: Pool, rounds: number, ledger: Ledger | null): Promise<number[]> {
  const values: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < BATCH; i++) {
      const exchange = begin(shared, pool);
      exchange.bytesOut += 100;
      exchange.bytesIn += 2_000;
      exchange.finish(null);
    }
    if (round >= 0) values.push(((performance.now() - start) * 1e6) / BATCH);
    if (ledger !== null) await drain(ledger, BATCH);
  }
  return values;
}

/** CPU of the whole process for each exchange without its line and with it, alternating; each round has a file of its own. */
async function measureLines(pool: Pool, rounds: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const silent: number[] = [];
  const logged: number[] = [];
  try {
    for (let round = -2; round < rounds; round++) {
      const without = await cpuOfTurns(context(NO_LEDGER), pool);
      const file = join(folder, `${round}.jsonl`);
      const logging = startLogging({ logLevel: 'info', logFormat: 'json' }, openSync(file, 'w'));
      const before = process.cpuUsage();
      await cpuOfTurns(context(NO_LEDGER, logging.log), pool);
      await logging.close();
      const withLine = cpuSince(before);
      const lines = readFileSync(file, 'utf8').split('\n').length - 1;
      if (lines !== BATCH) throw new Error(`${BATCH} requests were made, ${lines} logged`);
      rmSync(file);
      if (round < 0) continue;
      silent.push(without);
      logged.push(withLine);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return [
    rowOf('exchange.silent', 'an exchange without ledger and line, turns included', 'µs CPU', silent),
    rowOf('exchange.logged', 'the same with its line in a file', 'µs CPU', logged),
  ];
}

async function cpuOfTurns(shared: GatewayContext, pool: Pool): Promise<number> {
  const before = process.cpuUsage();
  for (let done = 0; done < BATCH; done += A_TURN) {
    for (let i = 0; i < A_TURN; i++) begin(shared, pool).finish(null);
    await nextTurn();
  }
  return cpuSince(before);
}

/** µs for each exchange of a batch, of all threads. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / BATCH;
}

/** A walk over tunnels of which none, and of which each, moved since the last; the pages of the report are its part. */
async function measureReports(pool: Pool, rounds: number): Promise<Row[]> {
  const ledger = new Ledger(systemClock, IDS);
  const shared = context(ledger);
  const tunnels = Array.from({ length: TUNNELS }, () => begin(shared, pool));
  const idle: number[] = [];
  const busy: number[] = [];
  for (let round = -2; round < rounds; round++) {
    for (const tunnel of tunnels) tunnel.bytesIn += 1_000;
    const [busyMs, idleMs] = [await drain(ledger, 0), await drain(ledger, 0)];
    if (round < 0) continue;
    busy.push(busyMs);
    idle.push(idleMs);
  }
  for (const tunnel of tunnels) tunnel.finish(null);
  await drain(ledger, TUNNELS);
  return [
    rowOf('report.busy', 'a report, 20,000 tunnels that moved', 'ms', busy),
    rowOf('report.idle', 'a report, 20,000 idle tunnels', 'ms', idle),
  ];
}

/** Takes a whole report, in ms; it must count `requests`. */
async function drain(ledger: Ledger, requests: number): Promise<number> {
  const start = performance.now();
  let counted = 0;
  for (let more = true; more; ) {
    const page = await ledger.drainUsage();
    for (const { requestCount } of page) counted += requestCount;
    more = page.length === MAX_REPORT;
  }
  const ms = performance.now() - start;
  if (counted !== requests) throw new Error(`${requests} requests were made, ${counted} booked`);
  return ms;
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
