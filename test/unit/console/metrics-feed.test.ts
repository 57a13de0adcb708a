/** Rates over pages of a real server, which says what it is told to. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MetricsFeed } from '../../../console/model/metrics-feed.ts';

let page = '';
let server: Server;
let url = '';

beforeAll(async () => {
  server = createServer((_request, response) => response.end(page));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function pageOf({ start = 1, served = 0, failed = 0, fast = 0 }): string {
  return [
    `process_start_time_seconds ${start}`,
    `sallyport_requests_total{pool="web",kind="forward",outcome="ok"} ${served}`,
    `sallyport_requests_total{pool="web",kind="forward",outcome="failed"} ${failed}`,
    `sallyport_causes_total{cause="ok"} ${served}`,
    `sallyport_causes_total{cause="upstream_refused"} ${failed}`,
    `sallyport_resolve_duration_seconds_bucket{outcome="ok",le="0.001"} ${fast}`,
    `sallyport_resolve_duration_seconds_bucket{outcome="ok",le="+Inf"} ${fast}`,
    'sallyport_sessions{pool="web",state="eligible"} 3',
    'sallyport_sessions{pool="web",state="ejected"} 1',
    'sallyport_sessions{pool="web",state="disabled"} 2',
  ].join('\n');
}

async function feedOver(...pages: string[]): Promise<MetricsFeed> {
  const feed = new MetricsFeed(url, () => undefined);
  for (const each of pages) {
    page = each;
    await feed.look();
  }
  return feed;
}

test('a first look tells the pools, and no rate yet', async () => {
  const feed = await feedOver(pageOf({ served: 100 }));
  expect(feed.points.value).toEqual([]);
  expect(feed.pools.value).toEqual([
    { pool: 'web', healthy: 3, ejected: 1, other: 2, perSecond: 0, failedPerSecond: 0 },
  ]);
});

test('two looks tell what happened between them', async () => {
  const feed = await feedOver(pageOf({ served: 100 }), pageOf({ served: 140, failed: 10, fast: 50 }));
  const [point] = feed.points.value;
  expect(point!.failed / point!.served).toBeCloseTo(0.25);
  expect(point!.resolveMedian).toBeCloseTo(0.0005);
  expect(feed.causes.value).toEqual([{ cause: 'upstream_refused', count: 10 }]);
});

test('a process that started anew counts from nothing: no rate of the past, none below zero', async () => {
  const feed = await feedOver(
    pageOf({ served: 100 }),
    pageOf({ start: 2, served: 5 }),
    pageOf({ start: 2, served: 6 }),
  );
  expect(feed.points.value).toHaveLength(1);
  expect(feed.points.value[0]!.served).toBeGreaterThan(0);
});

test('a look that nobody answers fails, and is told of', async () => {
  const told: boolean[] = [];
  const feed = new MetricsFeed('http://127.0.0.1:1', (isAnswered) => told.push(isAnswered));
  await feed.start();
  feed.stop();
  expect(told).toEqual([false]);
});
