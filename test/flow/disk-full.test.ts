/**
 * The disk runs full under the running product: writes are refused as unavailable,
 * everything that needs no disk goes on, and with room again so do writes, without a
 * restart. On a small file system of its own, which only root may mount.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
const mounted = mountSmall(product.dataDir);
const ballast = join(product.dataDir, 'ballast');
let upstream: RecordingUpstream;

/** Whether the directory is a file system of 4 MB now; never without root. */
function mountSmall(directory: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

beforeAll(async () => {
  upstream = await startRecordingUpstream();
});
afterAll(async () => {
  await product.stop();
  if (mounted) execFileSync('umount', [product.dataDir]);
  await product.destroy();
  await upstream.close();
});

/** Takes the last free page. */
function fillDisk(): void {
  try {
    for (;;) appendFileSync(ballast, Buffer.alloc(4_096));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
}

function session(token: string): object {
  const { poolId, providerId } = product.bootstrap;
  const endpoint = {
    scheme: 'http',
    host: '127.0.0.1',
    port: upstream.port,
    username: 'u'.repeat(1_000),
    password: 'p',
  };
  return { workspaceId: product.bootstrap.workspaceId, poolId, providerId, token, ...endpoint };
}

describe.skipIf(!mounted)('a full disk (needs root to mount a small one)', () => {
  test('refuses writes as unavailable, serves from memory, and writes again once there is room', async () => {
    await product.start();
    const { pid } = product;
    const acknowledged = new Map<string, string>();
    const create = async (token: string) => {
      const answer = await product.call('proxies.v1.Proxies/CreateSession', session(token));
      if (answer.status === 200) acknowledged.set(token, answer.body.session.id);
      return answer;
    };
    expect((await create('before')).status).toBe(200);
    fillDisk();
    let refused = await create('full-0');
    for (let n = 1; refused.status === 200 && n < 2_000; n++) refused = await create(`full-${n}`);
    expect([refused.status, refused.body.code]).toEqual([503, 'unavailable']);

    const client = new ProxiedClient(product.gatewayPort);
    const served = async (token: string) =>
      client.get('http://a.test/', product.authorization(`default-session-${token}`));
    for (const token of ['before', [...acknowledged.keys()].at(-1)!]) {
      expect(await served(token)).toMatchObject({ status: 200, sessionId: uuidOf(acknowledged.get(token)!) });
    }
    const read = await product.proxies('GetSession', { sessionId: acknowledged.get('before') });
    expect(read.session.token).toBe('before');
    expect((await fetch(`${product.controlUrl}/readyz`)).status).toBe(200);
    // Refused, and no less so the second time: nothing of it was kept.
    expect((await create('full-again')).body.code).toBe('unavailable');

    rmSync(ballast);
    expect((await create('room-again')).status).toBe(200);
    expect(await served('room-again')).toMatchObject({
      status: 200,
      sessionId: uuidOf(acknowledged.get('room-again')!),
    });
    expect(product.pid).toBe(pid);
    client.close();

    await product.kill();
    await product.start();
    const sessionIds = [...acknowledged.values()];
    for (let at = 0; at < sessionIds.length; at += 1_000) {
      const { notFoundIds = [] } = await product.proxies('BatchGetSessions', {
        sessionIds: sessionIds.slice(at, at + 1_000),
      });
      expect(notFoundIds).toEqual([]);
    }
    const again = await product.call('proxies.v1.Proxies/CreateSession', session('full-again'));
    expect(again.status).toBe(200);
    expect(await product.stop()).toBe(0);
  }, 60_000);
});
