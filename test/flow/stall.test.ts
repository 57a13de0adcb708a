/**
 * Bulk work of the control plane beside live traffic: every proxied request goes
 * on being served. How late the gateway's event loop came is told, not judged:
 * figures are for the benches, on a machine that does nothing else.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const ROWS = full ? 50_000 : 10_000;
const CLIENTS = 8;
/** Each client sends a request this often, milliseconds, whether or not the machine is busy. */
const PACE_MS = 20;
/** A request that takes longer was stalled, on whatever machine. */
const STALLED_MS = 1_000;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: RecordingUpstream;

beforeAll(async () => {
  upstream = await startRecordingUpstream((recorded) => {
    recorded.text = '';
    recorded.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await product.start();
  await bulk('serving', 16);
});
afterAll(async () => {
  await product.destroy();
  await upstream?.close();
});

/** Adds sessions to the pool `default`; repeated with the same prefix, it finds them all there. */
async function bulk(prefix: string, rows: number): Promise<{ createdCount: number; existingCount: number }> {
  const { poolId, providerId } = product.bootstrap;
  const sessions = Array.from({ length: rows }, (_, i) => ({
    token: `${prefix}-${i}`,
    ...{ scheme: 'http', host: '127.0.0.1', port: upstream.port, username: `u-${i}`, password: `p-${i}` },
  }));
  return product.proxies('BulkCreateSessions', { poolId, providerId, sessions });
}

/** Walks the whole list; answers how many ids it had. */
async function walk(): Promise<number> {
  let count = 0;
  let cursor = '';
  do {
    const page = await product.proxies('ListSessions', { limit: 1_000, cursor });
    count += page.sessionIds.length;
    cursor = page.nextCursor;
  } while (cursor !== '');
  return count;
}

/** Sends at a steady pace until told that it is over; answers each request's milliseconds. */
async function traffic(isOver: () => boolean): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = new ProxiedClient(product.gatewayPort);
      while (!isOver()) {
        const startedAt = performance.now();
        const { status } = await client.get('http://a.test/', product.authorization('default'));
        const took = performance.now() - startedAt;
        expect(status).toBe(200);
        latencies.push(took);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, PACE_MS - took)));
      }
      client.close();
    }),
  );
  return latencies.sort((a, b) => a - b);
}

/** The gateway's event-loop delay since the last look, milliseconds. */
async function loopDelay(): Promise<{ p99: number; max: number }> {
  const page = await product.metrics();
  const read = (stat: string): number =>
    Number(new RegExp(`^sallyport_event_loop_delay_seconds\\{[^}]*"${stat}"[^}]*\\} (\\S+)$`, 'm').exec(page)?.[1]) *
    1_000;
  return { p99: read('p99'), max: read('max') };
}

function described(latencies: readonly number[], delay: { p99: number; max: number }): string {
  const at = (part: number): string => latencies[Math.floor((latencies.length - 1) * part)]!.toFixed(1);
  return `${latencies.length} requests: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; event-loop delay p99 ${delay.p99.toFixed(1)} ms, longest ${delay.max.toFixed(1)} ms`;
}

test(`while ${ROWS} sessions are created at once and the list is walked, no proxied request fails or waits`, async ({
  annotate,
}) => {
  await loopDelay();
  let over = false;
  const requests = traffic(() => over);
  const walks = (async () => {
    let count = 0;
    while (!over) count = await walk();
    return count;
  })();
  const first = await bulk('bulk', ROWS);
  const again = await bulk('bulk', ROWS);
  over = true;
  const latencies = await requests;
  await walks;
  await annotate(described(latencies, await loopDelay()));
  expect([first.createdCount, again.existingCount]).toEqual([ROWS, ROWS]);
  // The bootstrap's own exit, the serving sessions and the bulk.
  expect(await walk()).toBe(1 + 16 + ROWS);
  expect(latencies.length).toBeGreaterThan(CLIENTS);
  expect(latencies.at(-1)).toBeLessThan(STALLED_MS);
}, 120_000);
