/**
 * Whether an `https` upstream's certificate is checked: on unless it is turned off, who may
 * turn it off, what the gateway is told, and what the record keeps. And what SOCKS5 can carry.
 */
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { eventually } from '../helpers/wire.ts';

const SESSIONS = 'proxies.v1.Proxies';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

let count = 0;
const wanted = (more: object = {}) => staticSession(rig, `t-${++count}`, { scheme: 'https', ...more });
async function create(more: object = {}) {
  const { session } = await rig.ok(`${SESSIONS}/CreateSession`, wanted(more));
  return session;
}
const update = (session: { id: string }, change: object) =>
  rig.call(`${SESSIONS}/UpdateSession`, { workspaceId: rig.made.workspaceId, sessionId: session.id, ...change });
const told = () => rig.changes.at(-1);
const fieldsOf = (answer: { json: { details: { debug: { fieldViolations: { field: string }[] } }[] } }) =>
  answer.json.details[0]!.debug.fieldViolations.map(({ field }) => field);

test('is checked unless it is asked otherwise, and then absent from the session', async () => {
  for (const more of [{}, { tlsInsecure: false }]) {
    expect(await create(more)).not.toHaveProperty('tlsInsecure');
    expect(told()).toMatchObject({ session: { tlsInsecure: false } });
  }
  const session = await create({ tlsInsecure: true });
  expect(session.tlsInsecure).toBe(true);
  expect(told()).toMatchObject({ session: { tlsInsecure: true } });
  const read = await rig.ok(`${SESSIONS}/GetSession`, {
    workspaceId: rig.made.workspaceId,
    sessionId: session.id,
  });
  expect(read.session).toEqual(session);
});

test('bulk creation takes it row by row, answers it of rows that are there, and records how many', async () => {
  const { workspaceId, poolId, providerId } = rig.made;
  const row = { scheme: 'https', host: '203.0.113.10', port: 8443 };
  const sessions = [
    { ...row, token: 'b-1', tlsInsecure: true },
    { ...row, token: 'b-2' },
  ];
  for (const createdCount of [2, undefined]) {
    const answer = await rig.ok(`${SESSIONS}/BulkCreateSessions`, { workspaceId, poolId, providerId, sessions });
    expect(answer.createdCount).toBe(createdCount ?? 0);
    expect(answer.sessions.map(({ tlsInsecure }: { tlsInsecure?: boolean }) => tlsInsecure)).toEqual([true, undefined]);
  }
  const puts = rig.changes.filter((change) => change.kind === 'session-put').slice(-2);
  expect(puts.map(({ session }) => session.tlsInsecure)).toEqual([true, false]);
  const audit = await rig.ok('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
  const bulk = audit.events.filter(({ method }: { method: string }) => method.endsWith('BulkCreateSessions'));
  expect(bulk.map(({ after }: { after?: object }) => after ?? null)).toEqual([{ tlsInsecureCount: 1 }, null]);

  const wrong = {
    workspaceId,
    poolId,
    providerId,
    sessions: [{ ...row, token: 'b-3', scheme: 'http', tlsInsecure: true }],
  };
  const refused = await rig.call(`${SESSIONS}/BulkCreateSessions`, wrong);
  expect(fieldsOf(refused)).toEqual(['sessions[0].tlsInsecure']);
});

test.each(['http', 'socks4', 'socks4a', 'socks5', 'socks5h'])('is nothing for %s', async (scheme) => {
  const refused = await rig.call(`${SESSIONS}/CreateSession`, wanted({ scheme, tlsInsecure: true }));
  expect([refused.status, refused.json.code, fieldsOf(refused)]).toEqual([400, 'invalid_argument', ['tlsInsecure']]);
  expect((await rig.call(`${SESSIONS}/CreateSession`, wanted({ scheme, tlsInsecure: false }))).status).toBe(200);
  const session = await create();
  expect(fieldsOf(await update(session, { scheme, tlsInsecure: true }))).toEqual(['tlsInsecure']);
  const unchecked = await create({ tlsInsecure: true });
  expect(fieldsOf(await update(unchecked, { scheme }))).toEqual(['tlsInsecure']);
  expect((await update(unchecked, { scheme, tlsInsecure: false })).json.session).not.toHaveProperty('tlsInsecure');
});

test('turning the check off needs a stored password again, turning it on does not', async () => {
  const session = await create({ username: 'u', password: 'old' });
  const refused = await update(session, { tlsInsecure: true });
  expect(refused.json.code).toBe('failed_precondition');
  expect(refused.json.message).toContain('password: must be given again');
  expect((await update(session, { tlsInsecure: true, password: '' })).json.code).toBe('failed_precondition');
  expect((await update(session, { tlsInsecure: true, password: 'old' })).json.session.tlsInsecure).toBe(true);
  expect(told()).toMatchObject({ session: { tlsInsecure: true, password: 'old' } });
  // Off it is already: nothing more is given away.
  expect((await update(session, { tlsInsecure: true, enabled: false })).status).toBe(200);
  const checked = await update(session, { tlsInsecure: false });
  expect(checked.json.session).not.toHaveProperty('tlsInsecure');
  expect(told()).toMatchObject({ session: { tlsInsecure: false, password: 'old' } });
});

test('without a stored password it is free, and so with one that goes', async () => {
  expect((await update(await create(), { tlsInsecure: true })).status).toBe(200);
  const session = await create({ username: 'u', password: 'p' });
  expect((await update(session, { tlsInsecure: true, clearPassword: true })).status).toBe(200);
  expect(told()).toMatchObject({ session: { tlsInsecure: true, password: null } });
});

test('an update that leaves it as it is moves nothing', async () => {
  const session = await create({ tlsInsecure: true });
  const before = rig.changes.length;
  expect((await update(session, { tlsInsecure: true })).json.session).toEqual(session);
  expect(rig.changes).toHaveLength(before);
});

test('the audit record has it before and after', async () => {
  const session = await create({ username: 'u', password: 'p' });
  await update(session, { tlsInsecure: true, password: 'p' });
  await update(session, { tlsInsecure: false });
  const { workspaceId } = rig.made;
  const { events } = await rig.ok('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
  const mine = events.filter((event: { objectId?: string }) => event.objectId === session.id).slice(1);
  expect(mine.map(({ before, after }: { before?: object; after?: object }) => [before ?? null, after ?? null])).toEqual(
    [
      [null, { tlsInsecure: true, password: 'changed' }],
      // The stored password is what it was, though it is sealed anew.
      [{ tlsInsecure: true }, null],
    ],
  );
});

test('a restart tells the gateway of it again, passwords included, under a rotated key as well', async () => {
  const own = await startControlRig();
  const { workspaceId } = own.made;
  const asked = (token: string, more: object) =>
    staticSession(own, token, { scheme: 'https', username: 'u', password: `pw-${token}`, ...more });
  await own.ok(`${SESSIONS}/CreateSession`, asked('checked', {}));
  await own.ok(`${SESSIONS}/CreateSession`, asked('unchecked', { tlsInsecure: true }));
  const { session } = await own.ok(`${SESSIONS}/CreateSession`, asked('checked-again', { tlsInsecure: true }));
  await own.ok(`${SESSIONS}/UpdateSession`, { workspaceId, sessionId: session.id, tlsInsecure: false });
  await own.ok('accounts.v1.Accounts/RotateWorkspaceKey', { workspaceId });
  const keys = new Database(`${own.directory}/sallyport.db`, { readonly: true });
  const versions = keys.prepare<[], { version: number }>('select version from workspace_keys').pluck();
  await eventually('nothing is sealed by the old key', () => String(versions.all()) === '2');
  keys.close();
  const again = await own.restart();
  const sessions = again.changes.filter((change) => change.kind === 'session-put');
  expect(sessions.map(({ session }) => [session.token, session.tlsInsecure, session.password])).toEqual([
    ['local', false, null],
    ['checked', false, 'pw-checked'],
    ['unchecked', true, 'pw-unchecked'],
    ['checked-again', false, 'pw-checked-again'],
  ]);
  await again.close();
});

test.each(['socks5', 'socks5h'])('%s carries 255 bytes of username and password, and no more', async (scheme) => {
  const longest = `${'é'.repeat(127)}x`;
  expect((await create({ scheme, username: longest, password: longest })).username).toBe(longest);
  for (const [field, more] of [
    ['username', { username: `${longest}x` }],
    ['password', { username: 'u', password: `${longest}x` }],
  ] as const) {
    const refused = await rig.call(`${SESSIONS}/CreateSession`, wanted({ scheme, ...more }));
    expect([refused.json.code, fieldsOf(refused)]).toEqual(['invalid_argument', [field]]);
    expect(refused.text).not.toContain('xx');
    const http = await create({ scheme: 'http', ...more });
    expect(fieldsOf(await update(http, { scheme, password: 'p', ...more }))).toEqual([field]);
  }
});

test('other types of session have no certificate to check', async () => {
  const { workspaceId, poolId } = rig.made;
  const endpoint = { scheme: 'https', host: 'gate.example.com', port: 7000 };
  const gateway = { workspaceId, type: 'PROVIDER_TYPE_GATEWAY', name: 'g', endpoint, usernameTemplate: 'u-{token}' };
  const { provider } = await rig.ok(`${SESSIONS}/ConnectProvider`, gateway);
  const asked = { workspaceId, poolId, providerId: provider.id, token: 'rotating', tlsInsecure: true };
  expect(fieldsOf(await rig.call(`${SESSIONS}/CreateSession`, asked))).toEqual(['tlsInsecure']);
});
