import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App, Bootstrap } from '../../../src/app.ts';
import { firstRunText, type ServeHost, serve, startFailure } from '../../../src/cli/serve.ts';
import { type Config, loadConfig } from '../../../src/config.ts';

const BOOTSTRAP: Bootstrap = {
  apiKey: `sp_live_${'ab'.repeat(16)}`,
  workspaceId: 'AZ3w+wAAAAAAAAAAAAAAAQ==',
  poolId: 'AZ3w+wAAAAAAAAAAAAAAAg==',
  providerId: 'AZ3w+wAAAAAAAAAAAAAAAw==',
  localPoolId: 'AZ3w+wAAAAAAAAAAAAAABA==',
  controlUrl: 'http://127.0.0.1:40001',
  gatewayUrl: 'http://127.0.0.1:40002',
  proxyUrl: `http://local:sp_live_${'ab'.repeat(16)}@127.0.0.1:40002`,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-serve-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function config(format: 'json' | 'pretty' = 'json'): Config {
  const argv = ['--data-dir', folder, '--log-level', 'error', '--log-format', format];
  const loaded = loadConfig({ argv, env: {}, cwd: folder, readFile: () => '' });
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

/** A host around an application that only writes down what is asked of it. */
function rig(bootstrap: Bootstrap | null, failed: Promise<Error> = new Promise(() => undefined)) {
  const calls: string[] = [];
  const printed: string[] = [];
  const complaints: string[] = [];
  const stop = Promise.withResolvers<void>();
  const app: App = {
    controlUrl: BOOTSTRAP.controlUrl,
    gatewayUrls: [BOOTSTRAP.gatewayUrl],
    bootstrap,
    drain: async () => void calls.push('drain'),
    close: async () => void calls.push('close'),
    failed,
  };
  const host: ServeHost = {
    startApp: async () => app,
    stopRequested: stop.promise,
    atExit: () => undefined,
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text),
  };
  return { host, calls, printed, complaints, stop: stop.resolve };
}

describe('serve', () => {
  it('prints the key and the lines on the first start, then the ready line; drains, closes and answers 0', async () => {
    const { host, calls, printed, stop } = rig(BOOTSTRAP);
    const code = serve(config(), host);
    await expect.poll(() => printed.length).toBe(2);
    expect(calls).toEqual([]);
    stop();
    expect(await code).toBe(0);
    expect(calls).toEqual(['drain', 'close']);
    expect(printed[0]).toContain(BOOTSTRAP.apiKey);
    expect(JSON.parse(printed[1]!)).toMatchObject({
      msg: 'ready',
      control_url: BOOTSTRAP.controlUrl,
      gateway_urls: [BOOTSTRAP.gatewayUrl],
    });
  });

  it('prints neither key nor lines on a later start, and names the real addresses for eyes', async () => {
    const { host, printed, stop } = rig(null);
    stop();
    expect(await serve(config('pretty'), host)).toBe(0);
    expect(printed).toEqual(['sallyport is ready: control http://127.0.0.1:40001, gateway http://127.0.0.1:40002']);
  });

  it('closes without a drain and answers 1 when a part fails', async () => {
    const { host, calls } = rig(null, Promise.resolve(new Error('the control thread ended')));
    expect(await serve(config(), host)).toBe(1);
    expect(calls).toEqual(['close']);
  });

  it('says in one sentence why it cannot start, and answers 1', async () => {
    const { host, complaints, printed } = rig(null);
    const startApp = async () => {
      throw Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE', address: '::1', port: 7070 });
    };
    expect(await serve(config(), { ...host, startApp })).toBe(1);
    expect(printed).toEqual([]);
    expect(complaints).toEqual([
      'cannot start: [::1]:7070 is already in use; stop what listens there, or set SALLYPORT_CONTROL_LISTEN or SALLYPORT_GATEWAY_LISTEN',
    ]);
  });
});

describe('the first-run text', () => {
  const commands = firstRunText(BOOTSTRAP)
    .split('\n')
    .filter((line) => line.startsWith('  curl '));

  it('has three lines to paste, with the real ids and addresses', () => {
    expect(commands).toHaveLength(3);
    expect(commands[0]).toContain(`${BOOTSTRAP.controlUrl}/proxies.v1.Proxies/CreateSession`);
    expect(commands[1]).toContain(`-x http://local:${BOOTSTRAP.apiKey}@127.0.0.1:40002 `);
    expect(commands[2]).toContain(`${BOOTSTRAP.controlUrl}/metrics | grep sallyport_resolve_duration`);
  });

  it('carries a request body that is JSON with the ids in wire form', () => {
    const body = JSON.parse(/-d '([^']+)'/.exec(commands[0]!)![1]!);
    expect(body).toMatchObject({
      workspaceId: BOOTSTRAP.workspaceId,
      poolId: BOOTSTRAP.poolId,
      providerId: BOOTSTRAP.providerId,
    });
  });
});

describe('a failure to start', () => {
  it.each([
    [
      { code: 'EACCES', syscall: 'listen', address: '127.0.0.1', port: 80 },
      '127.0.0.1:80 may not be listened on by this user',
    ],
    [{ code: 'EADDRNOTAVAIL', address: '192.0.2.1', port: 1 }, '192.0.2.1:1 is no address of this machine'],
    [{ code: 'EROFS', syscall: 'mkdir', path: '/data' }, '/data cannot be used (EROFS)'],
    [{}, 'the master key is wrong'],
  ])('%o', (fields, sentence) => {
    expect(startFailure(Object.assign(new Error('the master key is wrong\n  at …'), fields))).toContain(sentence);
  });
});
