/**
 * The rows of the table: what each asks of the load process, and which figures
 * it makes of the answer. A row measures one candidate for one round; the rounds
 * and their interleaving are run.ts's.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Measurement, Subject, Timing } from '../load/job.ts';
import { openDescriptors, residentBytes } from './process-meter.ts';

/** How long and how much: the full bench, or the quick one. */
export interface Plan {
  readonly rounds: number;
  /** Rounds of the rows that start a fresh process for each measurement. */
  readonly freshRounds: number;
  readonly timing: Timing;
  readonly extraSessions: number;
  readonly heldTunnels: number;
  readonly churnedTunnels: number;
}

export const FULL: Plan = {
  rounds: 5,
  freshRounds: 3,
  timing: { warmSeconds: 0.7, seconds: 3 },
  extraSessions: 100_000,
  heldTunnels: 9_500,
  churnedTunnels: 100_000,
};

export const QUICK: Plan = {
  rounds: 2,
  freshRounds: 1,
  timing: { warmSeconds: 0.25, seconds: 0.75 },
  extraSessions: 1_000,
  heldTunnels: 2_000,
  churnedTunnels: 10_000,
};

/** The figures of one measurement by metric id, and whether it can be trusted. */
export interface Outcome {
  readonly values: Readonly<Record<string, number>>;
  readonly failures: number;
  readonly foreignCores: number;
}

/** One column: its heading, its decimals, and the id under which outcomes hold it. */
export interface Metric {
  readonly id: string;
  readonly heading: string;
  readonly digits: number;
}

export interface LoadRow {
  readonly id: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** The metric whose ratios to the pipe and to proxy-chain are shown; none when null. */
  readonly compared: string | null;
  /** Whether each measurement starts the candidate anew, with a small index. */
  readonly fresh: boolean;
  /** Whether the quick bench has it. */
  readonly quick: boolean;
  /** The only candidates it is for; all when absent. */
  readonly only?: readonly string[];
  measure(subject: Subject, plan: Plan, load: (job: Job) => Promise<Measurement>): Promise<Outcome>;
}

/** A row of throughput: rate, CPU of the gateway per unit, and units per CPU second (`perCore`). */
function throughput(
  id: string,
  title: string,
  unit: { readonly rate: string; readonly cpu: string; readonly size: number; readonly digits: number },
  job: (subject: Subject, timing: Timing) => Job,
  quick: boolean,
): LoadRow {
  return {
    id,
    title,
    metrics: [
      { id: 'rate', heading: unit.rate, digits: unit.digits },
      { id: 'cpu', heading: `CPU ${unit.cpu}`, digits: unit.cpu.startsWith('ms') ? 0 : 1 },
      { id: 'busy', heading: 'core busy %', digits: 0 },
      { id: 'perCore', heading: `${unit.rate} per core`, digits: unit.digits },
    ],
    compared: 'perCore',
    fresh: false,
    quick,
    async measure(subject, { timing }, load) {
      const { work, seconds, failures, foreignCores, ...done } = await load(job(subject, timing));
      const gatewayCpu = done.gatewayCpu ?? Number.NaN;
      const units = work / unit.size;
      const values = {
        rate: units / seconds,
        cpu: (gatewayCpu / units) * (unit.cpu.startsWith('ms') ? 1e3 : 1e6),
        busy: (gatewayCpu / seconds) * 100,
        perCore: units / gatewayCpu,
      };
      return { values, failures, foreignCores };
    },
  };
}

const REQUESTS = { rate: 'req/s', cpu: 'µs/req', size: 1, digits: 0 };
const TUNNELS = { rate: 'tunnels/s', cpu: 'µs/tunnel', size: 1, digits: 0 };
const GIGABYTES = { rate: 'GB/s', cpu: 'ms/GB', size: 1e9, digits: 2 };
const BODY_BYTES = 1 << 20;

const stream =
  (direction: 'down' | 'up') =>
  (subject: Subject, timing: Timing): Job => ({
    kind: 'stream',
    subject,
    direction,
    tunnels: 4,
    ...timing,
  });

/** POSTs of each size. A window sees few of the large ones: fewer connections leave fewer half done at its ends. */
const postsOf = (chunked: boolean): LoadRow[] =>
  [
    { id: 'post-1k', size: '1 KiB', bytes: 1 << 10, connections: 16 },
    { id: 'post-64k', size: '64 KiB', bytes: 64 << 10, connections: 16 },
    { id: 'post-10m', size: '10 MiB', bytes: 10 << 20, connections: 4 },
  ].map(({ id, size, bytes, connections }) =>
    throughput(
      chunked ? `${id}-chunked` : id,
      `forwarded POSTs of ${size}${chunked ? ' in chunks' : ''}, ${connections} connections`,
      REQUESTS,
      (subject, timing) => ({ kind: 'post', subject, connections, bytes, chunked, ...timing }),
      false,
    ),
  );

/** Each size with its length, then each in chunks. */
export const posts: readonly LoadRow[] = [...postsOf(false), ...postsOf(true)];

const paced: LoadRow = {
  id: 'paced',
  title: 'forward at a fixed 1,500 req/s, 64 connections: time to the whole answer',
  metrics: [
    { id: 'p50', heading: 'p50 µs', digits: 0 },
    { id: 'p99', heading: 'p99 µs', digits: 0 },
    { id: 'busy', heading: 'core busy %', digits: 0 },
  ],
  compared: null,
  fresh: false,
  quick: false,
  async measure(subject, { timing }, load) {
    const done = await load({ kind: 'paced', subject, connections: 64, perSecond: 1_500, ...timing });
    const { p50 = Number.NaN, p99 = Number.NaN } = done.latency ?? {};
    const values = { p50: p50 * 1e6, p99: p99 * 1e6, busy: ((done.gatewayCpu ?? Number.NaN) / done.seconds) * 100 };
    return { values, failures: done.failures, foreignCores: done.foreignCores };
  },
};

const memory: LoadRow = {
  id: 'memory',
  title: 'idle tunnels held open, on a fresh process (Sallyport: 1,000 sessions)',
  metrics: [
    { id: 'perTunnel', heading: 'kB RSS/tunnel', digits: 1 },
    { id: 'atRest', heading: 'MB at rest', digits: 0 },
    { id: 'descriptors', heading: 'descriptors left', digits: 0 },
  ],
  compared: 'perTunnel',
  fresh: true,
  quick: true,
  async measure(subject, { heldTunnels }, load) {
    const { pid } = await settled(subject);
    const [atRest, descriptors] = [residentBytes(pid), openDescriptors(pid)];
    const held = await load({ kind: 'hold', subject, count: heldTunnels });
    await settled(subject);
    const holding = residentBytes(pid);
    const released = await load({ kind: 'release', subject });
    const values = {
      perTunnel: (holding - atRest) / held.work / 1e3,
      atRest: atRest / 1e6,
      descriptors: await descriptorsLeft(pid, descriptors),
    };
    return { values, failures: held.failures + released.failures, foreignCores: 0 };
  },
};

const churn: LoadRow = {
  id: 'churn',
  title: 'tunnels opened and closed, 32 at a time, on a fresh process: what stays behind',
  metrics: [
    { id: 'growth', heading: 'RSS growth %', digits: 1 },
    { id: 'descriptors', heading: 'descriptors left', digits: 0 },
  ],
  compared: null,
  fresh: true,
  quick: false,
  only: ['sallyport', 'pipe', 'proxy-chain'],
  async measure(subject, { churnedTunnels }, load) {
    const { pid } = await settled(subject);
    const descriptors = openDescriptors(pid);
    // A tenth of the tunnels first: code compiled and heap at its working size before memory is compared.
    const warm = await load({ kind: 'churn', subject, concurrency: 32, count: churnedTunnels / 10 });
    await settled(subject);
    const before = residentBytes(pid);
    const done = await load({ kind: 'churn', subject, concurrency: 32, count: churnedTunnels });
    await settled(subject);
    const values = {
      growth: (residentBytes(pid) / before - 1) * 100,
      descriptors: await descriptorsLeft(pid, descriptors),
    };
    return { values, failures: warm.failures + done.failures, foreignCores: 0 };
  },
};

/** Until a process is at rest: Sallyport gives memory back within some five seconds of it (`src/rest.ts`). */
const SETTLE_MS = 10_000;

/** Lets the process come to rest; throws for a subject without a process. */
async function settled({ pid }: Subject): Promise<{ pid: number }> {
  if (pid === null) throw new Error('this row needs a gateway');
  await sleep(SETTLE_MS);
  return { pid };
}

/** Descriptors above the start, once they are back or five seconds have passed. */
async function descriptorsLeft(pid: number, start: number): Promise<number> {
  for (const deadline = Date.now() + 5_000; openDescriptors(pid) > start && Date.now() < deadline; ) await sleep(50);
  return openDescriptors(pid) - start;
}

/** All rows of load, in the order of the table. */
export const rows: readonly LoadRow[] = [
  throughput(
    'forward',
    'forward, keep-alive absolute-form, 64 connections',
    REQUESTS,
    (subject, timing) => ({ kind: 'forward', subject, connections: 64, ...timing }),
    true,
  ),
  throughput(
    'saturate',
    'the same by the lighter client of the bench, which loads a gateway further',
    REQUESTS,
    (subject, timing) => ({ kind: 'closed', subject, connections: 64, ...timing }),
    true,
  ),
  paced,
  throughput(
    'connect',
    'CONNECT: connect, 200, one GET inside, close; 32 at a time',
    TUNNELS,
    (subject, timing) => ({ kind: 'connect', subject, concurrency: 32, ...timing }),
    true,
  ),
  throughput('down', 'tunnel bytes to the client, 4 at once', GIGABYTES, stream('down'), true),
  throughput('up', 'tunnel bytes to the target, 4 at once', GIGABYTES, stream('up'), true),
  throughput(
    'body',
    'forwarded answers of 1 MiB, 16 connections',
    REQUESTS,
    (subject, timing) => ({ kind: 'download', subject, connections: 16, bytes: BODY_BYTES, ...timing }),
    false,
  ),
  ...posts,
  memory,
  churn,
];
