/**
 * The product under the control benches: a process of its own on the gateway's
 * core, unless told otherwise, on a data directory that outlives it, and the few
 * calls they make. The client is plain `node:http` with kept connections, on the
 * other core.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { residentBytes } from '../lib/process-meter.ts';
import { productOf } from '../lib/product.ts';
import { type Child, type Core, Stage } from '../lib/stage.ts';

const ROOT = join(import.meta.dirname, '../..');
const READY_TIMEOUT_MS = 120_000;
/** Rows of one bulk call while a store is filled. */
const FILL_ROWS = 25_000;

interface Bootstrap {
  readonly apiKey: string;
  readonly workspaceId: string;
  readonly poolId: string;
  readonly providerId: string;
  readonly gatewayUrl: string;
}

/** What it prints, as far as it is read. */
interface LogLine {
  readonly msg?: string;
  readonly level?: string;
  readonly control_url?: string;
  readonly gateway_urls?: readonly string[];
}

export class BenchProduct {
  readonly stage: Stage;
  readonly dataDir: string;
  controlUrl = '';
  /** Of the gateway's first entrance. */
  gatewayPort = 0;
  readonly #core: Core;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  #child: Child | null = null;

  constructor(stage = new Stage(), core: Core = 0) {
    this.stage = stage;
    this.dataDir = stage.folder('control');
    this.#core = core;
  }

  /** Starts it; answers the seconds from spawning to the ready line. */
  async start(): Promise<number> {
    const program = productOf(ROOT);
    const startMs = performance.now();
    const child = this.stage.start('sallyport', this.#core, [process.execPath, program.main, 'serve'], {
      cwd: this.dataDir,
      env: {
        ...program.env,
        PATH: process.env.PATH,
        SALLYPORT_DATA_DIR: this.dataDir,
        SALLYPORT_CONTROL_LISTEN: '127.0.0.1:0',
        SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:0',
        SALLYPORT_LOG_FORMAT: 'json',
        SALLYPORT_LOG_LEVEL: 'warn',
        SALLYPORT_ACCESS_LOG: 'false',
        SALLYPORT_RPC_RATE: '1000000',
        SALLYPORT_RPC_BURST: '1000000',
      },
    });
    this.#child = child;
    const { controlUrl, gatewayUrl } = await this.#ready(child);
    this.controlUrl = controlUrl;
    this.gatewayPort = Number(new URL(gatewayUrl).port);
    return (performance.now() - startMs) / 1_000;
  }

  /** The URLs of the ready line; warnings come before it. */
  async #ready(child: Child): Promise<{ controlUrl: string; gatewayUrl: string }> {
    for (;;) {
      const line = (await child.nextJson(READY_TIMEOUT_MS)) as LogLine;
      const { control_url: controlUrl, gateway_urls: [gatewayUrl] = [] } = line;
      if (line.msg === 'ready' && controlUrl !== undefined && gatewayUrl !== undefined)
        return { controlUrl, gatewayUrl };
      if (line.level !== 'warn') throw new Error(`it says ${line.msg} before it is ready`);
    }
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
    this.#child = null;
  }

  /** Ends it and removes its data. */
  async close(): Promise<void> {
    this.#agent.destroy();
    await this.stage.close();
  }

  get running(): boolean {
    return this.#child !== null && !this.#child.ended;
  }

  /** Of the running process; throws with its last words when it has ended. */
  get pid(): number {
    if (this.#child === null) throw new Error('the product does not run');
    this.#child.assertAlive();
    return this.#child.pid;
  }

  /** Of the running process. */
  get residentBytes(): number {
    return residentBytes(this.pid);
  }

  /** Closes the connections that calls have left open; later calls open new ones. */
  releaseConnections(): void {
    this.#agent.destroy();
  }

  get bootstrap(): Bootstrap {
    const path = join(this.dataDir, 'bootstrap.json');
    if (!existsSync(path)) throw new Error('the product has not started yet');
    return JSON.parse(readFileSync(path, 'utf8')) as Bootstrap;
  }

  /** Calls a method of Accounts; throws unless it answers 200. */
  async accounts<T>(method: string, message: object): Promise<T> {
    return this.send(`/accounts.v1.Accounts/${method}`, this.bootstrap.apiKey, JSON.stringify(message)) as Promise<T>;
  }

  /** Calls a method of Proxies in the bootstrap's workspace; throws unless it answers 200. */
  async proxies<T>(method: string, message: object): Promise<T> {
    const { apiKey, workspaceId } = this.bootstrap;
    return this.send(
      `/proxies.v1.Proxies/${method}`,
      apiKey,
      JSON.stringify({ workspaceId, ...message }),
    ) as Promise<T>;
  }

  /** The same from a body that is ready: nothing but the exchange is in its time. */
  async send(path: string, apiKey: string, body: string): Promise<unknown> {
    return JSON.parse(await this.sendText(path, apiKey, body));
  }

  /** The same with the answer left as the text that it came in. */
  async sendText(path: string, apiKey: string, body: string): Promise<string> {
    const { status, text } = await this.#exchange(path, apiKey, body);
    if (status !== 200) throw new Error(`${path}: ${status} ${text.slice(0, 300)}`);
    return text;
  }

  /** The metrics page. */
  async scrape(): Promise<string> {
    const { status, text } = await this.#exchange('/metrics', null, null);
    if (status !== 200) throw new Error(`/metrics: ${status}`);
    return text;
  }

  /** Adds `count` sessions with passwords to the pool `default`. */
  async fill(name: string, count: number): Promise<void> {
    const { poolId, providerId } = this.bootstrap;
    for (let at = 0; at < count; at += FILL_ROWS) {
      const sessions = sessionRows(`${name}-${at}`, Math.min(FILL_ROWS, count - at));
      await this.proxies('BulkCreateSessions', { poolId, providerId, sessions });
    }
  }

  #exchange(path: string, apiKey: string | null, body: string | null): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...(apiKey !== null && { Authorization: `Bearer ${apiKey}` }),
        ...(body !== null && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      };
      const method = body === null ? 'GET' : 'POST';
      const sent = request(new URL(path, this.controlUrl), { agent: this.#agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject).end(body);
    });
  }
}

/** Rows of a bulk call, each with a password of its own. */
export function sessionRows(name: string, count: number): object[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ token: `${name}-${n}`, scheme: 'http', host: '203.0.113.10', port: 8_080 },
    ...{ username: `user-${n}`, password: `password-${name}-${n}` },
  }));
}
