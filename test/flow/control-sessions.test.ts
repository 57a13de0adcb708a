/** Sessions through the front door: what goes in, what comes out, what the gateway is told. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';

const SESSIONS = 'proxies.v1.Proxies';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

let count = 0;
async function create(more: object = {}) {
  const { session } = await rig.ok(`${SESSIONS}/CreateSession`, staticSession(rig, `t-${++count}`, more));
  return session;
}
const update = (session: { id: string }, change: object) =>
  rig.call(`${SESSIONS}/UpdateSession`, { workspaceId: rig.made.workspaceId, sessionId: session.id, ...change });
const lastChange = () => rig.changes.at(-1);

test('an answered create is on its way to the gateway with its password, which nothing else holds', async () => {
  const session = await create({ username: 'u', password: 'canary-7f3a' });
  expect(lastChange()).toMatchObject({
    kind: 'session-put',
    session: { token: session.token, password: 'canary-7f3a' },
  });
  const read = await rig.call(`${SESSIONS}/GetSession`, { workspaceId: rig.made.workspaceId, sessionId: session.id });
  expect(read.json.session).toEqual(session);
  expect(read.text).not.toMatch(/password|canary/);
  expect(rig.logged.join()).not.toContain('canary-7f3a');
  expect((await rig.storeBytes()).includes('canary-7f3a')).toBe(false);
});

test.each([
  ['EXAMPLE.com.', 'example.com'],
  ['[2001:DB8:0:0::1]', '2001:db8::1'],
  ['203.0.113.9', '203.0.113.9'],
])('host %s is stored as %s', async (host, canonical) => {
  expect((await create({ host })).host).toBe(canonical);
});

test.each([
  [{ host: '127.1' }, 'host'],
  [{ host: '0x7f.1' }, 'host'],
  [{ host: '2130706433' }, 'host'],
  [{ host: '１２７.0.0.1' }, 'host'],
  [{ host: 'fe80::1%eth0' }, 'host'],
  [{ scheme: 'ftp' }, 'scheme'],
  [{ port: 0 }, 'port'],
  [{ port: 65_536 }, 'port'],
  [{ host: undefined }, 'host'],
  [{ password: 'p' }, 'password'],
  [{ username: 'a:b' }, 'username'],
  [{ username: 'a\nb' }, 'username'],
  [{ username: 'u', password: 'x'.repeat(1_025) }, 'password'],
  [{ token: 'a b' }, 'token'],
  [{ token: 'x'.repeat(257) }, 'token'],
  [{ labels: { 'No-Key': 'v' } }, 'labels'],
  [{ labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }, 'labels'],
  [{ labels: JSON.parse('{"__proto__": "v"}') }, 'labels'],
])('%j is refused by the name of its field', async (wrong, field) => {
  const answer = await rig.call(`${SESSIONS}/CreateSession`, staticSession(rig, 'wrong', wrong));
  expect(answer.status).toBe(400);
  expect(answer.json.details[0].debug.fieldViolations[0].field).toBe(field);
});

test('a colon in a username is fine for an upstream that can carry it', async () => {
  expect((await create({ scheme: 'socks5h', username: 'a:b' })).username).toBe('a:b');
});

test('a token is free again once its session is deleted', async () => {
  const first = staticSession(rig, 'again');
  const { session } = await rig.ok(`${SESSIONS}/CreateSession`, first);
  const twice = await rig.call(`${SESSIONS}/CreateSession`, first);
  expect(twice.json.code).toBe('failed_precondition');
  expect(twice.json.message).toContain(session.id);
  const named = { workspaceId: rig.made.workspaceId, sessionId: session.id };
  expect(await rig.ok(`${SESSIONS}/DeleteSession`, named)).toEqual({});
  expect(lastChange()).toMatchObject({ kind: 'session-gone' });
  expect((await rig.call(`${SESSIONS}/GetSession`, named)).status).toBe(404);
  expect((await rig.call(`${SESSIONS}/DeleteSession`, named)).status).toBe(404);
  expect((await rig.call(`${SESSIONS}/CreateSession`, first)).status).toBe(200);
});

test('a partial update changes what it names, raises the version by one, and answers the whole', async () => {
  const session = await create({ username: 'u', labels: { country: 'us' } });
  const { json } = await update(session, { enabled: false });
  expect(json.session).toMatchObject({ ...session, enabled: false, version: '2', updatedAt: expect.any(String) });
  expect(lastChange()).toMatchObject({ session: { enabled: false, username: 'u' } });
});

test('an update that changes nothing succeeds and moves neither version nor gateway', async () => {
  const session = await create({ username: 'u', password: 'p', labels: { country: 'us' } });
  const told = rig.changes.length;
  const { json } = await update(session, { port: 8080, host: '203.0.113.10', labels: { country: 'us' }, password: '' });
  expect(json.session).toEqual(session);
  expect(rig.changes).toHaveLength(told);
});

test('an equal password still moves the version: nobody can test a guess by it', async () => {
  const session = await create({ username: 'u', password: 'p' });
  expect((await update(session, { password: 'p' })).json.session.version).toBe('2');
});

test('a stale expectedVersion is aborted and changes nothing', async () => {
  const session = await create();
  const answer = await update(session, { enabled: false, expectedVersion: '2' });
  expect([answer.status, answer.json.code]).toEqual([409, 'aborted']);
  expect((await update(session, { enabled: false, expectedVersion: '1' })).status).toBe(200);
});

test.each([[{ host: '198.51.100.1' }], [{ port: 9 }], [{ scheme: 'https' }]])(
  'a stored password is not sent anywhere else: %j needs it again',
  async (elsewhere) => {
    const session = await create({ username: 'u', password: 'old' });
    const answer = await update(session, elsewhere);
    expect(answer.json.code).toBe('failed_precondition');
    expect(answer.json.message).toContain('password: must be given again');
    expect((await update(session, { ...elsewhere, password: '' })).json.code).toBe('failed_precondition');
    expect((await update(session, { ...elsewhere, password: 'new' })).status).toBe(200);
    expect(lastChange()).toMatchObject({ session: { password: 'new', endpoint: elsewhere } });
    const other = await create({ username: 'u', password: 'old' });
    expect((await update(other, { ...elsewhere, clearPassword: true })).status).toBe(200);
    expect(lastChange()).toMatchObject({ session: { password: null } });
  },
);

test('labels and username are cleared by name, and a password keeps its username', async () => {
  const session = await create({ username: 'u', password: 'p', labels: { country: 'us' } });
  expect((await update(session, { username: '' })).json.details[0].debug.fieldViolations[0].field).toBe('password');
  expect((await update(session, { clearLabels: true, labels: { a: 'b' } })).status).toBe(400);
  const { json } = await update(session, { clearLabels: true, clearPassword: true, username: '' });
  expect(json.session).not.toHaveProperty('labels');
  expect(json.session).not.toHaveProperty('username');
});

test('a list walk by cursor meets every session once, in id order, newest last', async () => {
  const named = { workspaceId: rig.made.workspaceId, name: 'walk' };
  const poolId = (await rig.ok(`${SESSIONS}/CreatePool`, named)).pool.id;
  const made: string[] = [];
  for (let i = 0; i < 7; i++) made.push((await create({ poolId })).id);
  const seen: string[] = [];
  let cursor = '';
  let pages = 0;
  do {
    const page = await rig.ok(`${SESSIONS}/ListSessions`, {
      workspaceId: rig.made.workspaceId,
      poolId,
      limit: 3,
      cursor,
    });
    seen.push(...page.sessionIds);
    cursor = page.nextCursor;
    pages++;
  } while (cursor !== '');
  expect(seen).toEqual(made);
  expect(pages).toBe(3);
});

test('an empty list is written out, and a cursor that is not ours is refused', async () => {
  const base = { workspaceId: rig.made.workspaceId, providerId: rig.made.workspaceId };
  expect((await rig.call(`${SESSIONS}/ListSessions`, base)).text).toBe('{"sessionIds":[],"nextCursor":""}');
  for (const cursor of ['!', 'AAAA', Buffer.alloc(17, 2).toString('base64url')]) {
    const answer = await rig.call(`${SESSIONS}/ListSessions`, { ...base, cursor });
    expect(answer.json.code).toBe('invalid_argument');
  }
  for (const limit of [0, 1_001, -1]) {
    expect((await rig.call(`${SESSIONS}/ListSessions`, { ...base, limit })).status).toBe(400);
  }
});

test('a list of an absent or deleted pool or provider is empty', async () => {
  const { workspaceId } = rig.made;
  const poolId = (await rig.ok(`${SESSIONS}/CreatePool`, { workspaceId, name: 'emptied' })).pool.id;
  const { id } = await create({ poolId });
  const list = (filter: object) => rig.ok(`${SESSIONS}/ListSessions`, { workspaceId, ...filter });
  expect((await list({ poolId })).sessionIds).toEqual([id]);
  expect((await list({ poolId, providerId: rig.made.providerId })).sessionIds).toEqual([id]);
  await rig.ok(`${SESSIONS}/DeletePool`, { workspaceId, poolId });
  const absent = Buffer.alloc(16, 9).toString('base64');
  for (const filter of [
    { poolId },
    { poolId: absent },
    { providerId: absent },
    { poolId: absent, providerId: absent },
  ]) {
    expect(await list(filter)).toEqual({ sessionIds: [], nextCursor: '' });
  }
});

test('the audit record tells what changed, and of a password only that it did', async () => {
  const session = await create({ username: 'u', password: 'audit-canary-1', labels: { country: 'us' } });
  await update(session, { enabled: false, labels: { country: 'de' } });
  await update(session, { password: 'audit-canary-2' });
  await update(session, { clearPassword: true, username: '' });
  await update(session, {});
  const named = { workspaceId: rig.made.workspaceId, sessionId: session.id };
  await rig.ok(`${SESSIONS}/DeleteSession`, named);
  const { workspaceId } = rig.made;
  const { text, json } = await rig.call('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
  expect(text).not.toContain('canary');
  const mine = json.events.filter((event: { objectId?: string }) => event.objectId === session.id);
  const changes = mine.map(({ before, after }: { before?: object; after?: object }) => [before ?? null, after ?? null]);
  expect(changes).toEqual([
    [null, expect.objectContaining({ token: session.token, username: 'u', password: 'changed' })],
    [
      { enabled: true, labels: { country: 'us' } },
      { enabled: false, labels: { country: 'de' } },
    ],
    [null, { password: 'changed' }],
    [{ username: 'u' }, { password: 'changed' }],
    [null, null],
    [expect.objectContaining({ token: session.token, labels: { country: 'de' } }), null],
  ]);
});

test('a batch answers what is there in request order and lists what is not', async () => {
  const [a, b] = [await create(), await create()];
  const absent = Buffer.alloc(16, 9).toString('base64');
  const answer = await rig.ok(`${SESSIONS}/BatchGetSessions`, {
    workspaceId: rig.made.workspaceId,
    sessionIds: [b.id, absent, a.id],
  });
  expect(answer).toEqual({ sessions: [b, a], notFoundIds: [absent] });
  const doubled = { workspaceId: rig.made.workspaceId, sessionIds: [absent, a.id, absent, a.id] };
  expect(await rig.ok(`${SESSIONS}/BatchGetSessions`, doubled)).toEqual({ sessions: [a], notFoundIds: [absent] });
  const none = await rig.call(`${SESSIONS}/BatchGetSessions`, { workspaceId: rig.made.workspaceId, sessionIds: [] });
  expect(none.status).toBe(400);
});

test('after a restart the gateway is told of everything again, passwords included', async () => {
  const own = await startControlRig();
  await own.ok(`${SESSIONS}/CreateSession`, staticSession(own, 'kept', { username: 'u', password: 'kept-secret' }));
  const again = await own.restart();
  expect(again.plane.bootstrap).toBeNull();
  const sessions = again.changes.filter((change) => change.kind === 'session-put');
  expect(sessions.map(({ session }) => [session.token, session.password])).toEqual([
    ['local', null],
    ['kept', 'kept-secret'],
  ]);
  await again.close();
});
