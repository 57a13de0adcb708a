/**
 * SIGTERM in the middle of traffic: 200 requests in flight at any time and 200 tunnels.
 * A request that was sent on an open connection is answered whole, whenever it was
 * sent; nobody learns of the end but by `Connection: close` and a listener that is gone.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const LANES = 200;
const TUNNELS = 200;
const GRACE_MS = 3_000;
/** Requests in all, over as many rounds as it takes; two run at once, with these delays. */
const REQUESTS = full ? 10_000 : 1_000;
const DELAYS_MS = [0, 300];
/** SIGTERM comes once every connection of a round had so many answers: the gateway has accepted them all. */
const ANSWERS_BEFORE = full ? 6 : 2;
const ANSWER = /^HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\nhalfdone$/;

let upstream: TunnelUpstream;

beforeAll(async () => {
  upstream = await TunnelUpstream.start();
});
afterAll(() => upstream.close());

async function startProduct(delayMs: number): Promise<Product> {
  const product = new Product({ SALLYPORT_DRAIN_GRACE: `${GRACE_MS}ms`, SALLYPORT_DRAIN_DELAY: `${delayMs}ms` });
  onTestFinished(() => product.destroy());
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
  return product;
}

interface Tally {
  sent: number;
  answered: number;
  /** What came of the others. */
  readonly broken: string[];
}

/** One request after the other on one connection, until an answer says that it is the last. */
async function lane(product: Product, tally: Tally, onEnough: () => void): Promise<void> {
  const client = await RawClient.connect(product.gatewayPort);
  const head = `GET http://work.test/ HTTP/1.1\r\nHost: work.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`;
  let answers = 0;
  for (;;) {
    client.text = '';
    tally.sent++;
    await client.send(head).until(({ text }) => text.endsWith('halfdone'), 20_000);
    if (!ANSWER.test(client.text)) {
      tally.broken.push(client.text || '(nothing)');
      break;
    }
    tally.answered++;
    if (++answers === ANSWERS_BEFORE) onEnough();
    if (/\r\nConnection: close\r\n/.test(client.text)) break;
  }
  if (answers < ANSWERS_BEFORE) onEnough();
  await client.untilEnd();
  client.close();
}

async function openTunnel(product: Product): Promise<RawClient> {
  const client = await RawClient.connect(product.gatewayPort);
  client.send(
    `CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`,
  );
  expect(await client.until(({ text }) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1\.1 200 /);
  client.text = '';
  return client;
}

/** One life of the product, from its start to its exit in the middle of traffic. */
async function round(tally: Tally, delayMs: number): Promise<number> {
  const product = await startProduct(delayMs);
  const tunnels = await Promise.all(Array.from({ length: TUNNELS }, () => openTunnel(product)));
  const underWay = Promise.withResolvers<void>();
  let waiting = LANES;
  const lanes = Array.from({ length: LANES }, () =>
    lane(product, tally, () => {
      if (--waiting === 0) underWay.resolve();
    }),
  );
  await underWay.promise;
  const askedAt = performance.now();
  const exited = product.stop();
  await Promise.all(lanes);
  // Tunnels go on within the grace: half of them say something and end, the others stay to its end.
  await Promise.all(
    tunnels.slice(0, TUNNELS / 2).map(async (client) => {
      await client.send('last words').until(({ text }) => text === 'last words');
      client.socket.end();
      await client.untilEnd();
      if (client.text !== 'last words' || client.failed) tally.broken.push(`tunnel: ${client.text}`);
    }),
  );
  for (const client of tunnels.slice(TUNNELS / 2)) client.socket.once('end', () => client.socket.end());
  expect(await exited).toBe(0);
  const took = performance.now() - askedAt;
  for (const client of tunnels) client.close();
  await product.destroy();
  return took;
}

test(`of ${REQUESTS} requests none is broken by SIGTERM, and each exit is within delay, grace and a second`, {
  timeout: 300_000,
}, async ({ annotate }) => {
  const tally: Tally = { sent: 0, answered: 0, broken: [] };
  const exits: number[] = [];
  while (tally.sent < REQUESTS) {
    const took = await Promise.all(DELAYS_MS.map((delayMs) => round(tally, delayMs)));
    exits.push(...took);
    for (const [i, delayMs] of DELAYS_MS.entries()) {
      expect(took[i]).toBeLessThanOrEqual(delayMs + GRACE_MS + 1_000);
    }
  }
  await annotate(
    `${tally.sent} requests over ${exits.length} exits, the slowest ${Math.round(Math.max(...exits))} ms after SIGTERM with a grace of ${GRACE_MS} ms`,
  );
  expect(tally.broken).toEqual([]);
  expect(tally.answered).toBe(tally.sent);
});
