/**
 * Takes the pictures of `docs/console.md`: `node test/clients/console-pictures.ts`. A real product with some
 * traffic for a minute and a half, through upstreams of which some are not there, seen by a real Chromium.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsolePage, launchChromium } from '../helpers/console-page.ts';
import { AS_BUILT, Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startRecordingUpstream } from '../helpers/wire.ts';

const ROOT = join(import.meta.dirname, '../..');
const TRAFFIC_MS = 90_000;
const COUNTRIES = ['br', 'de', 'fr', 'jp', 'us'];
const USERS = ['datacenter', 'residential', 'residential-country-de', 'residential-session-checkout'];

spawnSync(process.execPath, ['scripts/ensure-built.js'], { cwd: ROOT, stdio: 'inherit' });
const product = new Product({}, ':', AS_BUILT);
await product.start();
const upstream = await startRecordingUpstream();
const browser = await launchChromium();
try {
  await fill('residential', 240, upstream.port);
  await fill('datacenter', 9, upstream.port);
  await fill('datacenter', 3, 1, 9);
  const opened = await ConsolePage.open(browser, product);
  await opened.signIn();
  await sendFor(TRAFFIC_MS);
  await opened.page.screenshot({ path: join(ROOT, 'docs/console-overview.png') });
  await opened.page.goto(`${product.controlUrl}/console#sessions?pool=datacenter`);
  await opened.row('datacenter-br-009').waitFor();
  await opened.page.screenshot({ path: join(ROOT, 'docs/console-sessions.png') });
  await opened.close();
} finally {
  await browser.close();
  await upstream.close();
  await product.destroy();
}

async function fill(name: string, count: number, port: number, from = 0): Promise<void> {
  const { providerId } = product.bootstrap;
  const { body } = await product.call('proxies.v1.Proxies/ListPools', { workspaceId: product.bootstrap.workspaceId });
  const { pools } = await product.proxies('BatchGetPools', { poolIds: body.poolIds });
  const known = pools.find((pool: { name: string }) => pool.name === name);
  const pool = known ?? (await product.proxies('CreatePool', { name })).pool;
  const sessions = Array.from({ length: count }, (_, n) => {
    const country = COUNTRIES[n % COUNTRIES.length]!;
    const token = `${name}-${country}-${String(from + n).padStart(3, '0')}`;
    return { token, scheme: 'http', host: '127.0.0.1', port, username: 'customer', password: 'x', labels: { country } };
  });
  await product.proxies('BulkCreateSessions', { poolId: pool.id, providerId, sessions });
}

/** A rate that swells and ebbs; now and then a client asks for a country that no session is in. */
async function sendFor(ms: number): Promise<void> {
  const clients = Array.from({ length: 8 }, () => new ProxiedClient(product.gatewayPort));
  const end = performance.now() + ms;
  for (let turn = 0; performance.now() < end; turn++) {
    const swell = Math.max(1, Math.round(4 + 3 * Math.sin(turn / 40)));
    await Promise.all(
      clients.slice(0, swell).map((client, n) => {
        const user = turn % 25 === 0 && n === 0 ? 'residential-country-xx' : USERS[(turn + n) % USERS.length]!;
        return client.get('http://shop.example/', product.authorization(user));
      }),
    );
    await sleep(25);
  }
  for (const client of clients) client.close();
}
