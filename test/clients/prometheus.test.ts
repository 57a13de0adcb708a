/** Real Prometheus: its own linter takes our page without a word, and its own query answers the resolver's p99. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { Product } from '../helpers/product.ts';
import { Program } from '../helpers/program.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const promtool = findProgram('promtool');
const prometheus = findProgram('prometheus');
const P99 = 'histogram_quantile(0.99, sum by (le) (rate(sallyport_resolve_duration_seconds_bucket[1m])))';

const product = new Product();
let client: ProxiedClient;
let upstream: RecordingUpstream;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-prometheus-'));
  await product.start();
  upstream = await startRecordingUpstream();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
  client = new ProxiedClient(product.gatewayPort);
  await send(100);
});
afterAll(async () => {
  client?.close();
  await product.destroy();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Requests that are served, and one that is refused: all families of the page have something to say. */
async function send(n: number): Promise<void> {
  for (let i = 0; i < n; i++) {
    const { status } = await client.get('http://a.test/', product.authorization('default'));
    expect(status).toBe(200);
  }
  const refused = new ProxiedClient(product.gatewayPort);
  expect((await refused.get('http://a.test/', product.authorization('no-such-pool'))).status).toBe(403);
  refused.close();
}

test.skipIf(promtool === null)(
  promtool === null ? 'promtool is not installed: skipped' : 'promtool has nothing to say about /metrics',
  async () => {
    const page = await product.metrics();
    expect(page).toMatch(/^sallyport_requests_total\{[^}]*\} 100$/m);
    const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'metrics'], { input: page, encoding: 'utf8' });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    // It can object: the same page with a counter of a wrong name.
    const wrong = spawnSync(promtool!, ['check', 'metrics'], {
      input: '# HELP sallyport_requests x\n# TYPE sallyport_requests counter\nsallyport_requests 1\n',
      encoding: 'utf8',
    });
    expect(wrong.status).not.toBe(0);
  },
);

test.skipIf(prometheus === null)(
  prometheus === null
    ? 'prometheus is not installed: skipped'
    : 'Prometheus scrapes the control port and answers a p99 of the resolver above zero',
  async () => {
    const port = await freePort();
    const config = join(folder, 'prometheus.yml');
    const { host } = new URL(product.controlUrl);
    writeFileSync(
      config,
      `global: { scrape_interval: 1s }
scrape_configs:
  - job_name: sallyport
    static_configs: [{ targets: ['${host}'] }]
`,
    );
    const program = await Program.serving(
      prometheus!,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      port,
    );
    try {
      const query = async (text: string): Promise<number> => {
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`);
        // Up before it is ready, it answers 503 with a text.
        if (!response.ok) return Number.NaN;
        const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
        return Number(data.result[0]?.value[1] ?? Number.NaN);
      };
      // Two scrapes with requests between them make a rate.
      await expect.poll(() => query('up{job="sallyport"}'), { timeout: 30_000, interval: 100 }).toBe(1);
      await send(200);
      await expect.poll(() => query(P99), { timeout: 30_000, interval: 200 }).toBeGreaterThan(0);
      expect(await query(P99)).toBeLessThan(0.1);
    } finally {
      await program.close();
    }
  },
);
