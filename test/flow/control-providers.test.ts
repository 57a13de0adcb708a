/** Providers through the front door: how they are connected, changed, asked and deleted. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { SecretScan } from '../helpers/secret-scan.ts';
import { startWebshareStandIn, type WebshareStandIn } from '../helpers/webshare-stand-in.ts';

const PROXIES = 'proxies.v1.Proxies';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const API_KEY = `wk${randomBytes(12).toString('hex')}`;
const PASSWORD = `wp${randomBytes(12).toString('hex')}`;
const WEBSHARE = base64(JSON.stringify({ username: 'acme', password: PASSWORD, apiKey: API_KEY }));

let webshare: WebshareStandIn;
let rig: ControlRig;
let workspaceId: string;
beforeAll(async () => {
  webshare = await startWebshareStandIn();
  webshare.apiKey = API_KEY;
  rig = await startControlRig({ webshareApiUrl: webshare.url, vendorTimeoutMs: 150 });
  ({ workspaceId } = rig.made);
});
afterAll(async () => {
  await rig.close();
  await webshare.close();
});
beforeEach(() => {
  webshare.misbehave = () => null;
});

const call = (method: string, body: object) => rig.call(`${PROXIES}/${method}`, { workspaceId, ...body });
const ok = (method: string, body: object) => rig.ok(`${PROXIES}/${method}`, { workspaceId, ...body });
const lastChange = () => rig.changes.at(-1);
const fieldsOf = (answer: { json: { message: string } }) => answer.json.message;

const GATEWAY = {
  type: 'PROVIDER_TYPE_GATEWAY',
  endpoint: { scheme: 'http', host: 'GW.example.', port: 7_000 },
  usernameTemplate: 'acme-{username}[-country-{country}]-session-{token}',
  tokenFormat: '[a-z0-9]{4,8}',
  credentials: base64('customer:gw-secret'),
  mintTokens: true,
};
const connectGateway = async (more: object = {}) => (await ok('ConnectProvider', { ...GATEWAY, ...more })).provider;
const update = (provider: { id: string }, change: object) =>
  call('UpdateProvider', { providerId: provider.id, ...change });

describe('a rotating gateway', () => {
  test('is answered as it was asked for, and handed to the gateway with its credential', async () => {
    const provider = await connectGateway();
    const { credentials: _, ...shown } = GATEWAY;
    expect(provider).toMatchObject({ ...shown, endpoint: { ...GATEWAY.endpoint, host: 'gw.example' }, version: '1' });
    expect(lastChange()).toMatchObject({
      kind: 'provider-put',
      provider: { type: 'gateway', usernameTemplate: GATEWAY.usernameTemplate, password: 'customer:gw-secret' },
    });
  });

  test.each([
    [{ usernameTemplate: 'a[b' }, 'brackets must enclose'],
    [{ usernameTemplate: 'a]b-{token}' }, 'brackets must enclose'],
    [{ usernameTemplate: '{token}[-[{country}]]' }, 'brackets must enclose'],
    [{ usernameTemplate: '{token}[-country]' }, 'must hold a placeholder'],
    [{ usernameTemplate: 'x[-{country}-{token}]' }, '{token} must not share'],
    [{ usernameTemplate: '{token}[-{country}|{city}]' }, 'behind the bar'],
    [{ usernameTemplate: '{token}-{planet}' }, 'placeholders must be among'],
    [{ usernameTemplate: 'user' }, 'must hold {token}'],
    [{ usernameTemplate: 'a:{token}' }, 'must not hold a colon'],
    [{ credentials: undefined }, 'credentials: is required'],
    [{ credentials: base64('no-colon') }, 'credentials: must be username:password'],
    [{ credentials: Buffer.from([0x61, 0x3a, 0xff]).toString('base64') }, 'credentials: must be UTF-8'],
    [{ endpoint: undefined }, 'endpoint: is required'],
    [{ tokenFormat: '.*' }, 'tokenFormat: '],
    [{ type: 'PROVIDER_TYPE_STATIC' }, 'endpoint: is for PROVIDER_TYPE_GATEWAY only'],
    [{ type: 'PROVIDER_TYPE_UNSPECIFIED' }, 'type: '],
  ])('%j is refused by name', async (wrong, sentence) => {
    const answer = await call('ConnectProvider', { ...GATEWAY, ...wrong });
    expect(answer.json.code).toBe('invalid_argument');
    expect(fieldsOf(answer)).toContain(sentence);
    expect(answer.text).not.toContain('gw-secret');
  });

  test('an update changes what it names, raises the version by one, and keeps the credential', async () => {
    const provider = await connectGateway({ name: 'before' });
    const poolId = rig.made.poolId;
    const { json } = await update(provider, { name: 'after', targetPoolId: poolId, enabled: false, tokenFormat: '' });
    const { tokenFormat: _, ...rest } = provider;
    expect(json.provider).toEqual({
      ...{ ...rest, name: 'after', targetPoolId: poolId, enabled: false },
      ...{ version: '2', updatedAt: expect.any(String) },
    });
    expect(lastChange()).toMatchObject({ provider: { enabled: false, password: 'customer:gw-secret' } });
    const cleared = await update(provider, { name: '', targetPoolId: '' });
    expect(cleared.json.provider).not.toHaveProperty('name');
    expect(cleared.json.provider).not.toHaveProperty('targetPoolId');
  });

  test('an update that changes nothing moves neither version nor gateway; credentials always do', async () => {
    const provider = await connectGateway({ name: 'same' });
    const told = rig.changes.length;
    const same = { name: 'same', enabled: true, endpoint: GATEWAY.endpoint, tokenFormat: GATEWAY.tokenFormat };
    expect((await update(provider, same)).json.provider).toEqual(provider);
    expect(rig.changes).toHaveLength(told);
    expect((await update(provider, { credentials: GATEWAY.credentials })).json.provider.version).toBe('2');
  });

  test.each([[{ host: 'other.example' }], [{ port: 7_001 }], [{ scheme: 'https' }]])(
    'stored credentials are not sent anywhere else: %j needs them again',
    async (elsewhere) => {
      const provider = await connectGateway();
      const endpoint = { ...provider.endpoint, ...elsewhere };
      const refused = await update(provider, { endpoint });
      expect([refused.json.code, fieldsOf(refused)]).toEqual([
        'failed_precondition',
        expect.stringContaining('credentials: must be given again'),
      ]);
      const moved = await update(provider, { endpoint, credentials: base64('customer:new-secret') });
      expect(moved.json.provider.endpoint).toEqual(endpoint);
      expect(lastChange()).toMatchObject({ provider: { endpoint, password: 'customer:new-secret' } });
    },
  );

  test('templates that ask for another form of credentials need them again', async () => {
    const provider = await connectGateway({ usernameTemplate: 's-{token}', credentials: base64('pw-only') });
    const answer = await update(provider, { usernameTemplate: '{username}-{token}' });
    expect(answer.json.code).toBe('invalid_argument');
    expect(fieldsOf(answer)).toContain('credentials: must be given again');
    expect((await update(provider, { usernameTemplate: '' })).json.code).toBe('invalid_argument');
  });

  test('a stale version is aborted, a foreign pool and an absent provider are not found', async () => {
    const provider = await connectGateway();
    expect((await update(provider, { enabled: false, expectedVersion: '2' })).json.code).toBe('aborted');
    expect((await update(provider, { targetPoolId: workspaceId })).json.code).toBe('not_found');
    expect((await update({ id: workspaceId }, { enabled: false })).json.code).toBe('not_found');
    const { workspace } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'other' });
    const foreign = { workspaceId: workspace.id, providerId: provider.id };
    for (const method of ['GetProvider', 'UpdateProvider', 'DeleteProvider', 'RefreshProviderState']) {
      expect([method, (await rig.call(`${PROXIES}/${method}`, foreign)).json.code]).toEqual([method, 'not_found']);
    }
  });

  test('a batch answers what is there in request order and lists what is not', async () => {
    const [a, b] = [await connectGateway(), await connectGateway()];
    const answer = await ok('BatchGetProviders', { providerIds: [b.id, workspaceId, a.id] });
    expect(answer).toEqual({ providers: [b, a], notFoundIds: [workspaceId] });
  });
});

test('deleting a provider takes its sessions, sealed values and all, and leaves assignments', async () => {
  const provider = (await ok('ConnectProvider', { type: 'PROVIDER_TYPE_STATIC', name: 'doomed' })).provider;
  const sessions = Array.from({ length: 600 }, (_, i) => {
    const { token, scheme, host, port } = staticSession(rig, `doomed-${i}`) as Record<string, string>;
    return { token, scheme, host, port, username: 'u', password: 'doomed-password' };
  });
  const at = { poolId: rig.made.poolId, providerId: provider.id };
  const made = (await ok('BulkCreateSessions', { ...at, sessions })).sessions;
  const bound = { poolId: rig.made.poolId, sessionId: made[0].id, accountName: 'alice' };
  const { assignment } = await ok('CreateAssignment', bound);
  expect(await ok('DeleteProvider', { providerId: provider.id })).toEqual({});
  expect(lastChange()).toMatchObject({ kind: 'provider-gone' });
  expect((await ok('GetAssignment', { assignmentId: assignment.id })).assignment).toEqual(assignment);
  const file = new DatabaseSync(join(rig.directory, 'sallyport.db'), { readOnly: true });
  const left = file.prepare('select count(*) as n from sessions where provider_id = ? and password_sealed is not null');
  expect(left.get(Buffer.from(provider.id, 'base64'))).toEqual({ n: 0 });
  file.close();
  expect((await call('GetProvider', { providerId: provider.id })).json.code).toBe('not_found');
  const gone = await ok('BatchGetSessions', { sessionIds: made.map(({ id }: { id: string }) => id) });
  expect([gone.sessions.length, gone.notFoundIds.length]).toEqual([0, 600]);
  expect((await call('DeleteProvider', { providerId: provider.id })).json.code).toBe('not_found');
  // The tokens are free again.
  const again = { providerId: rig.made.providerId, poolId: rig.made.poolId, sessions: sessions.slice(0, 1) };
  expect((await ok('BulkCreateSessions', again)).createdCount).toBe(1);
});

describe('a vendor', () => {
  const type = 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL';
  let provider: { id: string };
  beforeAll(async () => {
    ({ provider } = await ok('ConnectProvider', { type, credentials: WEBSHARE, name: 'web' }));
  });

  test('answers what is built in, and its capabilities by the key it was given', async () => {
    expect(provider).toMatchObject({
      endpoint: { scheme: 'http', host: 'p.webshare.io', port: 80 },
      usernameTemplate: '{username}[-{country}][-city_{city}]-{token}',
      tokenFormat: '[0-9]{1,9}',
      capabilities: { enumerable: true, stateApi: true },
    });
    const { json } = await update(provider, { credentials: base64(`acme:${PASSWORD}`) });
    expect(json.provider.capabilities).toEqual({ enumerable: false, stateApi: false });
    expect((await call('RefreshProviderState', { providerId: provider.id })).json.code).toBe('failed_precondition');
    await update(provider, { credentials: WEBSHARE });
    expect(lastChange()).toMatchObject({ provider: { type: 'gateway', password: `acme:${PASSWORD}` } });
  });

  test('is connected once in a workspace, and again after it was deleted', async () => {
    const second = await call('ConnectProvider', { type, credentials: WEBSHARE });
    expect([second.status, second.json.code]).toEqual([409, 'already_exists']);
    expect((await call('ConnectProvider', { type: 'PROVIDER_TYPE_OXYLABS', credentials: base64('a:b') })).status).toBe(
      200,
    );
  });

  test.each([
    [{ endpoint: GATEWAY.endpoint }, 'endpoint: is built in'],
    [{ usernameTemplate: '{token}' }, 'usernameTemplate: is built in'],
    [{ passwordTemplate: '{token}' }, 'passwordTemplate: is built in'],
    [{ tokenFormat: '[a-z]{1}' }, 'tokenFormat: is built in'],
    [{ credentials: base64('{"username":"a","password":"b","apikey":"c"}') }, 'must not have the key apikey'],
    [{ credentials: base64('{"username":"a","password":"b","apiKey":7}') }, 'as apiKey'],
    [{ credentials: base64('{"username":"a:b","password":"b"}') }, 'without a colon'],
    [{ credentials: base64('{"username":"a"}') }, 'must be username:password'],
    [{ credentials: base64('{oops') }, 'must be a JSON object'],
    [{ credentials: base64('nothing') }, 'must be username:password'],
  ])('%j is refused by name', async (wrong, sentence) => {
    const answer = await update(provider, wrong);
    expect(answer.json.code).toBe('invalid_argument');
    expect(fieldsOf(answer)).toContain(sentence);
  });

  test('tokens that do not fit are refused, those that do make sessions', async () => {
    const at = { poolId: rig.made.poolId, providerId: provider.id };
    for (const token of ['us-1', '1-rotate', '1:x', '12345678901', 'a']) {
      expect((await call('CreateSession', { ...at, token })).json.code).toBe('invalid_argument');
    }
    expect((await call('CreateSession', { ...at, token: '77' })).status).toBe(200);
    expect((await call('CreateSession', { ...at, token: '78', host: 'x.example' })).json.code).toBe('invalid_argument');
  });

  test('is asked about itself, and says what it said when it was', async () => {
    const answer = await ok('RefreshProviderState', { providerId: provider.id });
    expect(answer.provider.state).toEqual({
      ...{ bandwidthLimitBytes: '250500000000', bandwidthUsedBytes: '123456789' },
      ...{ plan: 'shared residential', geoCount: 2 },
    });
    expect(Date.parse(answer.provider.stateRefreshedAt)).toBeGreaterThan(Date.now() - 60_000);
    expect((await ok('GetProvider', { providerId: provider.id })).provider).toEqual(answer.provider);
  });

  test.each([
    ['a refused key', { status: 401 }, 'failed_precondition', 'the vendor refused the API key', null],
    ['a forbidden key', { status: 403 }, 'failed_precondition', 'the vendor refused the API key', null],
    ['a limit', { status: 429, headers: { 'retry-after': '17' } }, 'resource_exhausted', 'limits how often', '17'],
    ['a limit without a time', { status: 429 }, 'resource_exhausted', 'limits how often', '60'],
    ['an error of its own', { status: 500, body: 'secret trace' }, 'unavailable', 'an error of its own', null],
    [
      'a redirect',
      { status: 302, headers: { location: 'http://169.254.169.254/' } },
      'unavailable',
      'not understood',
      null,
    ],
    ['garbage', { status: 200, body: '<html>' }, 'unavailable', 'not understood', null],
    ['other JSON', { status: 200, body: '{"plan":"x"}' }, 'unavailable', 'not understood', null],
    ['JSON of another kind', { status: 200, body: '[]' }, 'unavailable', 'not understood', null],
    ['silence', 'hang', 'unavailable', 'did not answer in time', null],
    ['silence halfway', 'hang in the body', 'unavailable', 'did not answer in time', null],
    ['an endless answer', 'huge', 'unavailable', 'too large', null],
    ['a cut', 'cut', 'unavailable', 'cannot be reached', null],
  ] as const)('%s is said in a sentence, and changes nothing', async (_, wrong, code, sentence, retryAfter) => {
    const before = (await ok('GetProvider', { providerId: provider.id })).provider;
    webshare.misbehave = () => wrong;
    const answer = await call('RefreshProviderState', { providerId: provider.id });
    expect([answer.json.code, fieldsOf(answer)]).toEqual([code, expect.stringContaining(sentence)]);
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect((await ok('GetProvider', { providerId: provider.id })).provider).toEqual(before);
  });

  test('a listed one takes no sessions from callers, and no traffic account', async () => {
    const proxyline = { type: 'PROVIDER_TYPE_PROXYLINE' };
    const plain = await call('ConnectProvider', { ...proxyline, credentials: base64('a:b') });
    expect(fieldsOf(plain)).toContain('credentials: must be a JSON object of apiKey');
    const minting = await call('ConnectProvider', {
      ...proxyline,
      credentials: base64('{"apiKey":"k"}'),
      mintTokens: true,
    });
    expect(fieldsOf(minting)).toContain('mintTokens: is for rotating gateways only');
    const listed = (await ok('ConnectProvider', { ...proxyline, credentials: base64('{"apiKey":"k"}') })).provider;
    expect(lastChange()).toMatchObject({ provider: { type: 'static', endpoint: null, password: null } });
    const refused = await call('CreateSession', { ...staticSession(rig, 't'), providerId: listed.id });
    expect([refused.json.code, fieldsOf(refused)]).toEqual([
      'failed_precondition',
      expect.stringContaining('Proxyline lists its endpoints itself'),
    ]);
  });

  test('after a restart the gateway is told of it as before', async () => {
    const own = await startControlRig();
    await own.ok(`${PROXIES}/ConnectProvider`, { workspaceId: own.made.workspaceId, type, credentials: WEBSHARE });
    const before = own.changes.at(-1);
    const again = await own.restart();
    const after = again.changes.findLast(
      (change) => change.kind === 'provider-put' && change.provider.type === 'gateway',
    );
    expect(after).toEqual(before);
    await again.close();
  });

  test('whose credentials were changed in the file is handed over as disabled, until they are given again', async () => {
    let own = await startControlRig();
    const { workspaceId: id } = own.made;
    const connected = (await own.ok(`${PROXIES}/ConnectProvider`, { workspaceId: id, type, credentials: WEBSHARE }))
      .provider;
    const named = { workspaceId: id, providerId: connected.id };
    await own.plane.close();
    const file = new DatabaseSync(join(own.directory, 'sallyport.db'));
    file.prepare("update providers set credentials_sealed = randomblob(64) where type = 'webshare_residential'").run();
    file.close();
    own = await startControlRig({ directory: own.directory });
    const lastPut = () => own.changes.findLast(({ kind }) => kind === 'provider-put');
    expect(lastPut()).toMatchObject({ provider: { enabled: false, password: null } });
    const refused = await own.call(`${PROXIES}/RefreshProviderState`, named);
    expect([refused.json.code, fieldsOf(refused)]).toEqual([
      'failed_precondition',
      expect.stringContaining('credentials: the stored ones cannot be read'),
    ]);
    expect((await own.ok(`${PROXIES}/UpdateProvider`, { ...named, name: 'still' })).provider.name).toBe('still');
    expect(lastPut()).toMatchObject({ provider: { enabled: false } });
    await own.ok(`${PROXIES}/UpdateProvider`, { ...named, credentials: WEBSHARE });
    expect(lastPut()).toMatchObject({ provider: { enabled: true, password: `acme:${PASSWORD}` } });
    await own.close();
  });

  test('no credential stands in a log, an answer, an audit row or the store', async () => {
    const scan = new SecretScan();
    scan.plant('the API key', API_KEY);
    scan.plant('the password', PASSWORD);
    const { events } = await rig.ok('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
    const audit = JSON.stringify(events);
    expect(audit).toContain('"credentials":"changed"');
    const found = [
      ...scan.find('the log', rig.logged.join('\n')),
      ...scan.find('the audit record', audit),
      ...scan.find('the store', await rig.storeBytes()),
    ];
    expect(found).toEqual([]);
  });
});
