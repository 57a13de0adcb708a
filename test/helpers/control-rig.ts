/**
 * A control plane in this process: a real store in a directory of its own, a real
 * port, and a gateway that records what it is told. `close()` leaves nothing behind.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bootstrap } from '../../control/bootstrap.ts';
import { type ControlOptions, type ControlPlane, startControlPlane } from '../../control/plane.ts';
import type { GatewayPort } from '../../control/ports.ts';
import { type Logger, silentLog } from '../../src/core/log.ts';
import type { GatewaySnapshot } from '../../src/core/metrics.ts';
import type { Change } from '../../src/core/model.ts';

export const RIG_KEY = `sp_live_${'0123456789abcdef'.repeat(2)}`;

/** A gateway that has done nothing yet. */
export function emptySnapshot(): GatewaySnapshot {
  const histogram = { bounds: [0.001, 0.1], counts: [0, 0, 0], sum: 0 };
  return {
    resolveSeconds: [{ labels: ['ok'], histogram }],
    requests: [],
    causes: [],
    overheadSeconds: histogram,
    dialSeconds: [],
    firstByteSeconds: [],
    failovers: [],
    tunnelsActive: { pools: [], columns: [] },
    clientConnections: 0,
    bytes: { pools: [], columns: [] },
    sessions: { pools: [], columns: [] },
    probes: [],
    stickyMoves: [],
    indexChanges: [],
    indexApplySeconds: histogram,
    authFailures: [],
    eventLoopDelay: { p50: 0, p99: 0, max: 0 },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  readonly json: any;
}

export interface ControlRig {
  readonly plane: ControlPlane;
  readonly url: string;
  readonly made: Bootstrap;
  /** Every change since the start, the loaded ones included. */
  readonly changes: Change[];
  /** Lines of the log, as JSON text. */
  readonly logged: string[];
  readonly fatal: unknown[];
  readonly directory: string;
  /** Replaces what the gateway does with changes. */
  onApply(apply: (changes: readonly Change[]) => Promise<void>): void;
  snapshot: GatewaySnapshot;
  /** POSTs JSON (or a body of your own) to a method such as `proxies.v1.Proxies/GetPool`. */
  call(method: string, body: unknown, key?: string | null, headers?: Record<string, string>): Promise<Answer>;
  /** As `call`, and fails unless it answers 200. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  ok(method: string, body: unknown, key?: string): Promise<any>;
  /** Every byte of the store's files. */
  storeBytes(): Promise<Buffer>;
  /** Closes the plane and starts another on the same store. */
  restart(): Promise<ControlRig>;
  close(): Promise<void>;
}

export interface RigOptions extends Partial<ControlOptions> {
  /** Replaces single abilities of the gateway. */
  readonly gateway?: Partial<GatewayPort>;
  readonly directory?: string;
  /** Told each SQL text that the store prepares. */
  readonly onStatement?: (sql: string) => void;
}

export async function startControlRig(options: RigOptions = {}): Promise<ControlRig> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sallyport-control-')));
  const changes: Change[] = [];
  const logged: string[] = [];
  const fatal: unknown[] = [];
  let apply = async (batch: readonly Change[]) => void changes.push(...structuredClone(batch));
  const write = (fields: object, message: string) => void logged.push(JSON.stringify({ ...fields, message }));
  const log: Logger = { ...silentLog, isEnabled: () => true, debug: write, info: write, warn: write, error: write };
  const plane = await startControlPlane(
    {
      databasePath: join(directory, 'sallyport.db'),
      listen: { host: '127.0.0.1', port: 0 },
      controlHosts: ['operators.test'],
      masterKey: { value: null, file: join(directory, 'master.key') },
      bootstrapKey: RIG_KEY,
      rpcRate: 100_000,
      rpcBurst: 100_000,
      version: '0.0.0-test',
      // Nobody listens there: no test asks a real vendor.
      webshareApiUrl: 'http://127.0.0.1:1/',
      proxylineApiUrl: 'http://127.0.0.1:1/',
      vendorTimeoutMs: 2_000,
      ...options,
    },
    {
      apply: (batch) => apply(batch),
      stickyOverrides: async () => ({ version: 0, entries: [] }),
      restoreSticky: async () => undefined,
      snapshot: async () => rig.snapshot,
      drainUsage: async () => [],
      findRequest: async () => null,
      listRequests: async ({ afterSequence }) => ({ records: [], sequence: Math.max(afterSequence, 0), missed: 0 }),
      sessionStates: async () => [],
      explain: async () => {
        throw new Error('this rig has no gateway that explains');
      },
      leastAssigned: async ({ accountNames }) => accountNames.map(() => null),
      ...options.gateway,
    },
    log,
    (error) => void fatal.push(error),
    options.onStatement,
  );
  plane.setReady();
  const call: ControlRig['call'] = async (method, body, key = RIG_KEY, headers = {}) => {
    const response = await fetch(`${plane.url}/${method}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null };
  };
  const rig: ControlRig = {
    plane,
    url: plane.url,
    // A later start on the same store makes nothing; only the first rig's tests ask.
    made: plane.bootstrap as Bootstrap,
    changes,
    logged,
    fatal,
    directory,
    snapshot: emptySnapshot(),
    onApply(replacement) {
      apply = replacement as typeof apply;
    },
    call,
    async ok(method, body, key) {
      const answer = await call(method, body, key);
      if (answer.status !== 200) throw new Error(`${method} answered ${answer.status}: ${answer.text}`);
      return answer.json;
    },
    async storeBytes() {
      const names = ['sallyport.db', 'sallyport.db-wal', 'sallyport.db-shm'];
      const files = names.map((name) => readFile(join(directory, name)).catch(() => Buffer.alloc(0)));
      return Buffer.concat(await Promise.all(files));
    },
    async restart() {
      await plane.close();
      return startControlRig({ ...options, directory });
    },
    async close() {
      await plane.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return rig;
}

/** A request for a STATIC session in the rig's pool `default`. */
export function staticSession(rig: ControlRig, token: string, more: object = {}): Record<string, unknown> {
  const { workspaceId, poolId, providerId } = rig.made;
  return { workspaceId, poolId, providerId, token, scheme: 'http', host: '203.0.113.10', port: 8080, ...more };
}
