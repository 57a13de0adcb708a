/**
 * Three times of what the gateway takes (R3): who is beyond a bound gets its 503 soon, nobody hangs, who is inside is
 * served, and all is as before within five seconds of the end. Measured by the process of the clients.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type BurstReport, Crowd, longest, median } from '../helpers/crowd.ts';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { RawClient } from '../helpers/wire.ts';

const CONNECTIONS = full ? 3_000 : 300;
const DIALS = full ? 900 : 90;
/** Crowds come within some seconds, so that one stall of a shared machine meets a part of them. */
const SPREAD_S = full ? 12 : 2;
/** Who has been told nothing for so long is in. */
const HOLD_MS = full ? 1_500 : 700;
/** R3: a refusal is there this soon, from the call of connect. */
const SOON_MS = 50;
const NORMAL_AGAIN_MS = 5_000;

const product = new Product({
  SALLYPORT_ACCESS_LOG: 'false',
  SALLYPORT_MAX_CLIENT_CONNECTIONS: String(CONNECTIONS),
  SALLYPORT_MAX_PENDING_DIALS: String(DIALS),
  // Who fills the gateway says nothing, and is to stay while the others come.
  SALLYPORT_HEAD_TIMEOUT: '60s',
});
let serving: Crowd;
let clients: Crowd;

beforeAll(async () => {
  [serving, clients] = await Promise.all([Crowd.start(), Crowd.start()]);
  await product.start();
  const port = await serving.order<number>({ do: 'serve' });
  const { poolId, providerId } = product.bootstrap;
  await product.proxies('CreateSession', { poolId, providerId, token: 's', scheme: 'http', host: '127.0.0.1', port });
});
afterAll(async () => {
  await Promise.all([serving, clients].map((crowd) => crowd?.close()));
  await product.destroy();
});
beforeEach(async () => {
  expect(await served()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
});

function headOf(line: string): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`;
}

/** One honest request on a connection of its own; answers the head of its answer. */
async function served(): Promise<string> {
  const client = await RawClient.connect(product.gatewayPort);
  const text = await client.send(headOf('GET http://a.test/ok')).until(({ text }) => text.includes('\r\n\r\n'));
  client.close();
  return text;
}

/** Milliseconds until a request is served again. */
async function normalAgain(): Promise<number> {
  const since = performance.now();
  await expect.poll(served, { interval: 20, timeout: NORMAL_AGAIN_MS }).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  return performance.now() - since;
}

function told({ statuses, refusedMs }: BurstReport): string {
  const [p50, all] = [median(refusedMs), Math.max(...refusedMs)].map((ms) => ms.toFixed(1));
  return `${JSON.stringify(statuses)}; 503 within p50 ${p50}, ${longest(refusedMs).toFixed(1)}, all ${all} ms`;
}

/** The control plane goes on answering; milliseconds of the slowest of some looks. */
async function readiness(until: () => boolean): Promise<number> {
  let slowest = 0;
  do {
    const since = performance.now();
    expect((await fetch(`${product.controlUrl}/readyz`)).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - since);
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (!until());
  return slowest;
}

test(`of ${CONNECTIONS * 3} connections a third is taken, and the others are told so within ${SOON_MS} ms`, async ({
  annotate,
}) => {
  const port = product.gatewayPort;
  let over = false;
  const looks = readiness(() => over);
  const idle = { do: 'burst', port, perSecond: 2_000, head: '', holdMs: HOLD_MS } as const;
  const taken = await clients.order<BurstReport>({ ...idle, n: CONNECTIONS });
  expect(taken.statuses).toEqual({ held: CONNECTIONS });
  // Those beyond say what they want at once, as clients do: the answer crosses with it.
  const perSecond = (CONNECTIONS * 2) / SPREAD_S;
  const asking = { ...idle, perSecond, head: headOf('GET http://a.test/ok'), holdMs: 0 };
  const beyond = await clients.order<BurstReport>({ ...asking, n: CONNECTIONS * 2 });
  over = true;
  await clients.order({ do: 'stop' });
  const again = await normalAgain();
  await annotate(
    `${told(beyond)}; normal again after ${again.toFixed(0)} ms; /readyz within ${(await looks).toFixed(1)} ms`,
  );
  expect(beyond.statuses).toEqual({ 503: CONNECTIONS * 2 });
  expect(longest(beyond.refusedMs)).toBeLessThanOrEqual(SOON_MS);
}, 120_000);

test(`of ${DIALS * 3} tunnels that an upstream leaves waiting a third waits, and the others are told so`, async ({
  annotate,
}) => {
  const port = product.gatewayPort;
  const head = headOf('CONNECT a.test:443');
  const tunnels = { do: 'burst', port, perSecond: (DIALS * 3) / SPREAD_S, head, holdMs: HOLD_MS } as const;
  const burst = await clients.order<BurstReport>({ ...tunnels, n: DIALS * 3 });
  await clients.order({ do: 'stop' });
  const again = await normalAgain();
  await annotate(`${told(burst)}; normal again after ${again.toFixed(0)} ms`);
  expect(burst.statuses).toEqual({ held: DIALS, 503: DIALS * 2 });
  expect(longest(burst.refusedMs)).toBeLessThanOrEqual(SOON_MS);
}, 120_000);
