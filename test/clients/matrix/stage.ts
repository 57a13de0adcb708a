/**
 * What the real clients play on: the whole product in a process of its own, with a
 * plain and a TLS listener; targets on both address families; an authority that all
 * parties trust; and a pool whose exit has an address of its own, so that a target
 * can tell who came through the gateway from who went around it.
 */
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Product } from '../../helpers/product.ts';
import { type Authority, makeAuthority } from './authority.ts';
import { largeBody, startTargets, type Targets } from './targets.ts';

/** The exit of the pool `matrix`: IPv4 targets see this address, and no other client has it. */
export const EXIT_ADDRESS = '127.0.0.2';

export class Stage {
  readonly folder: string;
  readonly authority: Authority;
  readonly product: Product;
  readonly targets: Targets;

  private constructor(folder: string, authority: Authority, product: Product, targets: Targets) {
    this.folder = folder;
    this.authority = authority;
    this.product = product;
    this.targets = targets;
  }

  static async open(): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-matrix-'));
    const authority = await makeAuthority(folder);
    const cert = join(folder, 'gateway.pem');
    const key = join(folder, 'gateway.key');
    writeFileSync(cert, authority.target.cert);
    writeFileSync(key, authority.target.key, { mode: 0o600 });
    const product = new Product({
      SALLYPORT_GATEWAY_TLS_LISTEN: '127.0.0.1:0',
      SALLYPORT_GATEWAY_TLS_CERT_FILE: cert,
      SALLYPORT_GATEWAY_TLS_KEY_FILE: key,
    });
    const stage = new Stage(folder, authority, product, await startTargets(authority.target));
    try {
      await product.start();
      await stage.#addExit();
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  /** Port of the TLS listener, from the ready line. */
  get tlsPort(): number {
    return Number(/https:\/\/127\.0\.0\.1:(\d+)/.exec(this.product.output)?.[1]);
  }

  /** A file with so many octets of the large body; answers its path. */
  async writeLarge(bytes: number): Promise<string> {
    const path = join(this.folder, `large-${bytes}`);
    await pipeline(Readable.from(largeBody(bytes)), createWriteStream(path));
    return path;
  }

  async close(): Promise<void> {
    await this.product.destroy();
    await this.targets.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #addExit(): Promise<void> {
    const { pool } = await this.product.proxies('CreatePool', { name: 'matrix' });
    const { provider } = await this.product.proxies('ConnectProvider', { type: 'PROVIDER_TYPE_LOCAL', name: 'exit' });
    const session = { poolId: pool.id, providerId: provider.id, token: 'exit', host: EXIT_ADDRESS };
    await this.product.proxies('CreateSession', session);
  }
}
