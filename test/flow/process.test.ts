/** The process as an operator meets it: its commands, its first and later starts, its signals and its exit codes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const KEY = `sp_live_${'0123456789abcdef'.repeat(2)}`;

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-process-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

const CURL = spawnSync('curl', ['--version']).status === 0;

const ENV = {
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  SALLYPORT_CONTROL_LISTEN: '127.0.0.1:0',
  SALLYPORT_GATEWAY_LISTEN: '127.0.0.1:0',
  SALLYPORT_LOG_FORMAT: 'json',
};

function run(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...ENV, ...env },
    timeout: 25_000,
  });
  return { status, stdout, stderr };
}

/** A running server and all that it has written. */
async function start(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, 'serve'], { cwd: folder, env: { ...ENV, ...env }, stdio: 'pipe' });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const closed = once(child, 'close').then(([code]) => code as number | null);
  await expect.poll(() => text, { timeout: 25_000 }).toContain('"msg":"ready"');
  return { child, closed, text: () => text };
}

describe('commands', () => {
  it('an unknown one is a usage error', () => {
    expect(run(['frobnicate'])).toEqual({
      status: 2,
      stdout: '',
      stderr: 'sallyport: unknown command \'frobnicate\'\n"sallyport --help" says more\n',
    });
  });

  it('configuration mistakes are printed one a line, and end with 2', () => {
    const { status, stderr } = run(['serve', '--rpc-rate=0'], { SALLYPORT_DRAIN_GRACE: '5' });
    expect(status).toBe(2);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
  });

  it('config prints every setting with its origin, and no secret', () => {
    const { status, stdout } = run(['config', '--rpc-rate=7'], { SALLYPORT_BOOTSTRAP_KEY: KEY });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^SALLYPORT_RPC_RATE +7 +--rpc-rate$/m);
    expect(stdout).not.toContain(KEY);
  });

  it('version is that of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(run(['version']).stdout).toBe(`${version}\n`);
  });
});

describe('serving', () => {
  it.skipIf(!CURL)(
    'the three printed lines work as pasted (needs curl), and only the first start prints them',
    async () => {
      const first = await start();
      const lines = first
        .text()
        .split('\n')
        .filter((line) => line.startsWith('  curl '));
      const target = createServer((_, response) => response.end('from the target')).listen(0, '127.0.0.1');
      await once(target, 'listening');
      const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
      const answers: string[] = [];
      for (const line of lines) answers.push(await paste(line.replace('https://example.com/', url)));
      target.close();
      expect(JSON.parse(answers[0]!)).toMatchObject({ session: { token: 'my-first-exit', version: '1' } });
      expect(answers[1]).toBe('from the target');
      expect(answers[2]).toMatch(/_count(?:\{[^}]*\})? [1-9]/);

      const { apiKey } = JSON.parse(readFileSync(join(folder, 'data/bootstrap.json'), 'utf8'));
      first.child.kill('SIGTERM');
      expect(await first.closed).toBe(0);
      expect(first.text()).toContain(apiKey);

      const second = await start();
      second.child.kill('SIGINT');
      expect(await second.closed).toBe(0);
      expect(second.text()).not.toContain(apiKey);
      expect(second.text()).not.toContain('curl');
    },
  );

  it('everything in the data directory is for its owner only', async () => {
    const { child, closed } = await start({ SALLYPORT_BOOTSTRAP_KEY: KEY });
    for (const name of ['.', 'bootstrap.json', 'master.key', 'sallyport.db']) {
      expect(statSync(join(folder, 'data', name)).mode & 0o077, name).toBe(0);
    }
    expect(JSON.parse(readFileSync(join(folder, 'data/bootstrap.json'), 'utf8')).apiKey).toBe(KEY);
    child.kill('SIGTERM');
    expect(await closed).toBe(0);
  });
});

describe('ending', () => {
  it('the same signal from several senders at once is one signal: a clean drain', async () => {
    const { child, closed, text } = await start();
    for (let n = 0; n < 3; n++) child.kill('SIGINT');
    expect(await closed).toBe(0);
    expect(text()).toContain('"msg":"stopped"');
  });

  it('a second signal ends at once, whatever is left to wait for', async () => {
    const { child, closed, text } = await start({ SALLYPORT_DRAIN_DELAY: '60s' });
    child.kill('SIGTERM');
    await expect.poll(text).toContain('"msg":"draining"');
    const again = () => child.kill('SIGTERM') && child.exitCode;
    await expect.poll(again, { interval: 100 }).not.toBe(null);
    expect(await closed).toBe(143);
    expect(text()).not.toContain('"msg":"stopped"');
  });

  it('an error that nobody caught ends with 1 and a report without its message', async () => {
    const fault = join(folder, 'fault.mjs');
    const thrown = "new TypeError('hunter2', { cause: new RangeError('hunter3') })";
    writeFileSync(fault, `process.on('SIGUSR2', () => { throw ${thrown}; });`);
    const { child, closed, text } = await start({ NODE_OPTIONS: `--import=${pathToFileURL(fault).href}` });
    child.kill('SIGUSR2');
    expect(await closed).toBe(1);
    const report = JSON.parse(
      text()
        .split('\n')
        .find((line) => line.includes('uncaughtException'))!,
    );
    expect(report.errors.map(({ name }: { name: string }) => name)).toEqual(['TypeError', 'RangeError']);
    expect(text()).not.toContain('hunter');
  });
});

describe('a start that must not be', () => {
  it.each(['SALLYPORT_CONTROL_LISTEN', 'SALLYPORT_GATEWAY_LISTEN'])(
    '%s on a port in use says so in one sentence',
    async (name) => {
      const taken = createTcpServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
      const { status, stderr } = run(['serve'], { [name]: address });
      taken.close();
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`^sallyport: cannot start: ${address} is already in use; [^\\n]*\\n$`));
    },
  );

  it('a master key that others can read, and one that does not fit the database, are refused', async () => {
    const { child, closed } = await start();
    child.kill('SIGTERM');
    await closed;
    const wrong = run(['serve'], { SALLYPORT_MASTER_KEY: 'ab'.repeat(32) });
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/^sallyport: cannot start: [^\n]+\n$/);
    expect(wrong.stderr).not.toContain('abab');

    chmodSync(join(folder, 'data/master.key'), 0o644);
    const open = run(['serve']);
    expect(open.status).toBe(1);
    expect(open.stderr).toMatch(/^sallyport: cannot start: [^\n]*master\.key[^\n]*\n$/);
  });

  it('an address beyond this machine without the word of the operator', () => {
    const { status, stderr } = run(['serve'], { SALLYPORT_GATEWAY_LISTEN: '0.0.0.0:0' });
    expect(status).toBe(2);
    expect(stderr).toContain('SALLYPORT_ALLOW_REMOTE=true');
  });
});

async function paste(line: string): Promise<string> {
  const { http_proxy: _, https_proxy: __, ...env } = process.env;
  const child = spawn('sh', ['-c', line], {
    env: { ...env, NO_PROXY: '', no_proxy: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  return text;
}
