/**
 * Rows changed behind the service's back: whatever was done to a secret, it is not
 * used, the row is marked, told of once, and served again when the secret is given anew.
 */
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Change } from '../../src/core/model.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';

const PROXIES = 'proxies.v1.Proxies';
const ACCOUNTS = 'accounts.v1.Accounts';

type Edit = (db: Database.Database) => void;
type Row = Record<string, Buffer | string | number | null>;

/** Stops the plane, lets `edit` at its file, and starts another on it. */
async function restartAfter(rig: ControlRig, edit: Edit = () => {}): Promise<ControlRig> {
  await rig.plane.close();
  const db = new Database(`${rig.directory}/sallyport.db`);
  // As somebody with a hex editor would: no rule of the schema stands in the way.
  db.pragma('foreign_keys = OFF');
  edit(db);
  db.close();
  return startControlRig({ directory: rig.directory });
}

const blobOf = (wireId: string): Buffer => Buffer.from(wireId, 'base64');
const rowOf = (db: Database.Database, table: string, wireId: string): Row =>
  db.prepare(`select * from ${table} where id = ?`).get(blobOf(wireId)) as Row;

function setSealed(db: Database.Database, table: 'sessions' | 'providers', wireId: string, blob: Buffer): void {
  const column = table === 'sessions' ? 'password_sealed' : 'credentials_sealed';
  db.prepare(`update ${table} set ${column} = ? where id = ?`).run(blob, blobOf(wireId));
}

function putBack(db: Database.Database, table: string, row: Row): void {
  const columns = Object.keys(row);
  const marks = columns.map(() => '?').join(', ');
  db.prepare(`insert or replace into ${table} (${columns.join(', ')}) values (${marks})`).run(...Object.values(row));
}

const isPutOf = (wireId: string) => (change: Change) =>
  change.kind === 'session-put' && change.session.id === uuidOf(wireId);
const served = (rig: ControlRig, wireId: string) => rig.changes.filter(isPutOf(wireId)).length;

/** Audit rows about this row or workspace that the service wrote by itself. */
async function told(
  rig: ControlRig,
  wireId: string,
  workspaceId: string,
): Promise<{ method: string; outcome: string }[]> {
  const events: { method: string; outcome: string; objectId?: string }[] = [];
  let cursor = '';
  do {
    const page = await rig.ok(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit: 1_000, cursor });
    events.push(...page.events);
    cursor = page.nextCursor;
  } while (cursor !== '');
  return events.filter((event) => event.objectId === wireId && event.method.startsWith('unusable/'));
}
const logged = (rig: ControlRig, wireId: string) =>
  rig.logged.filter((line) => line.includes(uuidOf(wireId)) && line.includes('unusable')).length;

/** One page of every live and deleted row that the ids name, as the file has them. */
async function readRows(rig: ControlRig, wireIds: readonly string[]): Promise<Map<string, Row>> {
  const db = new Database(`${rig.directory}/sallyport.db`, { readonly: true });
  const rows = new Map(wireIds.map((wireId) => [wireId, rowOf(db, 'sessions', wireId)]));
  db.close();
  return rows;
}

const CASES: readonly (readonly [name: string, reason: 'unsealable' | 'misplaced'])[] = [
  ...['swapped-a', 'swapped-b', 'from-elsewhere', 'from-a-provider', 'moved-host', 'moved-port', 'other-scheme'],
  ...['older-value', 'older-row', 'cleared-row', 'deleted-row', 'tag-4', 'tag-8', 'tag-12', 'empty'],
  ...['other-version', 'other-format', 'unchecked', 'checked-again'],
].map((name) => [name, 'unsealable'] as const);
const MISPLACED = ['deleted-pool', 'unknown-provider', 'foreign-pool', 'foreign-provider'].map(
  (name) => [name, 'misplaced'] as const,
);

describe('a changed row', () => {
  let rig: ControlRig;
  let made: ControlRig['made'];
  const ids = new Map<string, string>();
  const id = (name: string): string => ids.get(name)!;

  beforeAll(async () => {
    rig = await startControlRig();
    made = rig.made;
    const { workspaceId } = made;
    const make = async (name: string, more: object = {}): Promise<string> => {
      const request = staticSession(rig, name, { username: 'u', password: `pw-of-${name}`, ...more });
      const { session } = await rig.ok(`${PROXIES}/CreateSession`, request);
      ids.set(name, session.id);
      return session.id;
    };
    const { pool } = await rig.ok(`${PROXIES}/CreatePool`, { workspaceId, name: 'short-lived' });
    const special: Readonly<Record<string, object>> = {
      'deleted-pool': { poolId: pool.id },
      unchecked: { scheme: 'https' },
      'checked-again': { scheme: 'https', tlsInsecure: true },
    };
    for (const [name] of [...CASES, ...MISPLACED]) await make(name, special[name]);
    await make('untouched');
    const foreign = await makeForeign(rig);
    const other = await rig.ok(`${PROXIES}/CreateSession`, {
      ...staticSession(rig, 'from-elsewhere', { username: 'u', password: 'pw-of-foreign' }),
      ...foreign,
    });
    const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, gatewayProvider(workspaceId));
    const was = await readRows(rig, [...ids.values()]);
    const update = (name: string, fields: object) =>
      rig.ok(`${PROXIES}/UpdateSession`, { workspaceId, sessionId: id(name), ...fields });
    await update('older-value', { password: 'pw-of-later' });
    await update('older-row', { password: 'pw-of-later' });
    await update('cleared-row', { clearPassword: true });
    await update('checked-again', { tlsInsecure: false });
    await rig.ok(`${PROXIES}/DeleteSession`, { workspaceId, sessionId: id('deleted-row') });
    await rig.ok(`${PROXIES}/DeletePool`, { workspaceId, poolId: pool.id });
    rig = await restartAfter(rig, (db) => {
      const sealed = (name: string) => was.get(id(name))!.password_sealed as Buffer;
      const reseal = (name: string, blob: Buffer) => setSealed(db, 'sessions', id(name), blob);
      const set = (name: string, assignment: string) =>
        db.prepare(`update sessions set ${assignment} where id = ?`).run(blobOf(id(name)));
      reseal('swapped-a', sealed('swapped-b'));
      reseal('swapped-b', sealed('swapped-a'));
      reseal('from-elsewhere', rowOf(db, 'sessions', other.session.id).password_sealed as Buffer);
      reseal('from-a-provider', rowOf(db, 'providers', provider.id).credentials_sealed as Buffer);
      set('moved-host', "host = '198.51.100.66'");
      set('moved-port', 'port = 8081');
      set('other-scheme', "scheme = 'socks5'");
      set('unchecked', 'tls_insecure = 1');
      reseal('older-value', sealed('older-value'));
      for (const name of ['older-row', 'cleared-row', 'deleted-row', 'deleted-pool', 'checked-again']) {
        putBack(db, 'sessions', was.get(id(name))!);
      }
      for (const length of [4, 8, 12]) {
        const blob = sealed(`tag-${length}`);
        reseal(`tag-${length}`, Buffer.concat([blob.subarray(0, 17 + length), blob.subarray(33)]));
      }
      reseal('empty', Buffer.alloc(0));
      const [version, format] = [Buffer.from(sealed('other-version')), Buffer.from(sealed('other-format'))];
      version.writeUInt32BE(2, 1);
      reseal('other-version', version);
      format[0] = 2;
      reseal('other-format', format);
      set('unknown-provider', "provider_id = x'00112233445566778899aabbccddeeff'");
      set('foreign-pool', `pool_id = x'${blobOf(foreign.poolId).toString('hex')}'`);
      set('foreign-provider', `provider_id = x'${blobOf(foreign.providerId).toString('hex')}'`);
    });
  });
  afterAll(() => rig.close());

  test.each([...CASES, ...MISPLACED])('%s is not served, and told of once as %s', async (name, reason) => {
    expect(served(rig, id(name))).toBe(0);
    expect(await told(rig, id(name), made.workspaceId)).toMatchObject([
      { method: 'unusable/session', outcome: reason },
    ]);
    expect(logged(rig, id(name))).toBe(1);
  });

  test('what was not touched is served as before, and no secret is in the log', async () => {
    expect(served(rig, id('untouched'))).toBe(1);
    expect(await told(rig, id('untouched'), made.workspaceId)).toEqual([]);
    expect(rig.logged.join('\n')).not.toContain('pw-of-');
  });

  test('the marks outlive a restart, which tells of nothing anew', async () => {
    rig = await restartAfter(rig);
    for (const [name, reason] of [...CASES, ...MISPLACED]) {
      expect(served(rig, id(name)), name).toBe(0);
      expect(await told(rig, id(name), made.workspaceId), name).toMatchObject([{ outcome: reason }]);
      expect(logged(rig, id(name)), name).toBe(0);
    }
  });

  test('its state says so', async () => {
    const { workspaceId, poolId } = made;
    const sessionIds = [id('swapped-a')];
    const { states } = await rig.ok(`${PROXIES}/ListSessionStates`, { workspaceId, poolId, sessionIds });
    expect(states).toMatchObject([{ health: 'SESSION_HEALTH_UNUSABLE' }]);
  });

  test('a password given anew, or cleared, brings it back, over a restart as well', async () => {
    const update = (name: string, fields: object) =>
      rig.call(`${PROXIES}/UpdateSession`, { workspaceId: made.workspaceId, sessionId: id(name), ...fields });
    expect(await update('swapped-a', { enabled: false })).toMatchObject({
      status: 400,
      json: { code: 'failed_precondition' },
    });
    expect((await update('swapped-a', { password: 'pw-of-anew' })).status).toBe(200);
    expect((await update('older-value', { password: 'pw-of-anew' })).status).toBe(200);
    expect((await update('tag-4', { clearPassword: true })).status).toBe(200);
    for (const round of ['before', 'after']) {
      if (round === 'after') rig = await restartAfter(rig);
      const passwords = ['swapped-a', 'older-value', 'tag-4'].map((name) => {
        const put = rig.changes.findLast(isPutOf(id(name)));
        return put?.kind === 'session-put' ? put.session.password : undefined;
      });
      expect(passwords, round).toEqual(['pw-of-anew', 'pw-of-anew', null]);
    }
  });
});

test('any single bit of a sealed value flipped: none of the rows is served, each is told of once', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId, poolId, providerId } = rig.made;
  const bits = (33 + 'pw-of-a-session'.length) * 8;
  const rows = Array.from({ length: bits }, (_, bit) => {
    return {
      token: `bit-${bit}`,
      scheme: 'http',
      host: '203.0.113.10',
      port: 8080,
      username: 'u',
      password: 'pw-of-a-session',
    };
  });
  const { sessions } = await rig.ok(`${PROXIES}/BulkCreateSessions`, {
    workspaceId,
    poolId,
    providerId,
    sessions: rows,
  });
  rig = await restartAfter(rig, (db) => {
    for (const [bit, session] of sessions.entries()) {
      const blob = rowOf(db, 'sessions', session.id).password_sealed as Buffer;
      expect(blob.length * 8).toBe(bits);
      blob[bit >> 3]! ^= 1 << (bit & 7);
      setSealed(db, 'sessions', session.id, blob);
    }
  });
  expect(rig.changes.filter(({ kind }) => kind === 'session-put')).toHaveLength(1); // the bootstrap's own exit
  const lines = rig.logged.filter((line) => line.includes("a session's secret does not open"));
  expect(lines).toHaveLength(bits);
  rig = await restartAfter(rig);
  expect(rig.logged.filter((line) => line.includes('unusable'))).toEqual([]);
  const { events } = await rig.ok(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit: 1_000 });
  expect(events.filter((event: { method: string }) => event.method === 'unusable/session')).toHaveLength(bits);
});

test('a provider whose credentials were changed is handed over disabled, without them', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId } = rig.made;
  const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, gatewayProvider(workspaceId));
  const puts = () =>
    rig.changes.flatMap((change) =>
      change.kind === 'provider-put' && change.provider.id === uuidOf(provider.id) ? [change.provider] : [],
    );
  expect(puts()).toMatchObject([{ enabled: true, password: 'pw-of-provider' }]);
  rig = await restartAfter(rig, (db) => {
    const blob = rowOf(db, 'providers', provider.id).credentials_sealed as Buffer;
    blob[40]! ^= 1;
    setSealed(db, 'providers', provider.id, blob);
  });
  expect(puts().length).toBeGreaterThan(0);
  for (const put of puts()) expect(put).toMatchObject({ enabled: false, password: null });
  expect(await told(rig, provider.id, workspaceId)).toMatchObject([{ method: 'unusable/provider' }]);
  rig = await restartAfter(rig);
  expect(puts()).toMatchObject([{ enabled: false, password: null }]);
  expect(await told(rig, provider.id, workspaceId)).toHaveLength(1);
});

test('a password changed while the service runs is noticed by the next update: marked, withdrawn, told of once', async () => {
  const rig = await startControlRig();
  onTestFinished(() => rig.close());
  const { workspaceId } = rig.made;
  const request = staticSession(rig, 'one', { username: 'u', password: 'pw-of-one' });
  const { session } = await rig.ok(`${PROXIES}/CreateSession`, request);
  const db = new Database(`${rig.directory}/sallyport.db`);
  const blob = rowOf(db, 'sessions', session.id).password_sealed as Buffer;
  blob[20]! ^= 1;
  setSealed(db, 'sessions', session.id, blob);
  db.close();
  const update = { workspaceId, sessionId: session.id };
  for (let n = 0; n < 2; n++) {
    const answer = await rig.call(`${PROXIES}/UpdateSession`, { ...update, labels: { country: 'de' } });
    expect(answer.json.code).toBe('failed_precondition');
  }
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'session-gone', sessionId: uuidOf(session.id) });
  expect(await told(rig, session.id, workspaceId)).toHaveLength(1);
  await rig.ok(`${PROXIES}/UpdateSession`, { ...update, password: 'pw-of-two' });
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'session-put', session: { password: 'pw-of-two' } });
});

test('what stands under a workspace that is gone lets nobody in', async () => {
  let rig = await startControlRig();
  onTestFinished(() => rig.close());
  const foreign = await makeForeign(rig);
  const { apiKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, {
    name: 'theirs',
    workspaceId: foreign.workspaceId,
    policies: ['gateway'],
  });
  const db = new Database(`${rig.directory}/sallyport.db`, { readonly: true });
  const rows = { api_keys: rowOf(db, 'api_keys', apiKey.id), pools: rowOf(db, 'pools', foreign.poolId) };
  db.close();
  await rig.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: foreign.workspaceId });
  rig = await restartAfter(rig, (file) => {
    for (const [table, row] of Object.entries(rows)) putBack(file, table, row);
  });
  const seen = JSON.stringify(rig.changes);
  expect(seen).not.toContain(uuidOf(apiKey.id));
  expect(seen).not.toContain(uuidOf(foreign.poolId));
});

/** Another workspace with a pool and a STATIC provider. */
async function makeForeign(rig: ControlRig): Promise<{ workspaceId: string; poolId: string; providerId: string }> {
  const { workspace } = await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name: 'theirs' });
  const workspaceId = workspace.id;
  const { poolIds } = await rig.ok(`${PROXIES}/ListPools`, { workspaceId });
  const { provider } = await rig.ok(`${PROXIES}/ConnectProvider`, { workspaceId, type: 'PROVIDER_TYPE_STATIC' });
  return { workspaceId, poolId: poolIds[0], providerId: provider.id };
}

function gatewayProvider(workspaceId: string): object {
  return {
    workspaceId,
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { scheme: 'http', host: '203.0.113.10', port: 8080 },
    usernameTemplate: 'u-{token}',
    passwordTemplate: '{password}',
    credentials: Buffer.from('pw-of-provider').toString('base64'),
  };
}
