/** Acknowledged means effective: the very next request sees a write, and no later one misses it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const WORKERS = 8;
const WRITES = full ? 10_000 : 1_000;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: RecordingUpstream;

beforeAll(async () => {
  await product.start();
  upstream = await startRecordingUpstream((recorded, chunk) => {
    recorded.text = '';
    if (chunk.toString('latin1').endsWith('\r\n\r\n')) {
      recorded.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    }
  });
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

test(`${WRITES} writes interleaved with requests under load: never a session too late or too long`, async () => {
  const { pool: everyone } = await product.proxies('CreatePool', { name: 'everyone' });
  const { providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  // Background load: resolves among everything, and must never be served by what was acknowledged as gone.
  const goneSince = new Map<string, number>();
  let deletions = 0;
  const violations: string[] = [];
  let over = false;
  const background = Array.from({ length: 4 }, async () => {
    const client = new ProxiedClient(product.gatewayPort);
    while (!over) {
      const before = deletions;
      const { sessionId, status } = await client.get('http://a.test/', product.authorization('everyone'));
      if (sessionId !== null && (goneSince.get(sessionId) ?? Infinity) <= before)
        violations.push(`${sessionId} served after its end`);
      if (status !== 200 && status !== 503) violations.push(`status ${status}`);
    }
    client.close();
  });
  let writes = 0;
  const worker = async (n: number): Promise<void> => {
    const client = new ProxiedClient(product.gatewayPort);
    for (let i = 0; writes < WRITES; i++) {
      const token = `worker${n}-${i}`;
      const named = product.authorization(`everyone-session-${token}`);
      const expectServed = async (id: string, served: boolean, what: string): Promise<void> => {
        const answer = await client.get('http://a.test/', named);
        if ((answer.sessionId === id) !== served) violations.push(`${token}: ${what}, served by ${answer.sessionId}`);
      };
      const { session } = await product.proxies('CreateSession', {
        poolId: everyone.id,
        providerId,
        token,
        ...endpoint,
        username: 'u',
        password: 'p',
      });
      const id = uuidOf(session.id);
      await expectServed(id, true, 'created');
      await product.proxies('UpdateSession', { sessionId: session.id, enabled: false });
      await expectServed(id, false, 'disabled');
      await product.proxies('UpdateSession', { sessionId: session.id, enabled: true });
      await expectServed(id, true, 'enabled');
      await product.proxies('DeleteSession', { sessionId: session.id });
      goneSince.set(id, ++deletions);
      await expectServed(id, false, 'deleted');
      writes += 4;
    }
    client.close();
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, n) => worker(n)));
  over = true;
  await Promise.all(background);
  expect(writes).toBeGreaterThanOrEqual(WRITES);
  expect(violations).toEqual([]);
}, 120_000);
