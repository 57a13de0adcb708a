/** SIGTERM with tunnels and a request under way: readiness first, then the grace, then the end, then exit 0. */
import { get } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const TUNNELS = 200;
const GRACE_MS = 2_000;

let product: Product;
let upstream: TunnelUpstream;

beforeEach(async () => {
  upstream = await TunnelUpstream.start();
});
afterEach(async () => {
  await product.destroy();
  await upstream.close();
});

async function startProduct(graceMs: number): Promise<void> {
  product = new Product({ SALLYPORT_DRAIN_GRACE: `${graceMs}ms` });
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
}

const credential = (): string => `Proxy-Authorization: ${product.authorization('default')}\r\n`;

async function openTunnels(n: number): Promise<RawClient[]> {
  return Promise.all(
    Array.from({ length: n }, async () => {
      const client = await RawClient.connect(product.gatewayPort);
      client.send(`CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n${credential()}\r\n`);
      expect(await client.until(({ text }) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1\.1 200 /);
      client.text = '';
      return client;
    }),
  );
}

/** Status of a page of the control port, over a connection of its own; null when nobody listens. */
function statusOf(path: string): Promise<number | null> {
  return new Promise((resolve) => {
    const request = get(`${product.controlUrl}${path}`, { agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? null));
    });
    request.once('error', () => resolve(null));
  });
}

test(`of ${TUNNELS} tunnels those that finish within the grace do, the rest are ended, and it exits with 0`, async ({
  annotate,
}) => {
  await startProduct(GRACE_MS);
  const clients = await openTunnels(TUNNELS);
  const slow = await RawClient.connect(product.gatewayPort);
  slow.send(`GET http://slow.test/ HTTP/1.1\r\nHost: slow.test\r\n${credential()}\r\n`);
  await expect.poll(async () => (await upstream.state()).waiting).toBe(1);
  const hopeless = await RawClient.connect(product.gatewayPort);
  hopeless.send(`GET http://sink.test/ HTTP/1.1\r\nHost: sink.test\r\n${credential()}\r\n`);
  const idle = await RawClient.connect(product.gatewayPort);
  expect(await statusOf('/readyz')).toBe(200);

  const askedAt = performance.now();
  const exited = product.stop();
  await expect.poll(() => statusOf('/readyz'), { interval: 5 }).toBe(503);
  expect(await statusOf('/livez')).toBe(200);
  // A connection that asks for nothing is let go at once; what is under way goes on.
  await idle.untilEnd();
  const finishing = clients.slice(0, TUNNELS / 2);
  await Promise.all(
    finishing.map(async (client) => {
      await client.send('last words').until(({ text }) => text === 'last words');
      client.socket.end();
      await client.untilEnd();
    }),
  );
  expect(finishing.every(({ text, ended, failed }) => text === 'last words' && ended && !failed)).toBe(true);
  await upstream.answer();
  expect(await slow.untilEnd()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n[\s\S]*late$/);
  expect(performance.now() - askedAt).toBeLessThan(GRACE_MS);

  // Nobody answers the last request, and most of the tunnels end when they are told to; some hold on to their side.
  const staying = clients.slice(TUNNELS / 2);
  for (const client of staying.slice(10)) client.socket.once('end', () => client.socket.end());
  await Promise.all(staying.map((client) => client.untilEnd(GRACE_MS + 2_000)));
  expect(performance.now() - askedAt).toBeGreaterThanOrEqual(GRACE_MS - 100);
  expect(staying.every(({ text }) => text === '')).toBe(true);
  expect(await hopeless.untilEnd()).not.toMatch(/^HTTP\/1\.1 2/);
  expect(await exited).toBe(0);
  const took = performance.now() - askedAt;
  await annotate(`exit ${Math.round(took)} ms after SIGTERM, with a grace of ${GRACE_MS} ms`);
  expect(took).toBeLessThanOrEqual(GRACE_MS + 1_000);
  for (const client of [...clients, slow, hopeless, idle]) client.close();
});

test(`a second SIGTERM ends ${TUNNELS} tunnels at once`, async () => {
  await startProduct(60_000);
  const clients = await openTunnels(TUNNELS);
  const { pid } = product;
  const exited = product.stop();
  await expect.poll(() => statusOf('/readyz'), { interval: 5 }).toBe(503);
  // The same signal within a moment is the same wish, told by a terminal and by npm; so it is sent until it counts.
  const asking = setInterval(() => process.kill(pid, 'SIGTERM'), 50);
  const code = await exited;
  clearInterval(asking);
  expect(code).toBe(143);
  await Promise.all(clients.map((client) => client.untilEnd()));
  for (const client of clients) client.close();
}, 20_000);
