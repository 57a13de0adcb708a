/**
 * The whole product as its users run it: a process of its own, on free ports,
 * with a data directory that outlives it. Talks to it through its two front
 * doors only: Connect JSON and the proxy port.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Bootstrap } from '../../src/app.ts';

/** The product from source, and as `npm start` and the package run it; the latter has to be built first. */
export const FROM_SOURCE = new URL('../../src/main.ts', import.meta.url).pathname;
export const AS_BUILT = new URL('../../dist/server/main.js', import.meta.url).pathname;

export interface RpcAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read as a script with a JSON tool would
  readonly body: any;
  readonly headers: Headers;
}

/** A data directory and whatever process runs on it now. */
export class Product {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'sallyport-'));
  /** Everything the process wrote to its standard output and error, over all its lives. */
  output = '';
  controlUrl = '';
  gatewayPort = 0;
  readonly #env: Readonly<Record<string, string>>;
  readonly #before: string;
  readonly #main: string;
  readonly #node: string;
  #child: ChildProcess | null = null;
  #bootstrap: Bootstrap | null = null;

  /** `before`: what a shell does to itself before it becomes the product, such as `ulimit -n 256`; `node`: the runtime. */
  constructor(
    env: Readonly<Record<string, string>> = {},
    before = ':',
    main = FROM_SOURCE,
    node: string = process.execPath,
  ) {
    this.#env = env;
    this.#before = before;
    this.#main = main;
    this.#node = node;
  }

  get bootstrap(): Bootstrap {
    this.#bootstrap ??= JSON.parse(readFileSync(join(this.dataDir, 'bootstrap.json'), 'utf8')) as Bootstrap;
    return this.#bootstrap;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Starts it and waits for its ready line; answers the milliseconds that took. */
  async start(): Promise<number> {
    const startedAt = performance.now();
    const child = spawn('sh', ['-c', `${this.#before} && exec "$0" "$@"`, this.#node, this.#main, 'serve'], {
      env: {
        PATH: process.env.PATH,
        // Under npm its types are stripped once for all starts: those are half of what a start costs.
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        SALLYPORT_DATA_DIR: this.dataDir,
        SALLYPORT_CONTROL_LISTEN: '127.0.0.1:0',
        SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:0',
        SALLYPORT_LOG_FORMAT: 'json',
        SALLYPORT_RPC_RATE: '1000000',
        SALLYPORT_RPC_BURST: '1000000',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (chunk) => {
      this.output += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${this.output.slice(-2_000)}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.output += `${line}\n`;
        if (!line.includes('"msg":"ready"')) return;
        const ready = JSON.parse(line) as { control_url: string; gateway_urls: string[] };
        this.controlUrl = ready.control_url;
        this.gatewayPort = Number(new URL(ready.gateway_urls[0]!).port);
        resolve();
      });
    });
    return performance.now() - startedAt;
  }

  /** Waits for it to end by itself; answers the exit code. */
  async exited(): Promise<number | null> {
    const child = this.#child!;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  /** Ends it as a supervisor would; answers the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it, and its data with it. */
  async destroy(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Calls `Service/Method` with the operator's key. */
  async call(method: string, request: object, key: string = this.bootstrap.apiKey): Promise<RpcAnswer> {
    const response = await fetch(`${this.controlUrl}/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
  }

  /** As `call`, on the proxies service with the bootstrap's workspace; throws unless it answers 200. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async proxies(method: string, request: object): Promise<any> {
    const answer = await this.call(`proxies.v1.Proxies/${method}`, {
      workspaceId: this.bootstrap.workspaceId,
      ...request,
    });
    if (answer.status !== 200) throw new Error(`${method}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** `http://selector:key@host:port`, as an application's HTTP_PROXY. */
  proxyUrl(selector: string): string {
    return `http://${selector}:${this.bootstrap.apiKey}@127.0.0.1:${this.gatewayPort}`;
  }

  /** Value of Proxy-Authorization for a selector. */
  authorization(selector: string): string {
    return `Basic ${Buffer.from(`${selector}:${this.bootstrap.apiKey}`).toString('base64')}`;
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.controlUrl}/metrics`)).text();
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }
}
