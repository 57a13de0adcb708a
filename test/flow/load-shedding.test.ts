/**
 * A heap that fills up (R3, E29): first answers end their connections, then new requests are refused before any work,
 * what is under way goes on, and the control plane notices nothing. The thresholds are lowered, the filling is real:
 * requests that wait for their answer.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BurstReport, Crowd, longest } from '../helpers/crowd.ts';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

/** Of which an idle product takes about a third, and a request that waits as much as its head. */
const HEAP_MIB = 48;
const NORMAL_AGAIN_MS = 5_000;
const SOON_MS = 50;

const product = new Product({
  NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
  SALLYPORT_EASE_HEAP_PERCENT: '55',
  SALLYPORT_SHED_HEAP_PERCENT: '70',
  SALLYPORT_SHED_DELAY: '60s',
});
let upstream: TunnelUpstream;
let clients: Crowd;
const open: RawClient[] = [];

beforeAll(async () => {
  [upstream, clients] = await Promise.all([TunnelUpstream.start(), Crowd.start()]);
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
});
afterAll(async () => {
  for (const client of open) client.close();
  await Promise.all([upstream?.close(), clients?.close()]);
  await product.destroy();
});

function head(line: string): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`;
}

/** One request on a connection of its own. */
async function asked(): Promise<string> {
  const client = await RawClient.connect(product.gatewayPort);
  const text = await client.send(head('GET http://work.test/')).until((c) => c.text.includes('\r\n\r\n'));
  client.close();
  return text;
}

/** The levels that were entered, as the log has them. */
function levels(): string[] {
  return [...product.output.matchAll(/"load":"(\w+)"/g)].map(([, level]) => level!);
}

test('easing, shedding, and back', { timeout: 60_000 }, async ({ annotate }) => {
  const tunnel = await RawClient.connect(product.gatewayPort);
  await tunnel.send(head('CONNECT echo.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'));
  const early = await RawClient.connect(product.gatewayPort);
  open.push(tunnel, early);
  await early.send(head('GET http://work.test/')).until(({ text }) => text.endsWith('done'));
  expect(early.text).not.toContain('\r\nConnection: close\r\n');

  const waiting = head('GET http://slow.test/').replace('\r\n\r\n', `\r\nX: ${'x'.repeat(14_000)}\r\n\r\n`);
  const crowd = { do: 'burst', port: product.gatewayPort, perSecond: 2_000, head: waiting, holdMs: 300 } as const;
  const entered = (n: number) => expect.poll(() => levels().length, { timeout: 15_000 }).toBe(n);
  await clients.order<BurstReport>({ ...crowd, n: 1_100 });
  await entered(1);
  expect(await asked()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/);
  await clients.order<BurstReport>({ ...crowd, n: 500 });
  await entered(2);
  expect(levels()).toEqual(['easing', 'shedding']);

  // A new client, and one that is connected already: refused, told when to come again, and let go.
  expect(await asked()).toMatch(/^HTTP\/1\.1 503 overloaded\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
  early.text = '';
  await early.send(head('GET http://work.test/')).untilEnd();
  expect(early.text).toMatch(/^HTTP\/1\.1 503 overloaded\r\n[\s\S]*\r\nConnection: close\r\n/);
  // Over more than a second, so that one stall of a shared machine meets a part of them.
  const asking = { ...crowd, perSecond: 200, head: head('GET http://work.test/'), holdMs: 0 };
  const shed = await clients.order<BurstReport>({ ...asking, n: 300 });
  expect(shed.statuses).toEqual({ 503: 300 });
  expect(longest(shed.refusedMs)).toBeLessThanOrEqual(SOON_MS);
  // What is under way goes on, and so does the control plane.
  tunnel.text = '';
  await tunnel.send('still here').until(({ text }) => text === 'still here');
  expect((await fetch(`${product.controlUrl}/readyz`)).status).toBe(200);
  expect((await product.proxies('ListSessions', {})).sessionIds).not.toEqual([]);

  await clients.order({ do: 'stop' });
  const since = performance.now();
  await expect
    .poll(asked, { interval: 50, timeout: NORMAL_AGAIN_MS })
    .toMatch(/^HTTP\/1\.1 200 OK\r\n(?![\s\S]*\r\nConnection: close\r\n)/);
  await annotate(
    `503 within ${longest(shed.refusedMs).toFixed(1)} ms; normal again after ${(performance.now() - since).toFixed(0)} ms`,
  );
  // One line for each change, whatever happened in between.
  expect(levels().slice(0, 2)).toEqual(['easing', 'shedding']);
  expect(levels().at(-1)).toBe('normal');
  expect(levels().length).toBeLessThanOrEqual(4);
});
