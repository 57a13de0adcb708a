/** Encryption keys change and go while the control plane serves: RotateWorkspaceKey, RotateMasterKey, DeleteWorkspace. */
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';

const PROXIES = 'proxies.v1.Proxies';
const ACCOUNTS = 'accounts.v1.Accounts';

/** What `read` finds in the store's file. */
function inFile<T>(rig: ControlRig, read: (db: Database.Database) => T): T {
  const db = new Database(join(rig.directory, 'sallyport.db'), { timeout: 1_000 });
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/** Versions of the keys that seal the workspace's live sessions, with how many each. */
const sealedBy = (rig: ControlRig, workspaceId: string) =>
  inFile(rig, (db) =>
    db
      .prepare(
        `select hex(substr(password_sealed, 2, 4)) as version, count(*) as count from sessions
         where workspace_id = ? and deleted_at is null and password_sealed is not null group by 1`,
      )
      .all(Buffer.from(workspaceId, 'base64')),
  );
const keyVersions = (rig: ControlRig, workspaceId: string) =>
  inFile(rig, (db) =>
    db
      .prepare('select version from workspace_keys where workspace_id = ? order by version')
      .pluck()
      .all(Buffer.from(workspaceId, 'base64')),
  );

/** Where sessions of the first workspace go. */
function placeOf(rig: ControlRig): object {
  const { workspaceId, poolId, providerId } = rig.made;
  return { workspaceId, poolId, providerId };
}

async function settled(rig: ControlRig, workspaceId: string): Promise<void> {
  for (;;) {
    const { workspace } = await rig.ok(`${ACCOUNTS}/GetWorkspace`, { workspaceId });
    if (workspace.keyRotation === undefined) return;
    await delay(5);
  }
}

async function addSessions(rig: ControlRig, count: number, prefix: string, place: object): Promise<string[]> {
  const sessions = Array.from({ length: count }, (_, n) => {
    const endpoint = { scheme: 'http', host: '203.0.113.10', port: 8080 };
    return { token: `${prefix}-${n}`, ...endpoint, username: 'u', password: `pw-${prefix}-${n}` };
  });
  const made = await rig.ok(`${PROXIES}/BulkCreateSessions`, { ...place, sessions });
  return made.sessions.map((session: { id: string }) => session.id);
}

const passwords = (rig: ControlRig) =>
  new Map(
    rig.changes.flatMap((change) =>
      change.kind === 'session-put' && change.session.password !== null
        ? [[change.session.token, change.session.password] as const]
        : [],
    ),
  );

test('a workspace key rotates under writes: everything is sealed by the new key, opens, and looks untouched', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId } = rig.made;
  const place = placeOf(rig);
  const ids = await addSessions(rig, 900, 'a', place);
  const before = await rig.ok(`${PROXIES}/GetSession`, { workspaceId, sessionId: ids[500] });
  const expected = passwords(rig);
  const [first, second] = await Promise.all(
    [1, 2].map(() => rig.call(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId })),
  );
  expect(first!.json).toEqual({ workspaceId, fromVersion: 1, toVersion: 2 });
  expect(second!.json).toMatchObject({ code: 'failed_precondition' });
  expect(second!.json.message).toMatch(/ of 90\d rows are re-encrypted/);
  await addSessions(rig, 50, 'b', place);
  for (const n of [0, 450, 899]) {
    await rig.ok(`${PROXIES}/UpdateSession`, { workspaceId, sessionId: ids[n], password: `pw-new-${n}` });
    expected.set(`a-${n}`, `pw-new-${n}`);
  }
  for (let n = 0; n < 50; n++) expected.set(`b-${n}`, `pw-b-${n}`);
  await settled(rig, workspaceId);
  expect(sealedBy(rig, workspaceId)).toEqual([{ version: '00000002', count: 950 }]);
  expect(keyVersions(rig, workspaceId)).toEqual([2]);
  expect(await rig.ok(`${PROXIES}/GetSession`, { workspaceId, sessionId: ids[500] })).toEqual(before);
  rig = await rig.restart();
  expect(passwords(rig)).toEqual(expected);
  expect(await rig.ok(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId })).toMatchObject({
    fromVersion: 2,
    toVersion: 3,
  });
});

test('a rotation that a stop interrupts goes on at the next start, providers included', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId } = rig.made;
  const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, {
    workspaceId,
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { scheme: 'http', host: '203.0.113.10', port: 8080 },
    usernameTemplate: 'u-{token}',
    passwordTemplate: '{password}',
    credentials: Buffer.from('pw-of-provider').toString('base64'),
  });
  await addSessions(rig, 1_500, 'a', placeOf(rig));
  const expected = passwords(rig);
  await rig.ok(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId });
  rig = await rig.restart();
  expect(passwords(rig)).toEqual(expected);
  await settled(rig, workspaceId);
  expect(keyVersions(rig, workspaceId)).toEqual([2]);
  expect(sealedBy(rig, workspaceId)).toEqual([{ version: '00000002', count: 1_500 }]);
  rig = await rig.restart();
  expect(passwords(rig)).toEqual(expected);
  const put = rig.changes.find(
    (change) => change.kind === 'provider-put' && change.provider.id === uuidOf(provider.id),
  );
  expect(put).toMatchObject({ provider: { enabled: true, password: 'pw-of-provider' } });
});

test('a changed value that the re-encryption meets is marked and withdrawn; the rotation completes', async () => {
  const rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId } = rig.made;
  const ids = await addSessions(rig, 300, 'a', placeOf(rig));
  const victim = Buffer.from(ids[150]!, 'base64');
  inFile(rig, (db) => {
    const blob = db.prepare('select password_sealed from sessions where id = ?').pluck().get(victim) as Buffer;
    blob[40]! ^= 1;
    db.prepare('update sessions set password_sealed = ? where id = ?').run(blob, victim);
  });
  await rig.ok(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId });
  await settled(rig, workspaceId);
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'session-gone', sessionId: uuidOf(ids[150]!) });
  expect(keyVersions(rig, workspaceId)).toEqual([2]);
  const { events } = await rig.ok(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit: 1_000 });
  const byItself = events.filter((event: { actorKeyId?: string }) => event.actorKeyId === undefined);
  expect(byItself.map((event: { method: string }) => event.method)).toEqual([
    'bootstrap',
    'unusable/session',
    'reseal/workspace',
  ]);
});

test('the master key changes while workspaces are made: all are under the new one, the old one opens nothing', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const file = join(rig.directory, 'master.key');
  const old = readFileSync(file, 'utf8');
  await addSessions(rig, 20, 'a', placeOf(rig));
  const expected = passwords(rig);
  const make = async (name: string) => (await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name })).workspace.id as string;
  for (let n = 0; n < 10; n++) await make(`before-${n}`);
  const [rotated, twice, ...made] = await Promise.all([
    rig.call(`${ACCOUNTS}/RotateMasterKey`, {}),
    rig.call(`${ACCOUNTS}/RotateMasterKey`, {}),
    ...Array.from({ length: 10 }, (_, n) => make(`meanwhile-${n}`)),
  ]);
  const answers = [rotated!, twice!] as { status: number; json: { rewrappedCount: number; code: string } }[];
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
  expect(answers.find(({ status }) => status === 200)!.json.rewrappedCount).toBeGreaterThanOrEqual(11);
  expect(readFileSync(file, 'utf8')).not.toBe(old);
  const keyrings = inFile(rig, (db) => db.prepare('select distinct hex(keyring) from workspace_keys').all());
  expect(keyrings).toHaveLength(1);
  rig = await rig.restart();
  expect(passwords(rig)).toEqual(expected);
  for (const workspaceId of made as string[]) await rig.ok(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId });
  const masterKey = { value: old.trim(), file };
  await rig.plane.close();
  await expect(startControlRig({ directory: rig.directory, masterKey })).rejects.toMatchObject({ kind: 'key-wrong' });
});

test('a master key given by value is not changed by the call, which says how; a restart with both keys does it', async () => {
  const [first, second] = ['11'.repeat(32), '22'.repeat(32)];
  let rig = await startControlRig({ masterKey: { value: first, file: '/nonexistent/master.key' } });
  onTestFinished(() => rig.close());
  await addSessions(rig, 5, 'a', placeOf(rig));
  const expected = passwords(rig);
  const answer = await rig.call(`${ACCOUNTS}/RotateMasterKey`, {});
  expect(answer.json.code).toBe('failed_precondition');
  expect(answer.json.message).toMatch(/SALLYPORT_MASTER_KEY and the old one in SALLYPORT_MASTER_KEY_PREVIOUS/);
  const { directory } = rig;
  const keyed = (value: string, previous: string | null = null) => ({
    directory,
    masterKey: {
      value,
      file: '/nonexistent/master.key',
      previous: previous === null ? null : { value: previous, file: null },
    },
  });
  for (const options of [keyed(second, first), keyed(second)]) {
    await rig.plane.close();
    rig = await startControlRig(options);
    expect(passwords(rig)).toEqual(expected);
  }
  await rig.plane.close();
  await expect(startControlRig(keyed(first))).rejects.toMatchObject({ kind: 'key-wrong' });
});

test.each(['in a file', 'by value'])(
  'after DeleteWorkspace an old backup yields nothing of it, with the master key %s; everyone else is served',
  async (how) => {
    const value = how === 'by value' ? '33'.repeat(32) : null;
    const keyed = (directory: string) => ({ directory, masterKey: { value, file: join(directory, 'master.key') } });
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-control-'));
    let rig = await startControlRig(keyed(directory));
    onTestFinished(() => rig.close());
    await addSessions(rig, 10, 'mine', placeOf(rig));
    const { workspace } = await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name: 'doomed' });
    const workspaceId = workspace.id as string;
    const { poolIds } = await rig.ok(`${PROXIES}/ListPools`, { workspaceId });
    const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, { workspaceId, type: 'PROVIDER_TYPE_STATIC' });
    const doomed = { workspaceId, poolId: poolIds[0], providerId: provider.id };
    await addSessions(rig, 700, 'doomed', doomed);
    await rig.plane.close();
    const [live, backup] = [join(directory, 'sallyport.db'), join(directory, 'backup.db')];
    copyFileSync(live, backup);
    rig = await startControlRig(keyed(directory));
    await rig.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId });
    await rig.plane.close();
    copyFileSync(backup, live);

    for (const start of ['first', 'second']) {
      rig = await startControlRig(keyed(directory));
      const tokens = [...passwords(rig).keys()];
      expect(
        tokens.filter((token) => token.startsWith('mine')),
        start,
      ).toHaveLength(10);
      expect(
        tokens.filter((token) => token.startsWith('doomed')),
        start,
      ).toEqual([]);
      const lines = rig.logged.filter((line) => line.includes('the secrets of a workspace are unusable'));
      expect(lines, start).toHaveLength(start === 'first' ? 1 : 0);
      const { events } = await rig.ok(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit: 1_000 });
      const told = events.filter((event: { method: string }) => event.method.startsWith('unusable/'));
      expect(told, start).toMatchObject([{ method: 'unusable/workspace', outcome: 'key-destroyed', count: 700 }]);
      if (start === 'first') await rig.plane.close();
    }
    const endpoint = { scheme: 'http', host: '203.0.113.10', port: 8080 };
    const session = { ...doomed, token: 'new', ...endpoint, username: 'u', password: 'p' };
    const refused = await rig.call(`${PROXIES}/CreateSession`, session);
    expect(refused.json).toMatchObject({ code: 'failed_precondition' });
    await rig.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId });
  },
);

test('a rotation that cannot go on keeps none of the others; one whose workspace is deleted ends', async () => {
  const rig = await startControlRig();
  onTestFinished(() => rig.close());
  const makeWorkspace = async (name: string): Promise<string> => {
    const { workspace } = await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name });
    const workspaceId = workspace.id;
    const { poolIds } = await rig.ok(`${PROXIES}/ListPools`, { workspaceId });
    const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, { workspaceId, type: 'PROVIDER_TYPE_STATIC' });
    await addSessions(rig, 5, name, { workspaceId, poolId: poolIds[0], providerId: provider.id });
    return workspaceId;
  };
  const [stuck, sound] = [await makeWorkspace('stuck'), await makeWorkspace('sound')];
  inFile(rig, (db) => {
    const id = Buffer.from(stuck, 'base64');
    const wrapped = db
      .prepare('select wrapped_key from workspace_keys where workspace_id = ?')
      .pluck()
      .get(id) as Buffer;
    wrapped[40]! ^= 1;
    db.prepare('update workspace_keys set wrapped_key = ? where workspace_id = ?').run(wrapped, id);
  });
  for (const workspaceId of [stuck, sound]) await rig.ok(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId });
  await settled(rig, sound);
  expect(keyVersions(rig, sound)).toEqual([2]);
  expect(keyVersions(rig, stuck)).toEqual([1, 2]);
  expect(rig.logged.filter((line) => line.includes('re-encryption after a key rotation failed'))).not.toEqual([]);
  const again = await rig.call(`${ACCOUNTS}/RotateWorkspaceKey`, { workspaceId: stuck });
  expect(again.json.code).toBe('failed_precondition');
  await rig.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: stuck });
  expect(inFile(rig, (db) => db.prepare('select count(*) from key_rotations').pluck().get())).toBe(0);
});
