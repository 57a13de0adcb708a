/** The console's files as the control port hands them out: whole, small, and bound to their own origin. */
import { readdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AS_BUILT, Product } from '../helpers/product.ts';

const BUILT = new URL('../../dist/console/', import.meta.url);
const MOST_COMPRESSED_BYTES = 250_000;
const FILES = ['/console', '/console/console.js', '/console/console.css', '/console/icon.svg'];

const product = new Product({}, ':', AS_BUILT);
beforeAll(() => product.start());
afterAll(() => product.destroy());

interface Got {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** The path as it is written, which `fetch` would tidy. */
function get(path: string, headers: Record<string, string> = {}): Promise<Got> {
  const { hostname: host, port } = new URL(product.controlUrl);
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    asked.once('error', reject).end();
  });
}

test.each(FILES)('%s is the same in every coding, without a key', async (path) => {
  const plain = await get(path);
  expect(plain.status).toBe(200);
  expect(plain.headers['content-encoding']).toBeUndefined();
  const gzip = await get(path, { 'accept-encoding': 'gzip, deflate' });
  expect(gzip.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true);
  const br = await get(path, { 'accept-encoding': 'gzip, deflate, br' });
  expect(br.headers['content-encoding']).toBe('br');
  expect(brotliDecompressSync(br.body).equals(plain.body)).toBe(true);
  expect((await get(path, { 'accept-encoding': 'br;q=0, gzip;q=0' })).headers['content-encoding']).toBeUndefined();
});

test('a policy keeps it to its own origin: no inline code, no other host, no frame', async () => {
  for (const path of FILES) {
    const { headers } = await get(path);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  }
  const { body } = await get('/console');
  expect(body.toString()).not.toMatch(/<script>|style=|https?:\/\//);
});

test('what is known already is not sent again', async () => {
  const { headers } = await get('/console/console.js');
  const again = await get('/console/console.js', { 'if-none-match': String(headers.etag) });
  expect([again.status, again.body.length]).toEqual([304, 0]);
});

test('nothing else is handed out', async () => {
  for (const path of [
    '/console/../server/main.js',
    '/console/%2e%2e/server/main.js',
    '/console/console.js.br',
    '/console/third-party.txt',
    '/console/index.html',
    '/console//icon.svg',
  ])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  expect((await get('/console/')).headers.location).toBe('/console');
});

test('all of it is at most 250 kB on the wire', () => {
  const compressed = readdirSync(BUILT).filter((name) => name.endsWith('.br'));
  expect(compressed).toHaveLength(FILES.length);
  const bytes = compressed.reduce((sum, name) => sum + statSync(new URL(name, BUILT)).size, 0);
  expect(bytes).toBeLessThanOrEqual(MOST_COMPRESSED_BYTES);
});
