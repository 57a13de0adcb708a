/**
 * Encryption keys rotate under real traffic, and the process is killed while they do:
 * it always resumes, no proxied request fails for it, and no secret is ever lost or kept.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { full, whole } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const SESSIONS = whole ? 100_000 : full ? 20_000 : 2_000;
const WORKSPACES = full ? 300 : 30;
const KILLS = whole ? 50 : full ? 12 : 2;
/** What a kill leaves goes on after the restart, so later kills meet later parts of the same rotation. */
const LATEST_KILL_MS = 3_000;
const CLIENTS = 4;
const CLIENT_PAUSE_MS = 8;
const ROWS_PER_CALL = 20_000;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: RecordingUpstream;

/** An upstream that serves `user-n` with `pass-n`, whoever n is, and nobody else. */
beforeAll(async () => {
  upstream = await startRecordingUpstream((recorded, chunk) => {
    recorded.text = '';
    const credential = /^proxy-authorization: basic (\S+)/im.exec(chunk.toString('latin1'))?.[1] ?? '';
    const [user, password] = Buffer.from(credential, 'base64').toString().split(':');
    const genuine = user?.startsWith('user-') && password === user.replace('user', 'pass');
    const status = genuine ? '200 OK' : '407 Proxy Authentication Required';
    recorded.socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`);
  });
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await upstream.close();
});

const accounts = (method: string, request: object) => product.call(`accounts.v1.Accounts/${method}`, request);

/** Requests over all sessions until `stop`; while the process lives, every one must be served. */
function startTraffic(): {
  readonly failures: string[];
  readonly served: () => number;
  pause(): void;
  stop(): Promise<void>;
} {
  const failures: string[] = [];
  let [over, life, served] = [false, 0, 0];
  const clients = Array.from({ length: CLIENTS }, async () => {
    let client = new ProxiedClient(product.gatewayPort);
    let port = product.gatewayPort;
    while (!over) {
      const started = life;
      // Odd lives are those between a kill and the start after it.
      if (life % 2 === 1) {
        await delay(5);
        continue;
      }
      if (port !== product.gatewayPort) {
        client.close();
        client = new ProxiedClient(product.gatewayPort);
        port = product.gatewayPort;
      }
      const answer = await client.get('http://a.test/', product.authorization('default')).catch(() => null);
      if (answer?.status === 200) served++;
      else if (started === life && !over) failures.push(`${answer?.status} ${answer?.reason}`);
      // Some hundred requests a second: traffic, not a load test.
      await delay(CLIENT_PAUSE_MS);
    }
    client.close();
  });
  return {
    failures,
    served: () => served,
    pause: () => void life++,
    async stop() {
      over = true;
      await Promise.all(clients);
    },
  };
}

async function createSessions(): Promise<void> {
  const { poolId, providerId } = product.bootstrap;
  for (let from = 0; from < SESSIONS; from += ROWS_PER_CALL) {
    const sessions = Array.from({ length: Math.min(ROWS_PER_CALL, SESSIONS - from) }, (_, i) => {
      const n = from + i;
      const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
      return { token: `t-${n}`, ...endpoint, username: `user-${n}`, password: `pass-${n}` };
    });
    await product.proxies('BulkCreateSessions', { poolId, providerId, sessions });
  }
}

async function settled(): Promise<void> {
  const { workspaceId } = product.bootstrap;
  while ((await accounts('GetWorkspace', { workspaceId })).body.workspace.keyRotation !== undefined) await delay(10);
}

/** What the file at rest says of keys and of what they seal. */
function keysInFile(): {
  versions: number[];
  sealedBy: number[];
  keyrings: number;
  unusable: number;
  rotations: number;
} {
  const db = new Database(join(product.dataDir, 'sallyport.db'), { readonly: true });
  const workspaceId = Buffer.from(product.bootstrap.workspaceId, 'base64');
  const all = (sql: string, ...values: unknown[]) =>
    db
      .prepare(sql)
      .pluck()
      .all(...values) as never[];
  const found = {
    versions: all('select version from workspace_keys where workspace_id = ?', workspaceId),
    sealedBy: all(
      `select distinct cast(hex(substr(password_sealed, 5, 1)) as integer) from sessions
       where workspace_id = ? and password_sealed is not null and deleted_at is null`,
      workspaceId,
    ),
    keyrings: all('select distinct keyring from workspace_keys').length,
    unusable: all('select count(*) from sessions where unusable = 1')[0]!,
    rotations: all('select count(*) from key_rotations')[0]!,
  };
  db.close();
  return found;
}

test(`${SESSIONS} sessions: rotations killed at ${KILLS} points resume, and no request fails for them`, async ({
  annotate,
}) => {
  const { workspaceId } = product.bootstrap;
  await createSessions();
  for (let n = 0; n < WORKSPACES; n++) await accounts('CreateWorkspace', { name: `w-${n}` });
  const traffic = startTraffic();
  const startedAt = performance.now();
  expect((await accounts('RotateWorkspaceKey', { workspaceId })).status).toBe(200);
  await settled();
  const rotationMs = performance.now() - startedAt;
  expect((await accounts('RotateMasterKey', {})).body).toEqual({ rewrappedCount: WORKSPACES + 1 });

  const resumed: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    // The workspace's key rotates in the background; every other time the master key changes at the same moment.
    const begun = await accounts('RotateWorkspaceKey', { workspaceId });
    expect([200, 400]).toContain(begun.status);
    const master = kill % 2 === 0 ? accounts('RotateMasterKey', {}).catch(() => null) : null;
    await delay(Math.random() * Math.min(rotationMs * 0.8, LATEST_KILL_MS));
    traffic.pause();
    await product.kill();
    await master;
    resumed.push(keysInFile().rotations > 0 ? 'half' : 'whole');
    await product.start();
    traffic.pause();
    expect(product.output).not.toMatch(/does not open|unusable/);
  }
  await settled();
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect(traffic.served()).toBeGreaterThan(100);

  await product.stop();
  const { versions, sealedBy, keyrings, unusable } = keysInFile();
  expect(versions).toHaveLength(1);
  expect(sealedBy).toHaveLength(1);
  expect([keyrings, unusable]).toEqual([1, 0]);
  await product.start();
  await expectServed(['t-0', `t-${SESSIONS - 1}`, ...Array.from({ length: 200 }, anyToken)]);
  await annotate(`a rotation took ${Math.round(rotationMs)} ms; left ${resumed.join(', ')} by the kills`);
}, 1_800_000);

const anyToken = (): string => `t-${Math.floor(Math.random() * SESSIONS)}`;

async function expectServed(tokens: readonly string[]): Promise<void> {
  const client = new ProxiedClient(product.gatewayPort);
  for (const token of tokens) {
    const answer = await client.get('http://a.test/', product.authorization(`default-session-${token}`));
    expect(answer.status, token).toBe(200);
  }
  client.close();
}

test('a backup from before DeleteWorkspace, put back, serves everyone but the workspace that is gone', async () => {
  const { workspace } = (await accounts('CreateWorkspace', { name: 'doomed' })).body;
  const place = { workspaceId: workspace.id };
  const key = await accounts('CreateAPIKey', { name: 'doomed', policies: ['gateway'], ...place });
  const { provider } = await product.proxies('ConnectProvider', { type: 'PROVIDER_TYPE_STATIC', ...place });
  const [poolId] = (await product.proxies('ListPools', place)).poolIds;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  const credentials = { username: 'user-doomed', password: 'pass-doomed' };
  const session = { token: 'doomed', ...endpoint, ...credentials, poolId, providerId: provider.id, ...place };
  await product.proxies('CreateSession', session);
  const asDoomed = async () => {
    const client = new ProxiedClient(product.gatewayPort);
    const authorization = `Basic ${Buffer.from(`default:${key.body.rawKey}`).toString('base64')}`;
    const answer = await client.get('http://a.test/', authorization);
    client.close();
    return answer.status;
  };
  expect(await asDoomed()).toBe(200);
  const [live, backup] = ['sallyport.db', 'backup.db'].map((name) => join(product.dataDir, name)) as [string, string];
  await product.stop();
  copyFileSync(live, backup);
  await product.start();
  expect((await accounts('DeleteWorkspace', place)).status).toBe(200);
  expect(await asDoomed()).toBe(407);
  await product.stop();
  copyFileSync(backup, live);
  rmSync(backup);

  await product.start();
  expect(await asDoomed()).toBe(503);
  await expectServed(['t-0']);
  expect(product.output.match(/the secrets of a workspace are unusable/g)).toHaveLength(1);
}, 120_000);
