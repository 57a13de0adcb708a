/**
 * The product as `npm start` and the package run it: bundled. What the source does is
 * tested everywhere else; here, that nothing of it was lost on the way: both threads, the
 * one that checks backups, what is loaded late, every protocol, and places in crash reports.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { runCommand } from '../helpers/command.ts';
import { AS_BUILT, Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget, type Target } from '../helpers/target.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-built-'));
const product = new Product({}, ':', AS_BUILT);
let target: Target;

beforeAll(async () => {
  target = await startTarget();
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await target.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a session is created, and a request leaves by the embedded exit', async () => {
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '203.0.113.10', port: 8_080 };
  const created = await product.proxies('CreateSession', { poolId, providerId, token: 'one', ...endpoint });
  expect(created.session).toMatchObject({ token: 'one', version: '1' });
  const client = new ProxiedClient(product.gatewayPort);
  expect((await client.get(`${target.url}/built`, product.authorization('local'))).status).toBe(200);
  client.close();
  expect(await product.metrics()).toMatch(/sallyport_resolve_duration_seconds_count\{outcome="round_robin"\} 1/);
});

test('gRPC clients are served on the same port', async () => {
  const transport = createGrpcTransport({ baseUrl: product.controlUrl });
  const headers = { authorization: `Bearer ${product.bootstrap.apiKey}` };
  const { policies } = await createClient(Accounts, transport).listPolicies({}, { headers });
  expect(policies.length).toBeGreaterThan(0);
});

test('a backup is made, checked on its thread, and restored elsewhere', async () => {
  const file = join(folder, 'a.backup');
  const settings = { SALLYPORT_DATA_DIR: product.dataDir };
  expect(await runCommand(['backup', file], settings, AS_BUILT)).toMatchObject({ code: 0 });
  expect(statSync(file).size).toBeGreaterThan(0);
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o700 });
  copyFileSync(join(product.dataDir, 'master.key'), join(elsewhere, 'master.key'));
  expect(await runCommand(['restore', file], { SALLYPORT_DATA_DIR: elsewhere }, AS_BUILT)).toMatchObject({ code: 0 });
});

test('a configuration file is read, and commands know the version', async () => {
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, 'drainGrace: 11s\n');
  expect((await runCommand(['config', '--config', file], {}, AS_BUILT)).stdout).toMatch(/SALLYPORT_DRAIN_GRACE +11s/);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect((await runCommand(['version'], {}, AS_BUILT)).stdout).toBe(`${version}\n`);
});

test('a fault is reported with the names of functions and the lines of what was built', async () => {
  const broken = join(folder, 'broken.cjs');
  writeFileSync(broken, "console.log = () => { throw new TypeError('hush'); };");
  const ended = promisify(execFile)(process.execPath, ['--require', broken, AS_BUILT, 'version']);
  const { code, stderr } = (await ended.catch((error: { code: number; stderr: string }) => error)) as {
    code: number;
    stderr: string;
  };
  expect(code).toBe(1);
  expect(stderr).toMatch(/"uncaughtException".*"TypeError".*at main \([^)]*main\.js:[1-9]\d*:\d+\)/);
  expect(stderr).not.toContain('hush');
});

test('SIGTERM ends it with 0', async () => {
  expect(await product.stop()).toBe(0);
});
