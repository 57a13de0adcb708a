/**
 * A reader of one page at a terminal: in a folder where `npm start` was run, with `sallyport` on the path,
 * what the first start printed at hand, and a session behind every pool that the pages speak of. Blocks are
 * pasted one after the other; what one exports, the next has.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Server } from 'proxy-chain';
import { Product } from './product.ts';
import type { ShellBlock } from './shell-blocks.ts';
import { startTarget, type Target } from './target.ts';

/** Pools that pages ask for by name, besides those of the first start. */
const POOLS = ['residential'];

export class PageShell {
  readonly product: Product;
  readonly #main: string;
  #folder = '';
  #target: Target | null = null;
  #upstream: Server | null = null;
  /** `export` lines of the blocks before. */
  readonly #exports: string[] = [];

  /** `main`: the product, as a server and as the command line. */
  constructor(main: string) {
    this.#main = main;
    this.product = new Product({}, ':', main);
  }

  async open(): Promise<void> {
    await this.product.start();
    this.#target = await startTarget();
    this.#upstream = new Server({ host: '127.0.0.1', port: 0 });
    await this.#upstream.listen();
    this.#folder = await mkdtemp(join(tmpdir(), 'sallyport-reader-'));
    await symlink(this.product.dataDir, join(this.#folder, 'data'));
    // A refusal is a failure of the block, whether or not its curl says so.
    await writeFile(join(this.#folder, '.curlrc'), 'fail-with-body\n');
    await mkdir(join(this.#folder, 'bin'));
    const command = join(this.#folder, 'bin', 'sallyport');
    await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${this.#main}' "$@"\n`);
    await chmod(command, 0o755);
    for (const name of POOLS) await this.#addPool(name);
  }

  async close(): Promise<void> {
    await this.product.destroy();
    await this.#target?.close();
    await this.#upstream?.close(true);
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Pastes a block; answers its standard output, and rejects unless it ends with 0. */
  async paste({ fence }: ShellBlock): Promise<string> {
    const shell = fence.language === 'bash' ? 'bash' : 'sh';
    const text = this.#fillIn(fence.text);
    const { bootstrap } = this.product;
    const { stdout } = await promisify(execFile)(shell, ['-euc', [...this.#exports, text].join('\n')], {
      cwd: this.#folder,
      env: {
        PATH: [join(this.#folder, 'bin'), process.env.PATH].join(delimiter),
        HOME: this.#folder,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        KEY: bootstrap.apiKey,
        WORKSPACE: bootstrap.workspaceId,
      },
    });
    this.#exports.push(...text.split('\n').filter((line) => line.startsWith('export ')));
    return stdout;
  }

  /** What the reader's machine has in place of the page's: ports, the key, and targets that are on it. */
  #fillIn(text: string): string {
    return text
      .replaceAll('http://127.0.0.1:7070', this.product.controlUrl)
      .replaceAll('127.0.0.1:3128', `127.0.0.1:${this.product.gatewayPort}`)
      .replaceAll(':KEY@', `:${this.product.bootstrap.apiKey}@`)
      .replaceAll('https://example.com/', `${this.#target!.url}/`)
      .replaceAll('example.com:443', `127.0.0.1:${this.#target!.port}`);
  }

  async #addPool(name: string): Promise<void> {
    const { pool } = await this.product.proxies('CreatePool', { name });
    const { providerId } = this.product.bootstrap;
    const endpoint = { scheme: 'http', host: '127.0.0.1', port: this.#upstream!.port };
    await this.product.proxies('CreateSession', { poolId: pool.id, providerId, token: 'reader', ...endpoint });
  }
}
