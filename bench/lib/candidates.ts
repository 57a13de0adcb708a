/**
 * Who runs in the bench: how each candidate is started, what its clients must
 * send, and what it does less than Sallyport. One row a candidate; a program
 * that is not installed is left out and named.
 */

import { join } from 'node:path';
import { basic, CLIENT_CREDENTIAL, UPSTREAM_CREDENTIALS } from './credentials.ts';
import { startHaproxy } from './peers/haproxy.ts';
import { startSallyport } from './peers/sallyport.ts';
import { startSquid } from './peers/squid.ts';
import { startTinyproxy } from './peers/tinyproxy.ts';
import { posts } from './rows.ts';
import { type Child, findProgram, type Stage } from './stage.ts';

/** A candidate that runs: where to connect, whose CPU to read, what to send as `Proxy-Authorization` (in turn). */
export interface Running {
  readonly name: string;
  /** Null when there is no gateway: straight to the upstream. */
  readonly pid: number | null;
  readonly port: number;
  readonly authorizations: readonly string[];
  stop(): Promise<void>;
}

export interface Candidate {
  readonly name: string;
  /** What it does less, or otherwise: printed under the table. */
  readonly note?: string;
  /** Upstream credentials that its requests must be spread over. */
  readonly credentials: number;
  /** Whether it must refuse a client with a wrong password. */
  readonly authenticates: boolean;
  /** Rows that it takes part in; all when absent. */
  readonly rows?: readonly string[];
  /** Rows that it cannot run. */
  readonly not?: readonly string[];
  /** Whether the quick bench has it only when it is asked for. */
  readonly fullOnly?: boolean;
  /** The program that it needs. */
  readonly program?: string;
  /** `extraSessions` sizes the index of a candidate that has one. */
  start(stage: Stage, upstreamPort: number, extraSessions: number): Promise<Running>;
}

const SOURCE_ROOT = join(import.meta.dirname, '../..');
const upstreamAuthorizations = UPSTREAM_CREDENTIALS.map(basic);

/** Sallyport of the source tree `root`, under a name of its own. */
export function sallyport(name: string, root: string = SOURCE_ROOT, accessLog = false): Candidate {
  return {
    name,
    credentials: UPSTREAM_CREDENTIALS.length,
    authenticates: true,
    async start(stage, upstreamPort, extraSessions) {
      const { child, port, authorization } = await startSallyport(name, stage, upstreamPort, {
        root,
        extraSessions,
        accessLog,
      });
      return running(name, child, port, [authorization]);
    },
  };
}

const straight: Candidate = {
  name: 'straight',
  note: 'no gateway at all: what load generator and upstream can do on their core',
  credentials: UPSTREAM_CREDENTIALS.length,
  authenticates: false,
  not: ['memory'],
  start: async (_stage, port) => ({
    name: 'straight',
    pid: null,
    port,
    authorizations: upstreamAuthorizations,
    stop: async () => {},
  }),
};

const pipe: Candidate = {
  name: 'pipe',
  note: 'bare Node relay: reads, checks and injects nothing, so its clients send the upstream credentials themselves',
  credentials: UPSTREAM_CREDENTIALS.length,
  authenticates: false,
  start: (stage, upstreamPort) => startScript('pipe', 'peers/pipe.ts', stage, upstreamPort, upstreamAuthorizations),
};

const limitHandles: Candidate = {
  name: 'limit-handles',
  note: 'the least that relays in Node, on the handles beneath its sockets: reads, checks and injects nothing, as pipe',
  credentials: UPSTREAM_CREDENTIALS.length,
  authenticates: false,
  rows: ['forward', 'saturate', 'connect', 'down', 'up'],
  fullOnly: true,
  start: (stage, upstreamPort) =>
    startScript('limit-handles', '../limits/handle-relay.ts', stage, upstreamPort, upstreamAuthorizations),
};

const limitHeads: Candidate = {
  name: 'limit-heads',
  note: 'the same, and the least that makes a proxy of it: finds heads, injects one of 16 credentials, answers CONNECT',
  credentials: UPSTREAM_CREDENTIALS.length,
  authenticates: false,
  rows: ['forward', 'saturate', 'connect'],
  fullOnly: true,
  start: (stage, upstreamPort) =>
    startScript('limit-heads', '../limits/head-relay.ts', stage, upstreamPort, [basic(CLIENT_CREDENTIAL)]),
};

const proxyChain: Candidate = {
  name: 'proxy-chain',
  note: 'checks one password, rotates 16 upstream credentials, keep-alive agent for plain requests',
  credentials: UPSTREAM_CREDENTIALS.length,
  authenticates: true,
  start: (stage, upstreamPort) =>
    startScript('proxy-chain', 'peers/proxy-chain.ts', stage, upstreamPort, [basic(CLIENT_CREDENTIAL)]),
};

const squid: Candidate = {
  name: 'squid',
  note: 'cache off; 16 upstream credentials, but a pooled connection keeps its first; asks clients for no password',
  program: 'squid',
  // Its pool of idle connections knows the peer's address only, so that requests one by one reuse the first ones.
  credentials: 1,
  authenticates: false,
  start: (stage, upstreamPort) => startProgram('squid', stage, upstreamPort, startSquid),
};

const haproxy: Candidate = {
  name: 'haproxy',
  note: 'one thread; injects one of 16 credentials at random; asks clients for no password',
  program: 'haproxy',
  // At random, the requests of the check leave out one of them now and then.
  credentials: UPSTREAM_CREDENTIALS.length - 4,
  authenticates: false,
  start: (stage, upstreamPort) => startProgram('haproxy', stage, upstreamPort, startHaproxy),
};

const tinyproxy: Candidate = {
  name: 'tinyproxy',
  note: 'a thread per connection, closes after each plain request; one upstream credential',
  program: 'tinyproxy',
  credentials: 1,
  authenticates: true,
  // The bench's own clients keep their connections, which this one does not.
  not: ['saturate', 'paced', 'body', ...posts.map(({ id }) => id)],
  start: (stage, upstreamPort) => startProgram('tinyproxy', stage, upstreamPort, startTinyproxy),
};

/** Everyone, in the order of the tables; Sallyport first. */
export const candidates: readonly Candidate[] = [
  sallyport('sallyport'),
  {
    ...sallyport('sallyport+log', SOURCE_ROOT, true),
    note: 'the same with its access log on, to a file',
    rows: ['forward'],
  },
  pipe,
  limitHandles,
  limitHeads,
  proxyChain,
  haproxy,
  squid,
  tinyproxy,
  straight,
];

/** Whether a candidate takes part in the row of this id. */
export function runsRow({ rows, not }: Candidate, id: string): boolean {
  return (rows?.includes(id) ?? true) && !(not?.includes(id) ?? false);
}

/** Those of `all` whose program is there, and the names of the rest. */
export function installed(all: readonly Candidate[]): { present: Candidate[]; missing: string[] } {
  const isPresent = ({ program }: Candidate) => program === undefined || findProgram(program) !== null;
  return { present: all.filter(isPresent), missing: all.filter((each) => !isPresent(each)).map(({ name }) => name) };
}

function running(name: string, child: Child, port: number, authorizations: readonly string[]): Running {
  return { name, pid: child.pid, port, authorizations, stop: () => child.stop() };
}

/** `script` is relative to this folder. */
async function startScript(
  name: string,
  script: string,
  stage: Stage,
  upstreamPort: number,
  authorizations: readonly string[],
): Promise<Running> {
  const child = stage.start(name, 0, [process.execPath, join(import.meta.dirname, script), String(upstreamPort)]);
  const { port } = (await child.nextJson(10_000)) as { port: number };
  return running(name, child, port, authorizations);
}

type ProgramStart = (program: string, stage: Stage, upstreamPort: number) => Promise<{ child: Child; port: number }>;

async function startProgram(name: string, stage: Stage, upstreamPort: number, start: ProgramStart): Promise<Running> {
  const program = findProgram(name);
  if (program === null) throw new Error(`${name} is not installed`);
  const { child, port } = await start(program, stage, upstreamPort);
  return running(name, child, port, [basic(CLIENT_CREDENTIAL)]);
}
