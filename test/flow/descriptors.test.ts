/**
 * A process with few descriptors (R12, R-14): it takes what fits and refuses the rest by name, what it keeps back
 * serves the control plane and the database, and when they run out all the same it lives and recovers.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { type BurstReport, Crowd } from '../helpers/crowd.ts';
import { descriptorsOf } from '../helpers/process-figures.ts';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const LIMIT = 256;
/** (256 − 96 − 5) / 2, as `caps.ts` reckons. */
const CLIENTS = 77;
/** Clients at once: more than twice of what fits. */
const STORM = 160;
const RECOVERED_MS = 5_000;
const PRLIMIT = spawnSync('prlimit', ['--version']).status === 0;

let product: Product;
let upstream: TunnelUpstream;
let clients: Crowd;

async function start(before: string): Promise<void> {
  product = new Product({ SALLYPORT_ACCESS_LOG: 'false' }, before);
  [upstream, clients] = await Promise.all([TunnelUpstream.start(), Crowd.start()]);
  await product.start();
  await createSession('first');
}
afterEach(async () => {
  await Promise.all([upstream.close(), clients.close()]);
  await product.destroy();
});

async function createSession(token: string): Promise<void> {
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token, ...endpoint });
}

function head(line: string, pool = 'default'): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization(pool)}\r\n\r\n`;
}

/** The control plane over a connection of its own: readiness, and a write to the database. */
async function controlWorks(token: string): Promise<void> {
  const response = await fetch(`${product.controlUrl}/readyz`, { headers: { Connection: 'close' } });
  expect(response.status).toBe(200);
  await createSession(token);
}

function highestDescriptor(pid: number): number {
  return Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number));
}

/** Sets how many descriptors a running process may have. */
function limit(pid: number, descriptors: number): void {
  expect(spawnSync('prlimit', ['--pid', String(pid), `--nofile=${descriptors}:20000`]).status).toBe(0);
}

async function served(): Promise<string> {
  const client = await RawClient.connect(product.gatewayPort).catch(() => null);
  if (client === null) return '';
  const text = await client.send(head('GET http://work.test/')).until((c) => c.text.includes('\r\n\r\n'), 1_000);
  client.close();
  return text;
}

test.runIf(process.platform === 'linux')(
  `with ${LIMIT} descriptors ${CLIENTS} clients are taken, each of them can have its upstream, and the rest is told`,
  { timeout: 60_000 },
  async () => {
    await start(`ulimit -n ${LIMIT}`);
    expect(product.output).toContain(`"configured":20000,"effective":${CLIENTS},"msg":"fewer client connections"`);
    const idle = descriptorsOf(product.pid);
    const burst = { do: 'burst', port: product.gatewayPort, perSecond: 500, holdMs: 10_000 } as const;

    const tunnels = await clients.order<BurstReport>({ ...burst, n: STORM, head: head('CONNECT echo.test:443') });
    expect(tunnels.statuses).toEqual({ 200: CLIENTS, 503: STORM - CLIENTS });
    expect(descriptorsOf(product.pid)).toBeLessThan(LIMIT - 32);
    await controlWorks('beside-tunnels');
    await clients.order({ do: 'stop' });
    await expect.poll(served, { timeout: RECOVERED_MS }).toMatch(/^HTTP\/1\.1 200 OK\r\n/);

    // Through the embedded exit a tunnel takes twice as many: fewer fit, and those that do not are told as well.
    const target = `127.0.0.1:${upstream.port}`;
    const local = await clients.order<BurstReport>({ ...burst, n: STORM, head: head(`CONNECT ${target}`, 'local') });
    expect(Object.keys(local.statuses).sort()).toEqual(['200', '503']);
    expect(local.statuses['200']).toBeGreaterThan(20);
    expect(descriptorsOf(product.pid)).toBeLessThan(LIMIT - 16);
    await controlWorks('beside-exits');
    await clients.order({ do: 'stop' });
    await expect.poll(served, { timeout: RECOVERED_MS }).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await vi.waitFor(() => expect(descriptorsOf(product.pid)).toBeLessThan(idle + 16), 10_000);
  },
);

test.runIf(PRLIMIT)(
  'when the descriptors run out all the same, clients are reset, and all is well once there are some',
  { timeout: 60_000 },
  async () => {
    await start(':');
    const { pid } = product;
    const tunnel = await RawClient.connect(product.gatewayPort);
    await tunnel.send(head('CONNECT echo.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'));
    const connected = await RawClient.connect(product.gatewayPort);
    connected.send('GET http://work.test/ HTTP/1.1\r\n');
    await controlWorks('before');
    // Connections fill the gaps between the numbers; then the limit is set to what is open.
    const idle: RawClient[] = [];
    const gaps = (): number => highestDescriptor(pid) + 1 - descriptorsOf(pid);
    while (gaps() > 0) idle.push(await RawClient.connect(product.gatewayPort));
    limit(pid, descriptorsOf(pid));
    const burst = { do: 'burst', port: product.gatewayPort, perSecond: 500, holdMs: 10_000 } as const;
    const storm = await clients.order<BurstReport>({ ...burst, n: STORM, head: head('CONNECT echo.test:443') });
    expect(storm.statuses).toEqual({ none: STORM });
    // A client that is there already is told why it cannot be served.
    connected.send(head('GET http://work.test/').split('\r\n').slice(1).join('\r\n'));
    expect(await connected.until(({ text }) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1\.1 503 overloaded\r\n/);
    connected.close();
    tunnel.text = '';
    await tunnel.send('still here').until(({ text }) => text === 'still here');
    tunnel.close();
    limit(pid, 20_000);
    await expect.poll(served, { timeout: RECOVERED_MS }).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await controlWorks('after');
    expect(product.pid).toBe(pid);
    for (const client of idle) client.close();
  },
);
