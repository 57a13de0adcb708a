/**
 * Who may do what: every method of both services against every kind of key, from
 * the service descriptors, so that a new method is in here by itself. And the audit
 * row that each attempt to change something leaves.
 */
import type { DescField, DescMethod } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accounts, type Permission } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fullName, ruleOf } from '../../control/interceptors/method-rules.ts';
import { permissionsOf } from '../../control/policies.ts';
import { openStore } from '../../control/store/database.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';

const METHODS = [...Accounts.methods, ...Proxies.methods].filter((method) => method.methodKind === 'unary');
const ACCOUNTS = 'accounts.v1.Accounts';
let rig: ControlRig;
let foreignWorkspace: string;
const keys: Record<string, string> = {};

async function makeKey(workspaceId: string, policies: string[]): Promise<string> {
  const body = { name: policies.join(), workspaceId, policies };
  return (await rig.ok(`${ACCOUNTS}/CreateAPIKey`, body)).rawKey;
}

beforeAll(async () => {
  rig = await startControlRig();
  foreignWorkspace = (await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name: 'foreign' })).workspace.id;
  for (const policy of ['proxies', 'proxies-viewer', 'gateway', 'accounts']) {
    keys[policy] = await makeKey(rig.made.workspaceId, [policy]);
  }
  keys.foreign = await makeKey(foreignWorkspace, ['proxies', 'accounts']);
  const doomed = { name: 'doomed', workspaceId: rig.made.workspaceId, policies: ['operator'] };
  const { apiKey, rawKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, doomed);
  await rig.ok(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: apiKey.id });
  keys.revoked = rawKey;
});
afterAll(() => rig.close());

/** A request that names this workspace, and ids that exist nowhere. */
function requestFor(method: DescMethod, workspaceId: string): Record<string, unknown> {
  const value = (field: DescField) =>
    field.name === 'workspace_id' ? workspaceId : Buffer.alloc(16, 7).toString('base64');
  const idFields = method.input.fields.filter((field) => field.name.endsWith('_id') && field.fieldKind === 'scalar');
  return Object.fromEntries(idFields.map((field) => [field.jsonName, value(field)]));
}

test.each(METHODS.map((method) => [fullName(method), method] as const))(
  '%s is closed to whoever may not',
  async (name, method) => {
    const { permission, scope } = ruleOf(method);
    const body = requestFor(method, rig.made.workspaceId);
    for (const key of [null, 'sp_live_wrong', keys.revoked!]) {
      expect((await rig.call(name, body, key)).json.code).toBe('unauthenticated');
    }
    for (const policy of ['proxies', 'proxies-viewer', 'gateway', 'accounts']) {
      const may = permission === null || permissionsOf([policy]).has(permission as Permission);
      const { code } = (await rig.call(name, body, keys[policy]!)).json;
      if (may) expect(code).not.toBe('permission_denied');
      else expect(code).toBe('permission_denied');
    }
    if (scope !== 'named') return;
    // A request that names another workspace is refused, whatever else it says.
    expect((await rig.call(name, body, keys.foreign!)).json.code).toBe('permission_denied');
    expect((await rig.call(name, requestFor(method, foreignWorkspace), keys.proxies!)).json.code).toBe(
      'permission_denied',
    );
    const nowhere = requestFor(method, Buffer.alloc(16, 1).toString('base64'));
    expect((await rig.call(name, nowhere)).json.code).toBe('not_found');
  },
);

test('an id of another workspace is answered byte for byte like an absent one', async () => {
  const { session } = await rig.ok('proxies.v1.Proxies/CreateSession', staticSession(rig, 'mine'));
  const absent = Buffer.alloc(16, 5).toString('base64');
  for (const [method, field, id] of [
    ['GetSession', 'sessionId', session.id],
    ['DeleteSession', 'sessionId', session.id],
    ['UpdateSession', 'sessionId', session.id],
    ['GetPool', 'poolId', rig.made.poolId],
    ['GetProvider', 'providerId', rig.made.providerId],
  ] as const) {
    const ask = (value: string) =>
      rig.call(`proxies.v1.Proxies/${method}`, { workspaceId: foreignWorkspace, [field]: value }, keys.foreign!);
    const [theirs, none] = [await ask(id), await ask(absent)];
    expect(theirs.status).toBe(404);
    expect(theirs.text).toBe(none.text);
  }
  const mixed = { ...staticSession(rig, 'mixed'), workspaceId: foreignWorkspace };
  expect((await rig.call('proxies.v1.Proxies/CreateSession', mixed, keys.foreign!)).status).toBe(404);
  const list = { workspaceId: foreignWorkspace, poolId: rig.made.poolId };
  expect((await rig.ok('proxies.v1.Proxies/ListSessions', list, keys.foreign!)).sessionIds).toEqual([]);
});

test('only an operator hands out the operator policy, or revokes an operator', async () => {
  const body = { name: 'up', workspaceId: rig.made.workspaceId, policies: ['operator'] };
  expect((await rig.call(`${ACCOUNTS}/CreateAPIKey`, body, keys.accounts!)).json.code).toBe('permission_denied');
  const { apiKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, body);
  const remove = { apiKeyId: apiKey.id };
  expect((await rig.call(`${ACCOUNTS}/DeleteAPIKey`, remove, keys.accounts!)).json.code).toBe('permission_denied');
  expect((await rig.call(`${ACCOUNTS}/DeleteAPIKey`, remove, keys.foreign!)).json.code).toBe('not_found');
  expect((await rig.call(`${ACCOUNTS}/DeleteAPIKey`, remove)).status).toBe(200);
});

test('a key ends at its expiry, and the bare key is taken like a bearer', async () => {
  const past = {
    name: 'x',
    workspaceId: rig.made.workspaceId,
    policies: ['proxies'],
    expiresAt: '2020-01-01T00:00:00Z',
  };
  expect((await rig.call(`${ACCOUNTS}/CreateAPIKey`, past)).json.code).toBe('invalid_argument');
  const expiresAt = new Date(Date.now() + 1_000).toISOString();
  const { rawKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, { ...past, expiresAt });
  const bare = () => rig.call(`${ACCOUNTS}/ListPolicies`, {}, null, { authorization: rawKey });
  expect((await bare()).status).toBe(200);
  await expect.poll(async () => (await bare()).status, { timeout: 5_000 }).toBe(401);
});

test('every attempt of a known key to change something leaves one audit row, a read none', async () => {
  const own = await startControlRig();
  const { rawKey: viewer } = await own.ok(`${ACCOUNTS}/CreateAPIKey`, {
    name: 'viewer',
    workspaceId: own.made.workspaceId,
    policies: ['proxies-viewer'],
  });
  await own.ok(
    'proxies.v1.Proxies/CreateSession',
    staticSession(own, 'one', { username: 'u', password: 'audit-canary' }),
  );
  await own.call('proxies.v1.Proxies/CreateSession', staticSession(own, 'one'));
  await own.call('proxies.v1.Proxies/CreateSession', staticSession(own, 'two'), viewer);
  await own.call('proxies.v1.Proxies/CreateSession', '{"token":', undefined);
  await own.call('proxies.v1.Proxies/CreateSession', staticSession(own, 'three'), null);
  await own.ok('proxies.v1.Proxies/ListSessions', { workspaceId: own.made.workspaceId }, viewer);
  await own.plane.close();
  const store = await openStore({ path: `${own.directory}/sallyport.db` });
  const rows = await store.db.selectFrom('audit_events').selectAll().orderBy('id').execute();
  await store.close();
  await own.close();
  expect(
    rows.map((row) => [row.method.split('/').at(-1), row.outcome, row.actor_key_id !== null, row.object_id !== null]),
  ).toEqual([
    ['bootstrap', 'ok', false, true],
    ['CreateAPIKey', 'ok', true, true],
    ['CreateSession', 'ok', true, true],
    ['CreateSession', 'failed_precondition', true, false],
    ['CreateSession', 'permission_denied', true, false],
    ['CreateSession', 'invalid_argument', true, false],
  ]);
  expect(JSON.stringify(rows)).not.toContain('canary');
});

test('a key is with the gateway before the call that made it answers, and gone before the call that revoked it', async () => {
  const body = { name: 'gw', workspaceId: rig.made.workspaceId, policies: ['gateway'] };
  const { apiKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, body);
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'key-put', key: { mayUseGateway: true } });
  await rig.ok(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: apiKey.id });
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'key-gone' });
});
