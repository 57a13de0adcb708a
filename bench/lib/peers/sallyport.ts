/**
 * Sallyport itself, the whole product: a source tree as `npm start` runs it, on a
 * fresh data directory, prepared over its own RPC like any client would: a pool
 * of sixteen sessions with different credentials at the bench's upstream, and a
 * second pool that only makes the index as large as the row asks.
 */

import { existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { basic, UPSTREAM_CREDENTIALS } from '../credentials.ts';
import { productOf } from '../product.ts';
import type { Child, Stage } from '../stage.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;
/** Rows of one BulkCreateSessions: well under its 50,000 and 16 MiB. */
const BULK_ROWS = 20_000;

export interface SallyportSetup {
  /** The source tree to run: this one, or the worktree of another commit. */
  readonly root: string;
  /** Sessions in the index beside the sixteen that serve. */
  readonly extraSessions: number;
  /** Whether the per-request line is written (JSON, to a file in the data directory). */
  readonly accessLog: boolean;
}

/** The part of `bootstrap.json` that the bench needs; ids in wire form. */
interface Bootstrap {
  readonly apiKey: string;
  readonly workspaceId: string;
  readonly providerId: string;
  readonly controlUrl: string;
  readonly gatewayUrl: string;
}

export interface RunningSallyport {
  readonly child: Child;
  readonly port: number;
  /** What a client sends as `Proxy-Authorization`. */
  readonly authorization: string;
}

/** Starts and prepares Sallyport; throws with its last words when it does not get ready. */
export async function startSallyport(
  name: string,
  stage: Stage,
  upstreamPort: number,
  { root, extraSessions, accessLog }: SallyportSetup,
): Promise<RunningSallyport> {
  const dataDir = stage.folder('data');
  const log = openSync(join(dataDir, 'out.jsonl'), 'w', 0o600);
  const program = productOf(root);
  const child = stage.start(name, 0, [process.execPath, program.main, 'serve'], {
    cwd: dataDir,
    stdio: ['ignore', log, 'pipe'],
    env: {
      ...program.env,
      PATH: process.env.PATH,
      HOME: dataDir,
      SALLYPORT_DATA_DIR: dataDir,
      SALLYPORT_CONTROL_LISTEN: '127.0.0.1:0',
      SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:0',
      SALLYPORT_LOG_FORMAT: 'json',
      SALLYPORT_ACCESS_LOG: String(accessLog),
    },
  });
  const bootstrap = await awaitReady(child, join(dataDir, 'bootstrap.json'));
  const api = new Api(bootstrap);
  const serving = UPSTREAM_CREDENTIALS.map((each, i) => ({ token: `serve${i}`, ...each }));
  await api.fillPool('bench', upstreamPort, serving);
  if (extraSessions > 0) {
    const filler = Array.from({ length: extraSessions }, (_, i) => ({
      token: `extra${i}`,
      username: `extra${i}`,
      password: `extra-pass-${i}`,
    }));
    await api.fillPool('crowd', upstreamPort, filler);
  }
  const authorization = basic({ username: 'bench', password: bootstrap.apiKey });
  return { child, port: Number(new URL(bootstrap.gatewayUrl).port), authorization };
}

async function awaitReady(child: Child, bootstrapPath: string): Promise<Bootstrap> {
  for (const deadline = Date.now() + READY_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    child.assertAlive();
    if (!existsSync(bootstrapPath)) continue;
    const bootstrap = JSON.parse(readFileSync(bootstrapPath, 'utf8')) as Bootstrap;
    const ready = await fetch(new URL('/readyz', bootstrap.controlUrl)).catch(() => null);
    await ready?.arrayBuffer();
    if (ready?.ok) return bootstrap;
  }
  throw new Error(`${child.name} is not ready after ${READY_TIMEOUT_MS} ms`);
}

interface SessionRow {
  readonly token: string;
  readonly username: string;
  readonly password: string;
}

/** The few calls of the control API that the bench makes, as plain JSON. */
class Api {
  private readonly bootstrap: Bootstrap;

  constructor(bootstrap: Bootstrap) {
    this.bootstrap = bootstrap;
  }

  async fillPool(name: string, upstreamPort: number, rows: readonly SessionRow[]): Promise<void> {
    const { workspaceId, providerId } = this.bootstrap;
    const created = (await this.call('proxies.v1.Proxies/CreatePool', { workspaceId, name })) as {
      pool: { id: string };
    };
    const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstreamPort };
    for (let at = 0; at < rows.length; at += BULK_ROWS) {
      const sessions = rows.slice(at, at + BULK_ROWS).map((row) => ({ ...row, ...endpoint }));
      await this.call('proxies.v1.Proxies/BulkCreateSessions', {
        workspaceId,
        poolId: created.pool.id,
        providerId,
        sessions,
      });
    }
  }

  private async call(method: string, message: object): Promise<unknown> {
    const response = await fetch(new URL(`/${method}`, this.bootstrap.controlUrl), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.bootstrap.apiKey}` },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method}: ${response.status} ${text.slice(0, 300)}`);
    return JSON.parse(text);
  }
}
