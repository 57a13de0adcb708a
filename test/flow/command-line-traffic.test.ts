/** Commands that look at traffic: explained before, followed meanwhile, and looked through when it fails. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { commandLine } from '../helpers/command-line.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget, type Target } from '../helpers/target.ts';
import { echoTunnel, startRecordingUpstream } from '../helpers/wire.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let target: Target;
let folder: string;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  await product.start();
  target = await startTarget();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-commands-'));
  run = commandLine({ SALLYPORT_DATA_DIR: product.dataDir });
});
afterAll(async () => {
  await product.destroy();
  await target.close();
  await rm(folder, { recursive: true });
});

/** Runs a command that must end with 0. */
async function ok(...argv: string[]) {
  const ran = await run(...argv);
  expect([argv.join(' '), ran.code, ran.stderr]).toEqual([argv.join(' '), 0, '']);
  return ran;
}

describe('what goes on', () => {
  test('is explained before it happens', async () => {
    await ok('pool', 'create', 'explained');
    for (const n of [1, 2, 3]) await ok('session', 'create', `exit-${n}`, `203.0.113.${n}:80`, '--pool', 'explained');
    await ok('session', 'disable', 'exit-3');
    const { stdout } = await ok('resolve', 'explained-session-anna', 'example.com:443');
    expect(stdout).toMatch(/^exit-[12] {2}[0-9a-f-]{36}\nWhy: consistent\nNext best: exit-[12] /);
    expect(stdout).toContain('Sessions that could serve: 2');
    expect(stdout).toMatch(/^ +1 {2}session_disabled$/m);
    expect((await ok('resolve', 'nowhere', 'https://example.com')).stdout).toContain('No session: pool_unknown');
    expect(await run('resolve', 'default', 'example')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('host:port'),
    });
  });

  test('is followed as it happens, and stands in the status', async () => {
    const seen = run('tail', '--pool', 'local', '--lines', '2', '--json');
    const client = new ProxiedClient(product.gatewayPort);
    // The stream begins when it begins: requests go on until it has seen its two.
    let isOver = false;
    void seen.then(() => {
      isOver = true;
    });
    while (!isOver) await client.get(`${target.url}/one`, product.authorization('local'));
    client.close();
    const records = (await seen).stdout.split('\n').map((line) => JSON.parse(line));
    expect(records).toMatchObject([{ cause: 'ok', kind: 'forward' }, { cause: 'ok' }]);

    const { stdout } = await ok('status');
    expect(stdout).toMatch(/^state +ready$/m);
    expect(stdout).toMatch(/^local +1 +0 +\d+ +0$/m);
    expect((await ok('status', '--json')).json).toMatchObject({ ready: true, failed: 0, url: product.controlUrl });
  });

  test('is what a shell’s programs do once they were told', async () => {
    const { stdout } = await ok('env', 'local');
    const proxy = `http://local:${product.bootstrap.apiKey}@127.0.0.1:${product.gatewayPort}`;
    expect(stdout.split('\n')).toContain(`export http_proxy='${proxy}'`);
    expect((await ok('env', 'local', '--shell', 'fish')).stdout).toContain(`set -gx HTTPS_PROXY '${proxy}'`);
    expect((await ok('env', "local-session-it's")).stdout).toContain('local-session-it%27s:');
    expect(await run('env', 'nowhere')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no pool is called nowhere'),
    });
  });
});

describe('the doctor', () => {
  const doctor = (...flags: string[]) => run('doctor', ...flags);

  test('finds a pool without sessions, what is ill, and what is well', async () => {
    const { code, stdout } = await doctor('--no-request');
    expect(stdout).toMatch(/^✓ server: .* is ready$/m);
    expect(stdout).toMatch(/^✓ clock: /m);
    expect(stdout).toMatch(/^✓ pool local: 1 healthy$/m);
    expect(stdout).toMatch(/^! pool default: it has no session\n {4}sallyport session import FILE --pool default$/m);
    expect(code).toBe(0);
  });

  test('sends a request through each provider, and says what its failure means', async () => {
    const { host } = new URL(target.url);
    await ok('session', 'create', 'dead', 'http://127.0.0.1:1', '--pool', 'default');
    const { code, stdout, stderr } = await doctor('--target', host);
    expect(stdout).toContain(`✓ provider local: a tunnel to ${host} opened`);
    expect(stdout).toMatch(
      /^✗ provider static: a tunnel to .* did not open: 50\d \w+ \(request [0-9a-f]{8}-[0-9a-f]{8}\)\n {4}\w/m,
    );
    expect([code, stderr]).toEqual([1, 'something keeps requests from being served']);
    const { json } = await doctor('--target', host, '--json');
    expect(json).toContainEqual(expect.objectContaining({ verdict: 'fail', what: 'provider static' }));
  });

  test('says what became of its request where the gateway gives no answer', async () => {
    const rude = createServer((socket) =>
      socket.once('data', () => socket.resetAndDestroy()).on('error', () => undefined),
    );
    await once(rude.listen(0, '127.0.0.1'), 'listening');
    const { port } = rude.address() as AddressInfo;
    const { code, stdout } = await doctor('--gateway', `http://127.0.0.1:${port}`);
    await new Promise((resolve) => rude.close(resolve));
    expect(stdout).toContain(
      '✗ provider local: the gateway gave no answer to a request for example.com:443 (ECONNRESET)',
    );
    expect(code).toBe(1);
  });

  test('asks sessions that failed one by one: what a pool hides, and what is well again', async () => {
    const { host } = new URL(target.url);
    await ok('pool', 'create', 'ailing');
    await ok('session', 'create', 'gone-session-2', 'http://127.0.0.1:1', '--pool', 'ailing');
    const client = new ProxiedClient(product.gatewayPort);
    expect((await client.get(`${target.url}/lost`, product.authorization('ailing'))).status).toBe(502);
    client.close();
    const found = await doctor('--target', host);
    expect(found.stdout).toContain('✓ pool ailing: 1 healthy');
    expect(found.stdout).toMatch(
      /^✗ session gone-session-2: a tunnel to .* did not open: 502 upstream_refused \(request .*\)\n {4}\w/m,
    );
    expect(found.code).toBe(1);
    const upstream = await startRecordingUpstream(echoTunnel);
    onTestFinished(() => upstream.close());
    await ok('session', 'update', 'gone-session-2', '--port', String(upstream.port), '--pool', 'ailing');
    const again = await doctor('--target', host);
    expect(again.stdout).toContain(
      `✓ session gone-session-2: it failed before (upstream_refused), and a tunnel to ${host} opened`,
    );
  });

  test('says that nothing answers where nothing does', async () => {
    const { url, close } = await startTarget();
    await close();
    const lost = commandLine({ SALLYPORT_URL: url, SALLYPORT_API_KEY: 'sp_live_x', SALLYPORT_DATA_DIR: folder });
    const { code, stdout } = await lost('doctor');
    expect([code, stdout]).toEqual([1, expect.stringContaining(`✗ server: nothing answers at ${url} (ECONNREFUSED)`)]);
  });
});
