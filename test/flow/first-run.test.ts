import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { curl, hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { makeCertificate, startTarget, type Target } from '../helpers/target.ts';

const product = new Product();
let plain: Target;
let secure: Target;

beforeAll(async () => {
  await product.start();
  plain = await startTarget();
  secure = await startTarget(await makeCertificate());
});
afterAll(async () => {
  await product.destroy();
  await plain.close();
  await secure.close();
});

test('the first start prints the key once, leaves bootstrap.json for its owner alone, and is ready', async () => {
  const { bootstrap } = product;
  expect(Object.keys(bootstrap)).toEqual([
    'apiKey',
    'workspaceId',
    'poolId',
    'providerId',
    'localPoolId',
    'controlUrl',
    'gatewayUrl',
    'proxyUrl',
  ]);
  expect(product.output).toContain(bootstrap.apiKey);
  expect(statSync(join(product.dataDir, 'bootstrap.json')).mode & 0o777).toBe(0o600);
  expect(statSync(join(product.dataDir, 'master.key')).mode & 0o777).toBe(0o600);
  expect(statSync(join(product.dataDir, 'sallyport.db')).mode & 0o777).toBe(0o600);
  expect((await fetch(`${product.controlUrl}/livez`)).status).toBe(200);
  expect((await fetch(`${product.controlUrl}/readyz`)).status).toBe(200);
});

test.skipIf(!hasCurl)(
  'the printed lines work as pasted, and pool local reaches a target over http and https',
  async () => {
    const lines = product.output.split('\n').filter((line) => line.trimStart().startsWith('curl '));
    expect(lines).toHaveLength(3);
    const paste = async (line: string): Promise<string> => (await promisify(execFile)('sh', ['-c', line])).stdout;
    const created = JSON.parse(await paste(lines[0]!)) as { session: { token: string; version: string } };
    expect(created.session).toMatchObject({ token: 'my-first-exit', version: '1', enabled: true });
    // The printed line names a public site; here the same line goes to targets on this machine.
    expect(await paste(lines[1]!.replace('https://example.com/', `${plain.url}/one`))).toBe('hello /one\n');
    expect(await paste(lines[1]!.replace('https://example.com/', `-k ${secure.url}/two`))).toBe('hello /two\n');
    expect(await paste(lines[2]!)).toMatch(/sallyport_resolve_duration_seconds_count\{outcome="round_robin"\} 2/);
  },
);

test('the LOCAL exit hands nothing of the client or of ours to the target', async () => {
  for (const request of [...plain.seen, ...secure.seen]) {
    expect(request.toLowerCase()).not.toMatch(/proxy-authorization|sallyport|via:|x-forwarded/);
  }
});

test('a later start prints neither key nor lines, and what was created is there', async () => {
  const { apiKey } = product.bootstrap;
  expect(await product.stop()).toBe(0);
  product.output = '';
  await product.start();
  expect(product.output).not.toContain(apiKey);
  expect(product.output).not.toContain('curl');
  const list = await product.proxies('ListSessions', { poolId: product.bootstrap.poolId });
  expect(list).toEqual({ sessionIds: [expect.any(String)], nextCursor: '' });
});

test.skipIf(!hasCurl)('the client hears which cause it was, in the reason phrase of a refused CONNECT', async () => {
  const wrong = product.proxyUrl('local').replace(product.bootstrap.apiKey, `sp_live_${'0'.repeat(32)}`);
  const answer = await curl('-v', '-x', wrong, `${secure.url}/`);
  expect(answer.code).not.toBe(0);
  expect(answer.stderr).toContain('407 auth_failed');
});
