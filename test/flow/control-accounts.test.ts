/** Workspaces, pools, providers and keys through the front door. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';

let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

const inWorkspace = (more: object) => ({ workspaceId: rig.made.workspaceId, ...more });
const gateway = (more: object = {}) =>
  inWorkspace({
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { scheme: 'http', host: 'GW.vendor.example', port: 7777 },
    usernameTemplate: 'customer-acme-session-{token}-country-{country}',
    ...more,
  });
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('the first start makes what a first request needs, and the gateway has all of it', () => {
  const kinds = rig.changes.slice(0, 6).map((change) => change.kind);
  expect(kinds).toEqual(['key-put', 'pool-put', 'pool-put', 'provider-put', 'provider-put', 'session-put']);
  expect(rig.changes[5]).toMatchObject({ session: { token: 'local', endpoint: null, localAddress: null } });
});

test('a malformed bootstrap key is a refusal to start, and leaves a store that starts without it', async () => {
  await expect(startControlRig({ bootstrapKey: 'hunter2' })).rejects.toThrow(/bootstrap key must be sp_live_/);
});

test('a new workspace has a pool default and can seal at once', async () => {
  const { workspace } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'acme', description: 'd' });
  expect(workspace).toMatchObject({ name: 'acme', description: 'd', version: '1' });
  const { poolIds } = await rig.ok('proxies.v1.Proxies/ListPools', { workspaceId: workspace.id });
  const { pool } = await rig.ok('proxies.v1.Proxies/GetPool', { workspaceId: workspace.id, poolId: poolIds[0] });
  expect([poolIds.length, pool.name, pool.enabled]).toEqual([1, 'default', true]);
  const source = { workspaceId: workspace.id, type: 'PROVIDER_TYPE_STATIC' };
  const { provider } = await rig.ok('proxies.v1.Proxies/ConnectProvider', source);
  const ids = { workspaceId: workspace.id, poolId: pool.id, providerId: provider.id };
  await rig.ok('proxies.v1.Proxies/CreateSession', {
    ...staticSession(rig, 't', { username: 'u', password: 'p' }),
    ...ids,
  });
});

test('a key is shown once, and its hash never', async () => {
  const body = inWorkspace({ name: 'k', policies: ['proxies', 'gateway'] });
  const answer = await rig.call('accounts.v1.Accounts/CreateAPIKey', body);
  const { apiKey, rawKey } = answer.json;
  expect(rawKey).toMatch(/^sp_live_[0-9a-f]{48}$/);
  expect(rawKey.startsWith(apiKey.keyPrefix)).toBe(true);
  expect(apiKey).not.toHaveProperty('hash');
  expect((await rig.storeBytes()).includes(rawKey)).toBe(false);
  for (const policies of [[], ['root'], Array(9).fill('proxies')]) {
    expect((await rig.call('accounts.v1.Accounts/CreateAPIKey', { ...body, policies })).status).toBe(400);
  }
});

test('a pool name is taken once; names that the username language would cut are refused', async () => {
  const make = (name: string) => rig.call('proxies.v1.Proxies/CreatePool', inWorkspace({ name }));
  expect((await make('residential')).json.pool).toMatchObject({
    name: 'residential',
    selection: 'SELECTION_ROUND_ROBIN',
  });
  const twice = await make('residential');
  expect([twice.status, twice.json.code]).toEqual([409, 'already_exists']);
  for (const name of ['', 'Upper', 'a-session-b', 'us-isp', '-a', 'a'.repeat(65)])
    expect((await make(name)).status).toBe(400);
});

test('a rotating gateway: canonical endpoint, sealed credentials, the account in clear for the gateway only', async () => {
  const body = gateway({ passwordTemplate: '{password}', credentials: base64('gw-canary') });
  const answer = await rig.call('proxies.v1.Proxies/ConnectProvider', body);
  expect(answer.json.provider).toMatchObject({
    endpoint: { host: 'gw.vendor.example' },
    capabilities: { stateApi: false },
  });
  expect(answer.text).not.toMatch(/credentials|canary/);
  expect(rig.changes.at(-1)).toMatchObject({ provider: { type: 'gateway', password: 'gw-canary' } });
  expect((await rig.storeBytes()).includes('gw-canary')).toBe(false);
  const named = gateway({ usernameTemplate: '{username}-{token}', credentials: base64('acme:gw:pass') });
  await rig.ok('proxies.v1.Proxies/ConnectProvider', named);
  expect(rig.changes.at(-1)).toMatchObject({
    provider: { usernameTemplate: '{username}-{token}', password: 'acme:gw:pass' },
  });
});

test.each([
  ['no endpoint', { endpoint: undefined }, 'endpoint'],
  ['no username template', { usernameTemplate: undefined }, 'usernameTemplate'],
  ['an unknown placeholder', { usernameTemplate: '{token}-{planet}' }, 'usernameTemplate'],
  ['a stray brace', { usernameTemplate: '{token}-{' }, 'usernameTemplate'],
  ['no token anywhere', { usernameTemplate: 'customer' }, 'usernameTemplate'],
  ['a colon over http', { usernameTemplate: 'a:{token}' }, 'usernameTemplate'],
  ['a template without its credentials', { passwordTemplate: '{password}' }, 'credentials'],
  [
    'credentials that are no pair',
    { usernameTemplate: '{username}-{token}', credentials: base64('hush') },
    'credentials',
  ],
  ['credentials that are no text', { credentials: '/w==' }, 'credentials'],
  ['a token format of another kind', { tokenFormat: '(a+)+$' }, 'tokenFormat'],
  ['a vendor type, which has its own', { type: 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL' }, 'endpoint'],
  ['a STATIC with an endpoint', { type: 'PROVIDER_TYPE_STATIC' }, 'endpoint'],
])('a provider with %s is refused', async (_name, wrong, field) => {
  const answer = await rig.call('proxies.v1.Proxies/ConnectProvider', gateway(wrong));
  expect(answer.json.details[0].debug.fieldViolations[0].field).toBe(field);
  expect(answer.text).not.toContain('hush');
});

test('sessions of a rotating gateway carry a token that fits, and nothing else', async () => {
  const { provider } = await rig.ok('proxies.v1.Proxies/ConnectProvider', gateway({ tokenFormat: '[a-z0-9]{4,8}' }));
  const make = (more: object) =>
    rig.call(
      'proxies.v1.Proxies/CreateSession',
      inWorkspace({ poolId: rig.made.poolId, providerId: provider.id, ...more }),
    );
  expect((await make({ token: 'abc123' })).json.session).not.toHaveProperty('host');
  expect((await make({ token: 'ABC' })).json.details[0].debug.fieldViolations[0].field).toBe('token');
  const full = { token: 'abcd', scheme: 'http', host: 'h', port: 1, username: 'u', password: 'p' };
  const fields = (await make(full)).json.details[0].debug.fieldViolations.map((v: { field: string }) => v.field);
  expect(fields.sort()).toEqual(['host', 'password', 'port', 'scheme', 'username']);
});

test('a LOCAL session dials from an address of this machine, or lets the system choose', async () => {
  const { provider } = await rig.ok('proxies.v1.Proxies/ConnectProvider', inWorkspace({ type: 'PROVIDER_TYPE_LOCAL' }));
  const make = (token: string, more: object) =>
    rig.call(
      'proxies.v1.Proxies/CreateSession',
      inWorkspace({ poolId: rig.made.poolId, providerId: provider.id, token, ...more }),
    );
  expect((await make('l1', { host: '127.0.0.2' })).status).toBe(200);
  expect(rig.changes.at(-1)).toMatchObject({ session: { localAddress: '127.0.0.2', endpoint: null } });
  expect((await make('l2', {})).status).toBe(200);
  for (const wrong of [{ host: '192.0.2.77' }, { host: 'localhost' }, { port: 1 }, { scheme: 'http' }]) {
    expect((await make('l3', wrong)).status).toBe(400);
  }
});

test('a sealed password that was tampered with takes out its session only, and start goes on', async () => {
  const own = await startControlRig();
  for (const token of ['good', 'bad']) {
    await own.ok(
      'proxies.v1.Proxies/CreateSession',
      staticSession(own, token, { username: 'u', password: `p-${token}` }),
    );
  }
  await own.plane.close();
  const { openStore } = await import('../../control/store/database.ts');
  const store = await openStore({ path: `${own.directory}/sallyport.db` });
  // Moved to another host, as someone with the file but not the key would.
  await store.write((tx) =>
    tx.updateTable('sessions').set({ host: '198.51.100.66' }).where('token', '=', 'bad').execute(),
  );
  await store.close();
  const again = await startControlRig({ directory: own.directory });
  const tokens = again.changes.flatMap((change) => (change.kind === 'session-put' ? change.session.token : []));
  expect(tokens.sort()).toEqual(['good', 'local']);
  expect(again.logged.filter((line) => line.includes('does not open'))).toHaveLength(1);
  await again.close();
});
