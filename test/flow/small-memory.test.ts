/**
 * The whole product within 256 MiB, heaps bounded as a small container would have them: what crowds that hold
 * connections, requests and unread answers make of it, by the kernel's own high-water mark.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BurstReport, Crowd } from '../helpers/crowd.ts';
import { mib, residentBytes } from '../helpers/process-figures.ts';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const ALLOWED = 256 * 1_048_576;

const product = new Product({
  NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=4',
  SALLYPORT_ACCESS_LOG: 'false',
});
let upstream: TunnelUpstream;
let clients: Crowd;

beforeAll(async () => {
  [upstream, clients] = await Promise.all([TunnelUpstream.start(), Crowd.start()]);
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
});
afterAll(async () => {
  await Promise.all([upstream?.close(), clients?.close()]);
  await product.destroy();
});

function head(line: string): string {
  return `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`;
}

/** The most that was ever resident, bytes. */
function highWater(): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${product.pid}/status`, 'utf8'))![1];
  return Number(kib) * 1_024;
}

test.runIf(process.platform === 'linux')(
  'crowds of every kind fit, and honest requests are served',
  { timeout: 60_000 },
  async ({ annotate }) => {
    const idle = residentBytes(product.pid);
    const port = product.gatewayPort;
    const crowd = { do: 'burst', port, perSecond: 2_000, holdMs: 500 } as const;
    const silent = await clients.order<BurstReport>({ ...crowd, n: 1_500, head: '' });
    const waiting = await clients.order<BurstReport>({ ...crowd, n: 700, head: head('GET http://slow.test/') });
    const connect = head('CONNECT echo.test:443');
    const tunnels = await clients.order<BurstReport>({ ...crowd, holdMs: 10_000, n: 700, head: connect });
    expect([silent.statuses, waiting.statuses, tunnels.statuses]).toEqual([
      { held: 1_500 },
      { held: 700 },
      { 200: 700 },
    ]);
    const readers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const reader = await RawClient.connect(port);
        await reader.send(head('GET http://flood.test/')).until(({ text }) => text.includes('\r\n\r\nx'));
        reader.socket.pause();
        return reader;
      }),
    );
    for (let i = 0; i < 50; i++) {
      const client = await RawClient.connect(port);
      const text = await client.send(head('GET http://work.test/')).until((c) => c.text.endsWith('done'));
      expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      client.close();
    }
    await annotate(`RSS ${mib(idle)} idle, ${mib(highWater())} at the most`);
    expect(highWater()).toBeLessThanOrEqual(ALLOWED);
    for (const reader of readers) reader.socket.resetAndDestroy();
    await clients.order({ do: 'stop' });
  },
);
