/** CreateBackup as an operator sees it: whole, sealed, checked, one at a time, and nobody else notices. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code, createContextValues, type HandlerContext } from '@connectrpc/connect';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createSallyport, idOf } from '../../client/client.ts';
import { type Call, type Plane, setCall } from '../../control/call.ts';
import { CreateBackupRequestSchema } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { backupService } from '../../control/services/backup.ts';
import { openStore } from '../../control/store/database.ts';
import { copyPathOf } from '../../control/store/database-file.ts';
import { countLiveSessions } from '../../control/store/sessions.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type ControlRig, RIG_KEY, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { full } from '../helpers/full.ts';

const PASSWORD = 'canary-7f3a-a-password-in-a-backup';

async function rigWith(sessions: number): Promise<ControlRig> {
  const rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId, poolId, providerId } = rig.made;
  for (let at = 0; at < sessions; at += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, sessions - at) }, (_, n) => ({
      ...{ token: `token-${at + n}`, scheme: 'http', host: '203.0.113.10', port: 8080 },
      ...{ username: `user-${at + n}`, password: PASSWORD },
    }));
    await rig.ok('proxies.v1.Proxies/BulkCreateSessions', { workspaceId, poolId, providerId, sessions: rows });
  }
  return rig;
}

const clientOf = (rig: ControlRig, apiKey = RIG_KEY) => createSallyport({ url: rig.url, apiKey });
const copiesIn = (rig: ControlRig) => readdirSync(rig.directory).filter((name) => name.includes('.copy-'));

function aborter(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

async function drain(pieces: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pieces);
}

/** The whole backup in one buffer, after checking what holds for each piece. */
async function download(rig: ControlRig): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const totals = new Set<bigint>();
  for await (const { chunk, totalBytes } of clientOf(rig).accounts.createBackup({})) {
    expect(chunk.length).toBeGreaterThan(0);
    expect(chunk.length).toBeLessThanOrEqual(256 * 1024);
    pieces.push(chunk);
    totals.add(totalBytes);
  }
  const whole = Buffer.concat(pieces);
  expect([...totals]).toEqual([BigInt(whole.length)]);
  return whole;
}

test('a backup made during writes is a sound database with all that was acknowledged, still sealed', async () => {
  const rig = await rigWith(1_000);
  const acknowledged: string[] = [];
  let writing = true;
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      const { session } = await rig.ok('proxies.v1.Proxies/CreateSession', staticSession(rig, `during-${n}`));
      acknowledged.push(session.id);
    }
  })();
  await vi.waitUntil(() => acknowledged.length > 5);
  const before = acknowledged.length;
  const bytes = await download(rig);
  writing = false;
  await writer;
  expect(bytes.includes(PASSWORD)).toBe(false);
  expect(copiesIn(rig)).toEqual([]);
  const path = join(rig.directory, 'restored.db');
  writeFileSync(path, bytes);
  const store = await openStore({ path });
  onTestFinished(() => store.close());
  // One more: the session of the first start.
  expect(await countLiveSessions(store.db)).toBeGreaterThanOrEqual(1_000 + before + 1);
});

test('it leaves one audit row, of the moment up to which it goes', async () => {
  const rig = await rigWith(10);
  const startedAt = Date.now();
  await download(rig);
  await rig.plane.close();
  const store = await openStore({ path: join(rig.directory, 'sallyport.db') });
  onTestFinished(() => store.close());
  const rows = await store.db.selectFrom('audit_events').selectAll().where('method', 'like', '%CreateBackup').execute();
  expect(rows).toMatchObject([{ outcome: 'ok', object_id: null, count: 0 }]);
  expect(rows[0]!.workspace_id?.toString('base64')).toBe(rig.made.workspaceId);
  expect(rows[0]!.actor_key_id).not.toBeNull();
  expect(rows[0]!.at).toBeGreaterThanOrEqual(startedAt);
});

test('only operators may; a refused call leaves no copy', async () => {
  const rig = await rigWith(10);
  const { accounts } = clientOf(rig);
  const workspaceId = idOf(rig.made.workspaceId);
  const { rawKey } = await accounts.createAPIKey({
    workspaceId,
    name: 'all but one',
    policies: ['accounts', 'proxies'],
  });
  const refused = drain(clientOf(rig, rawKey).accounts.createBackup({}));
  await expect(refused).rejects.toMatchObject({ code: Code.PermissionDenied });
  expect(copiesIn(rig)).toEqual([]);
});

test('one at a time; a reader that goes away frees the place and its copy', async () => {
  const rig = await rigWith(2_000);
  const { signal, abort } = aborter();
  const first = drain(clientOf(rig).accounts.createBackup({}, { signal }));
  await vi.waitUntil(() => copiesIn(rig).length > 0, { interval: 1, timeout: 5_000 });
  await expect(download(rig)).rejects.toMatchObject({ code: Code.FailedPrecondition });
  abort();
  await expect(first).rejects.toMatchObject({ code: Code.Canceled });
  await vi.waitUntil(() => copiesIn(rig).length === 0, { timeout: 5_000 });
  expect((await download(rig)).subarray(0, 15).toString()).toBe('SQLite format 3');
});

test('a reader that vanishes with a piece on its way to it frees the place and its copy', async () => {
  const store = await openStore({ path: join(await mkdtemp(join(tmpdir(), 'sallyport-')), 'a.db') });
  onTestFinished(async () => {
    await store.close();
    await rm(dirname(store.path), { recursive: true });
  });
  const service = backupService({ store, clock: systemClock } as Plane);
  const ask = (signal: AbortSignal) => {
    const values = createContextValues();
    setCall(values, {
      caller: { keyId: null, workspaceId: null },
      method: 'accounts.v1.Accounts/CreateBackup',
    } as unknown as Call);
    const context = { signal, values } as HandlerContext;
    return service.createBackup(create(CreateBackupRequestSchema), context)[Symbol.asyncIterator]();
  };
  const { signal, abort } = aborter();
  const vanished = ask(signal);
  expect((await vanished.next()).done).toBe(false);
  abort();
  await vi.waitUntil(() => !existsSync(copyPathOf(store.path, 'backup')));
  const next = ask(new AbortController().signal);
  expect((await next.next()).done).toBe(false);
  // The first one's end, however late, does not touch what the next one has.
  await vanished.return?.();
  await expect(ask(signal).next()).rejects.toMatchObject({ kind: 'failed_precondition' });
  expect(existsSync(copyPathOf(store.path, 'backup'))).toBe(true);
  await next.return?.();
  expect(existsSync(copyPathOf(store.path, 'backup'))).toBe(false);
});

test('closing the plane lets a backup under way finish', async () => {
  const rig = await rigWith(2_000);
  const bytes = download(rig);
  await vi.waitUntil(() => copiesIn(rig).length > 0, { interval: 1, timeout: 5_000 });
  await rig.plane.close();
  expect((await bytes).subarray(0, 15).toString()).toBe('SQLite format 3');
  expect(copiesIn(rig)).toEqual([]);
});

test(`other calls go on during a backup of ${full ? '200,000' : '10,000'} sessions`, async ({ annotate }) => {
  const rig = await rigWith(full ? 200_000 : 10_000);
  const { workspaceId } = rig.made;
  let underWay = true;
  const tookMs: number[] = [];
  const caller = (async () => {
    while (underWay) {
      const startMs = performance.now();
      await rig.ok('accounts.v1.Accounts/GetWorkspace', { workspaceId });
      tookMs.push(performance.now() - startMs);
    }
  })();
  await download(rig);
  underWay = false;
  await caller;
  tookMs.sort((a, b) => a - b);
  const p99 = tookMs[Math.floor(tookMs.length * 0.99)]!;
  await annotate(`${tookMs.length} calls, p99 ${p99.toFixed(1)} ms, longest ${tookMs.at(-1)!.toFixed(1)} ms`);
  expect(tookMs.length).toBeGreaterThan(20);
  expect(p99).toBeLessThan(100);
}, 120_000);
