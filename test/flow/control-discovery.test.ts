/** Discovery through the front door: a vendor's list becomes sessions, and they follow it. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SessionState } from '../../src/core/model.ts';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';
import { type ProxylineStandIn, proxylineEntry, startProxylineStandIn } from '../helpers/proxyline-stand-in.ts';
import { SecretScan } from '../helpers/secret-scan.ts';
import { startWebshareStandIn, type WebshareStandIn, webshareEntries } from '../helpers/webshare-stand-in.ts';

const PROXIES = 'proxies.v1.Proxies';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const KEY = 'key-good';

let webshare: WebshareStandIn;
let proxyline: ProxylineStandIn;
let rig: ControlRig;
beforeEach(async () => {
  [webshare, proxyline] = [await startWebshareStandIn(), await startProxylineStandIn()];
  rig = await startControlRig({
    ...{ webshareApiUrl: webshare.url, proxylineApiUrl: proxyline.url },
    vendorTimeoutMs: 100,
  });
});
afterEach(async () => {
  await rig.close();
  await webshare.close();
  await proxyline.close();
});

const call = (method: string, body: object) =>
  rig.call(`${PROXIES}/${method}`, { workspaceId: rig.made.workspaceId, ...body });
const ok = (method: string, body: object) =>
  rig.ok(`${PROXIES}/${method}`, { workspaceId: rig.made.workspaceId, ...body });

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
type Json = any;

async function connect(type: 'WEBSHARE_RESIDENTIAL' | 'PROXYLINE', key = KEY): Promise<Json> {
  const account = type === 'PROXYLINE' ? { apiKey: key } : { username: 'u', password: 'p', apiKey: key };
  const credentials = base64(JSON.stringify(account));
  const body = { type: `PROVIDER_TYPE_${type}`, credentials, targetPoolId: rig.made.poolId };
  return (await ok('ConnectProvider', body)).provider;
}

/** The provider's discovery once it has ended. */
async function ended(providerId: string): Promise<Json> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const { discovery } = (await ok('GetProvider', { providerId })).provider;
    if (discovery?.status !== 'DISCOVERY_STATUS_RUNNING') return discovery;
    if (performance.now() > deadline) throw new Error('a discovery did not end');
  }
}

/** Asks again, and waits for the end of it. */
async function again(providerId: string): Promise<Json> {
  const { provider } = await ok('RefreshProviderState', { providerId });
  expect(provider.discovery.status).toBe('DISCOVERY_STATUS_RUNNING');
  return ended(providerId);
}

/** The provider's live sessions by token. */
async function sessionsOf(providerId: string): Promise<Map<string, Json>> {
  const found = new Map<string, Json>();
  let cursor = '';
  do {
    const page = await ok('ListSessions', { providerId, limit: 1_000, cursor });
    if (page.sessionIds.length > 0) {
      const { sessions } = await ok('BatchGetSessions', { sessionIds: page.sessionIds });
      for (const session of sessions) found.set(session.token, session);
    }
    cursor = page.nextCursor;
  } while (cursor !== '');
  return found;
}

/** What the gateway knows of sessions by token: the last change counts. */
function atGateway(): Map<string, SessionState> {
  const known = new Map<string, SessionState>();
  for (const change of rig.changes) {
    if (change.kind === 'session-put') known.set(change.session.token, change.session);
  }
  return known;
}

const DONE = 'DISCOVERY_STATUS_DONE';
const FAILED = 'DISCOVERY_STATUS_FAILED';

test('connecting a vendor with a target pool makes a session of each endpoint, labels and all', async () => {
  const provider = await connect('WEBSHARE_RESIDENTIAL');
  expect(provider.discovery).toMatchObject({ status: 'DISCOVERY_STATUS_RUNNING', startedAt: expect.any(String) });
  const discovery = await ended(provider.id);
  expect(discovery).toMatchObject({ status: DONE, foundCount: 3, createdCount: 3, finishedAt: expect.any(String) });
  const sessions = await sessionsOf(provider.id);
  expect([...sessions.keys()]).toEqual(['1', '2', '3']);
  expect(sessions.get('1')).toMatchObject({
    labels: { country: 'us', city: 'los_angeles' },
    enabled: true,
    version: '1',
  });
  expect(sessions.get('3').labels).toEqual({ country: 'gb', city: 'los_angeles' });
  expect(atGateway().get('2')).toMatchObject({ endpoint: null, username: null, enabled: true });
  // Found, not changed: the provider's own version stays.
  expect((await ok('GetProvider', { providerId: provider.id })).provider.version).toBe('1');
});

test('without a target pool nothing is discovered, and with one later it is when asked', async () => {
  const credentials = base64(JSON.stringify({ username: 'u', password: 'p', apiKey: KEY }));
  const type = 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL';
  const { provider } = await ok('ConnectProvider', { type, credentials });
  expect((await ok('RefreshProviderState', { providerId: provider.id })).provider).not.toHaveProperty('discovery');
  await ok('UpdateProvider', { providerId: provider.id, targetPoolId: rig.made.poolId });
  // One that was made by hand is taken for the endpoint's.
  await ok('CreateSession', { poolId: rig.made.poolId, providerId: provider.id, token: '2' });
  expect(await again(provider.id)).toMatchObject({ status: DONE, foundCount: 3, createdCount: 2 });
});

test('10,000 endpoints become sessions within five seconds, and a second look changes nothing', async () => {
  webshare.entries = webshareEntries(10_000);
  const startedMs = performance.now();
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  expect(await ended(id)).toMatchObject({ status: DONE, foundCount: 10_000, createdCount: 10_000 });
  const elapsedMs = performance.now() - startedMs;
  expect(elapsedMs).toBeLessThan(5_000);
  expect(atGateway().size).toBe(10_000 + 1);
  const told = rig.changes.length;
  expect(await again(id)).toMatchObject({ status: DONE, foundCount: 10_000 });
  expect(rig.changes).toHaveLength(told);
}, 30_000);

describe('an endpoint that is not listed any more', () => {
  test('is disabled and not deleted, and enabled when it is listed again', async () => {
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    await ended(id);
    webshare.entries = webshareEntries(2);
    expect(await again(id)).toMatchObject({ status: DONE, foundCount: 2, disabledCount: 1 });
    expect((await sessionsOf(id)).get('3')).toMatchObject({ enabled: false, version: '2' });
    expect(atGateway().get('3')?.enabled).toBe(false);
    expect(await again(id)).not.toHaveProperty('disabledCount', 1);
    webshare.entries = webshareEntries(3);
    expect(await again(id)).toMatchObject({ status: DONE, enabledCount: 1 });
    expect((await sessionsOf(id)).get('3')).toMatchObject({ enabled: true, version: '3' });
    expect(atGateway().get('3')?.enabled).toBe(true);
  });

  test("stays an operator's to disable: what they disabled is not enabled when it is back", async () => {
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    await ended(id);
    const sessionId = (await sessionsOf(id)).get('3').id;
    await ok('UpdateSession', { sessionId, enabled: false });
    webshare.entries = webshareEntries(2);
    await again(id);
    webshare.entries = webshareEntries(3);
    await again(id);
    expect((await sessionsOf(id)).get('3')).toMatchObject({ enabled: false, version: '2' });
  });

  test('is no reason to disable anything when the list could not be read to its end', async () => {
    webshare.entries = webshareEntries(250);
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    await ended(id);
    webshare.entries = webshareEntries(120);
    webshare.misbehave = (path, query) =>
      path === 'proxy/list/' && query.get('page') === '2' ? { status: 200, body: '{"results":7}' } : null;
    expect(await again(id)).toMatchObject({ status: FAILED, error: "the vendor's answer was not understood" });
    expect([...(await sessionsOf(id)).values()].every(({ enabled }) => enabled)).toBe(true);
  });
});

test('a session that its operator deleted is not made again while its endpoint is listed', async () => {
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  await ended(id);
  await ok('DeleteSession', { sessionId: (await sessionsOf(id)).get('2').id });
  expect(await again(id)).toMatchObject({ status: DONE, foundCount: 3 });
  expect([...(await sessionsOf(id)).keys()]).toEqual(['1', '3']);
  // Gone from the list and back on it: a new endpoint.
  const [first, second, third] = webshare.entries;
  webshare.entries = [first!, third!];
  await again(id);
  webshare.entries = [first!, second!, third!];
  expect(await again(id)).toMatchObject({ createdCount: 1 });
  expect([...(await sessionsOf(id)).keys()].sort()).toEqual(['1', '2', '3']);
});

test('a token that another provider has in the pool is left out, and said', async () => {
  const taken = { poolId: rig.made.poolId, providerId: rig.made.providerId, token: '2' };
  await ok('CreateSession', { ...taken, scheme: 'http', host: 'x.example', port: 1 });
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  expect(await ended(id)).toMatchObject({
    ...{ status: FAILED, createdCount: 2 },
    error: '1 endpoints were left out: sessions of other providers have their tokens in the pool',
  });
});

test("a deleted target pool ends it in a sentence; the next pool gets the list's sessions", async () => {
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  await ended(id);
  await ok('DeletePool', { poolId: rig.made.poolId });
  expect(await sessionsOf(id)).toEqual(new Map());
  const { pool } = await ok('CreatePool', { name: 'next' });
  await ok('UpdateProvider', { providerId: id, targetPoolId: pool.id });
  expect(await again(id)).toMatchObject({ status: DONE, createdCount: 3 });
});

describe('a vendor that lists single proxies', () => {
  test('gives each session its endpoint and its sealed password, and follows changes of both', async () => {
    proxyline.entries = [proxylineEntry(1), proxylineEntry(2), proxylineEntry(3)];
    const { id } = await connect('PROXYLINE');
    expect(await ended(id)).toMatchObject({ status: DONE, createdCount: 3 });
    const shown = (await sessionsOf(id)).get('proxyline-1');
    expect(shown).toMatchObject({ scheme: 'http', host: '203.0.113.7', port: 30_001, username: 'u1' });
    expect(shown).not.toHaveProperty('password');
    expect(atGateway().get('proxyline-1')).toMatchObject({ password: 'pw-1' });

    proxyline.entries = [
      proxylineEntry(1, { password: 'other' }),
      proxylineEntry(2, { port_http: 9 }),
      proxylineEntry(3),
    ];
    expect(await again(id)).toMatchObject({ status: DONE, updatedCount: 2 });
    expect(atGateway().get('proxyline-1')).toMatchObject({ password: 'other', endpoint: { port: 30_001 } });
    expect(atGateway().get('proxyline-2')).toMatchObject({ password: 'pw-2', endpoint: { port: 9 } });
    expect([...(await sessionsOf(id)).values()].map(({ version }) => version)).toEqual(['2', '2', '1']);

    rig = await rig.restart();
    expect(atGateway().get('proxyline-1')).toMatchObject({ password: 'other' });
    expect(atGateway().get('proxyline-2')).toMatchObject({ password: 'pw-2', endpoint: { port: 9 } });
  });

  test('never follows its `next` to another host, and reads no further than what it counts', async () => {
    proxyline.entries = Array.from({ length: 230 }, (_, i) => proxylineEntry(i + 1));
    const { id } = await connect('PROXYLINE');
    expect(await ended(id)).toMatchObject({ status: DONE, foundCount: 230, createdCount: 230 });
    const offsets = proxyline.asked.map((asked) => new URLSearchParams(asked.split('?')[1]).get('offset'));
    expect(offsets).toEqual(['0', '100', '200']);
  });

  test("an operator's labels stay beside the listed place", async () => {
    proxyline.entries = [proxylineEntry(1)];
    const { id } = await connect('PROXYLINE');
    await ended(id);
    const sessionId = (await sessionsOf(id)).get('proxyline-1').id;
    await ok('UpdateSession', { sessionId, labels: { tier: 'gold', country: 'ru' } });
    proxyline.entries = [proxylineEntry(1, { country: 'de' })];
    await again(id);
    expect((await sessionsOf(id)).get('proxyline-1').labels).toEqual({ tier: 'gold', country: 'de' });
  });
});

describe('a vendor that does not answer as it should', () => {
  test('is given the time that it asks for, and asked again', async () => {
    let refusals = 2;
    webshare.misbehave = () => (refusals-- > 0 ? { status: 429, headers: { 'retry-after': '0' } } : null);
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    expect(await ended(id)).toMatchObject({ status: DONE, createdCount: 3 });
    expect(webshare.asked).toHaveLength(3);
  });

  test.each([
    [
      'a longer wait than is waited',
      { status: 429, headers: { 'retry-after': '7200' } },
      'the vendor limits how often',
      1,
    ],
    ['a refused key', { status: 401 }, 'the vendor refused the API key', 1],
    ['garbage', { status: 200, body: 'no JSON' }, "the vendor's answer was not understood", 1],
    ['an endless answer', 'huge', "the vendor's answer was too large", 1],
    ['silence', 'hang', 'the vendor did not answer in time', 4],
  ] as const)('%s: FAILED with a sentence', async (_, wrong, sentence, asked) => {
    webshare.misbehave = () => wrong;
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    expect(await ended(id)).toMatchObject({ status: FAILED, error: expect.stringContaining(sentence) });
    expect(webshare.asked).toHaveLength(asked);
    expect(await sessionsOf(id)).toEqual(new Map());
  });

  test('lists of another account are said to be that', async () => {
    webshare.entries = webshareEntries(1, 'somebody');
    const { id } = await connect('WEBSHARE_RESIDENTIAL');
    expect(await ended(id)).toMatchObject({ status: FAILED, error: expect.stringContaining('of another account') });
  });
});

test('one is under way a provider: a second request joins it', async () => {
  let hangs = 1;
  webshare.misbehave = (path) => (path === 'proxy/list/' && hangs-- > 0 ? 'hang' : null);
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  while (!webshare.asked.some((asked) => asked.startsWith('proxy/list/'))) await ok('GetProvider', { providerId: id });
  const underWay = (await ok('GetProvider', { providerId: id })).provider.discovery;
  const joined = (await ok('RefreshProviderState', { providerId: id })).provider.discovery;
  expect(joined).toEqual(underWay);
  expect(await ended(id)).toMatchObject({ status: DONE, createdCount: 3, startedAt: underWay.startedAt });
});

test('four are at work at once, the others wait; closing waits for none of them', async () => {
  const own = await startControlRig({ webshareApiUrl: webshare.url, vendorTimeoutMs: 60_000 });
  webshare.misbehave = () => 'hang';
  const credentials = base64(JSON.stringify({ username: 'u', password: 'p', apiKey: KEY }));
  for (let i = 0; i < 6; i++) {
    const { workspace } = await own.ok('accounts.v1.Accounts/CreateWorkspace', { name: `w${i}` });
    const workspaceId = workspace.id;
    const { pool } = await own.ok(`${PROXIES}/CreatePool`, { workspaceId, name: 'target' });
    const body = { workspaceId, type: 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL', credentials, targetPoolId: pool.id };
    const { provider } = await own.ok(`${PROXIES}/ConnectProvider`, body);
    expect(provider.discovery.status).toBe('DISCOVERY_STATUS_RUNNING');
  }
  while (webshare.asked.length < 4) await own.ok(`${PROXIES}/ListProviders`, { workspaceId: own.made.workspaceId });
  await own.close();
  expect(webshare.asked).toHaveLength(4);
});

test('a provider that is deleted meanwhile leaves no session and no trace of a run', async () => {
  webshare.entries = webshareEntries(3_000);
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  expect(await ok('DeleteProvider', { providerId: id })).toEqual({});
  expect((await call('GetProvider', { providerId: id })).json.code).toBe('not_found');
  expect((await ok('ListSessions', { poolId: rig.made.poolId })).sessionIds).toEqual([]);
});

/** Begins a discovery of 1,500 endpoints that comes to page 12 and no further, and closes the plane there. */
async function interruptedAtPage12(before: (id: string) => Promise<unknown> = async () => {}): Promise<string> {
  webshare.entries = webshareEntries(1_500);
  webshare.misbehave = (path, query) => (path === 'proxy/list/' && query.get('page') === '12' ? 'hang' : null);
  const { id } = await connect('WEBSHARE_RESIDENTIAL');
  while (!webshare.asked.some((asked) => asked.includes('page=12&'))) await ok('GetProvider', { providerId: id });
  await before(id);
  await rig.plane.close();
  webshare.misbehave = () => null;
  const { made, directory } = rig;
  rig = Object.assign(await startControlRig({ directory, webshareApiUrl: webshare.url }), { made });
  return id;
}

test('a restart in the middle begins it anew, and makes nothing twice', async () => {
  const id = await interruptedAtPage12();
  const discovery = await ended(id);
  expect(discovery).toMatchObject({ status: DONE, foundCount: 1_500, createdCount: 500 });
  expect((await sessionsOf(id)).size).toBe(1_500);
  expect(rig.logged.join('\n')).toContain('interrupted by a restart');
});

test('a restart in the middle of one that cannot go on leaves it failed, with what it had done', async () => {
  const id = await interruptedAtPage12((providerId) => ok('UpdateProvider', { providerId, targetPoolId: '' }));
  expect(await ended(id)).toMatchObject({ status: FAILED, createdCount: 1_000, error: 'interrupted by a restart' });
  expect((await sessionsOf(id)).size).toBe(1_000);
});

test('no key and no password stands in a log, an audit row or the store', async () => {
  const scan = new SecretScan();
  const [apiKey, password] = [randomBytes(13).toString('hex'), randomBytes(13).toString('hex')];
  scan.plant('the API key', apiKey);
  scan.plant('the listed password', password);
  proxyline.apiKey = apiKey;
  proxyline.entries = [proxylineEntry(1, { password })];
  const { id } = await connect('PROXYLINE', apiKey);
  expect(await ended(id)).toMatchObject({ status: DONE, createdCount: 1 });
  proxyline.misbehave = () => ({ status: 500, body: apiKey });
  await call('RefreshProviderState', { providerId: id });
  const { workspaceId } = rig.made;
  const { events } = await rig.ok('accounts.v1.Accounts/ListAuditEvents', { workspaceId, limit: 1_000 });
  expect(events).toContainEqual(expect.objectContaining({ method: 'discovery', outcome: 'ok', objectId: id }));
  expect([
    ...scan.find('the log', rig.logged.join('\n')),
    ...scan.find('the audit record', JSON.stringify(events)),
    ...scan.find('the store', await rig.storeBytes()),
  ]).toEqual([]);
  expect(proxyline.asked.join()).toContain(apiKey);
});
