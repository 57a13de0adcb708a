/**
 * Live traffic through a product's gateway while it is asked for something else: the
 * bench's upstream and load process on the load's core, and the sessions that lead
 * to that upstream, in a pool of their own. For `beside.ts`.
 */
import { join } from 'node:path';
import { upstreamStats } from '../lib/check.ts';
import { basic, UPSTREAM_CREDENTIALS } from '../lib/credentials.ts';
import type { Child, Stage } from '../lib/stage.ts';
import type { Answer, Job, Measurement } from '../load/job.ts';
import type { BenchProduct } from './product.ts';

const POOL = 'serving';
const CONNECTIONS = 64;
export const PER_SECOND = 1_500;
const WARM_SECONDS = 0.7;
const ANSWER_TIMEOUT_MS = 30_000;

export class Traffic {
  readonly #upstream: Child;
  readonly #load: Child;
  #upstreamPort = 0;

  constructor(stage: Stage) {
    const script = (name: string) => [process.execPath, join(import.meta.dirname, '..', name)];
    this.#upstream = stage.start('upstream', 1, script('lib/upstream.ts'));
    this.#load = stage.start('load', 1, script('load/main.ts'));
  }

  async start(): Promise<void> {
    this.#upstreamPort = ((await this.#upstream.nextJson(ANSWER_TIMEOUT_MS)) as { port: number }).port;
  }

  /** Makes the sessions that serve it, and sees that requests reach the upstream by every one of them. */
  async prepare(product: BenchProduct): Promise<void> {
    const { providerId } = product.bootstrap;
    const { pool } = await product.proxies<{ pool: { id: string } }>('CreatePool', { name: POOL });
    const endpoint = { scheme: 'http', host: '127.0.0.1', port: this.#upstreamPort };
    const sessions = UPSTREAM_CREDENTIALS.map((each, n) => ({ token: `serving-${n}`, ...endpoint, ...each }));
    await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions });
    const before = await upstreamStats(this.#upstreamPort);
    await this.begin(product);
    const { work, failures } = await this.end();
    const after = await upstreamStats(this.#upstreamPort);
    const used = Object.entries(after.byCredential).filter(([name, count]) => count > (before.byCredential[name] ?? 0));
    if (work === 0 || failures > 0 || used.length < UPSTREAM_CREDENTIALS.length) {
      throw new Error(`${work} requests were served and ${failures} failed, by ${used.length} sessions`);
    }
  }

  /** Begins to send; everything from the answer on counts. */
  async begin(product: BenchProduct): Promise<void> {
    const authorizations = [basic({ username: POOL, password: product.bootstrap.apiKey })];
    const subject = { port: product.gatewayPort, authorizations, pid: product.pid, upstreamPid: this.#upstream.pid };
    const pace = { connections: CONNECTIONS, perSecond: PER_SECOND, warmSeconds: WARM_SECONDS };
    await this.#ask({ kind: 'begin-steady', subject, ...pace });
  }

  /** No more are sent; answers what became of those that were. */
  async end(): Promise<Measurement> {
    return this.#ask({ kind: 'end-steady' });
  }

  async #ask(job: Job): Promise<Measurement> {
    this.#upstream.assertAlive();
    const answer = this.#load.nextJson(ANSWER_TIMEOUT_MS);
    this.#load.process.stdin?.write(`${JSON.stringify(job)}\n`);
    const measured = (await answer) as Answer;
    if ('error' in measured) throw new Error(measured.error);
    return measured;
  }
}
