/**
 * What a soak runs on: two upstreams, one of which goes down now and then, and the
 * whole product with two pools at them beside a crowd of stored sessions.
 *
 *   soak     forward requests and held tunnels: sessions that stay, sessions that
 *            churn, and sessions at the upstream that goes down
 *   steady   short tunnels and held ones: nothing ever happens to its sessions
 */

import { join } from 'node:path';
import { BenchProduct } from '../control/product.ts';
import { basic, UPSTREAM_CREDENTIALS } from '../lib/credentials.ts';
import type { Child, Stage } from '../lib/stage.ts';

const UPSTREAM = join(import.meta.dirname, '../lib/upstream.ts');
const UPSTREAM_TIMEOUT_MS = 10_000;

export const STEADY_SESSIONS = 16;
const AT_THE_WEAK_UPSTREAM = 8;

/** A session's row as the API takes it. */
export interface SessionRow {
  readonly token: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
}

export class Field {
  readonly product: BenchProduct;
  readonly upstream: Child;
  /** The one that goes down. */
  readonly weakUpstream: Child;
  readonly #upstreamPort: number;
  /** Of the pool `soak`. */
  readonly poolId: string;

  private constructor(product: BenchProduct, upstreams: readonly Upstream[], poolId: string) {
    this.product = product;
    this.upstream = upstreams[0]!.child;
    this.weakUpstream = upstreams[1]!.child;
    this.#upstreamPort = upstreams[0]!.port;
    this.poolId = poolId;
  }

  /** Starts everything, with so many sessions stored beside those that serve. */
  static async prepare(stage: Stage, crowd: number): Promise<Field> {
    const upstreams = [await startUpstream(stage, 'upstream'), await startUpstream(stage, 'weak upstream')] as const;
    const product = new BenchProduct(stage);
    await product.start();
    await product.fill('crowd', crowd);
    const rows = (name: string, count: number, port: number) =>
      Array.from({ length: count }, (_, n) => rowOf(`${name}${n}`, n, port));
    const steady = rows('steady', STEADY_SESSIONS, upstreams[0].port);
    await makePool(product, 'steady', steady);
    const weak = rows('weak', AT_THE_WEAK_UPSTREAM, upstreams[1].port);
    return new Field(product, upstreams, await makePool(product, 'soak', [...steady, ...weak]));
  }

  get gatewayPort(): number {
    return Number(new URL(this.product.bootstrap.gatewayUrl).port);
  }

  /** What a client sends to be served as this username. */
  authorization(username: string): string {
    return basic({ username, password: this.product.bootstrap.apiKey });
  }

  /** A session of the pool `soak` that is to be made; `turn` chooses among the upstream's credentials. */
  row(token: string, turn: number): SessionRow {
    return rowOf(token, turn, this.#upstreamPort);
  }

  setWeakUpstream(state: 'down' | 'up'): void {
    this.weakUpstream.process.stdin?.write(`${state}\n`);
  }
}

interface Upstream {
  readonly child: Child;
  readonly port: number;
}

async function startUpstream(stage: Stage, name: string): Promise<Upstream> {
  const child = stage.start(name, 1, [process.execPath, UPSTREAM]);
  const { port } = (await child.nextJson(UPSTREAM_TIMEOUT_MS)) as { port: number };
  return { child, port };
}

function rowOf(token: string, turn: number, port: number): SessionRow {
  return { token, scheme: 'http', host: '127.0.0.1', port, ...credentialOf(turn) };
}

/** One of those that the upstream knows. */
export function credentialOf(turn: number): { readonly username: string; readonly password: string } {
  return UPSTREAM_CREDENTIALS[turn % UPSTREAM_CREDENTIALS.length]!;
}

async function makePool(product: BenchProduct, name: string, sessions: readonly SessionRow[]): Promise<string> {
  const { pool } = await product.proxies<{ pool: { id: string } }>('CreatePool', { name });
  const { providerId } = product.bootstrap;
  await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions });
  return pool.id;
}
