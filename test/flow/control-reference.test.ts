/**
 * The methods that the reference knows, replayed as its pages show them: which
 * fields an answer has (no more, no fewer), of which JSON type, and what they mean.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionId } from '../../src/core/model.ts';
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';
import { startWebshareStandIn } from '../helpers/webshare-stand-in.ts';

const webshare = await startWebshareStandIn();
/** What the rig's gateway would assign next. */
let healthy: SessionId | null = null;
let rig: ControlRig;
let own: { workspaceId: string };

beforeAll(async () => {
  rig = await startControlRig({
    webshareApiUrl: webshare.url,
    gateway: { leastAssigned: async ({ accountNames }) => accountNames.map(() => healthy) },
  });
  own = { workspaceId: rig.made.workspaceId };
});
afterAll(async () => {
  await rig.close();
  await webshare.close();
});

const accounts = (name: string, body: object) => rig.ok(`accounts.v1.Accounts/${name}`, body);
const proxies = (name: string, body: object) => rig.ok(`proxies.v1.Proxies/${name}`, { ...own, ...body });
const refusal = async (name: string, body: object) =>
  (await rig.call(`proxies.v1.Proxies/${name}`, { ...own, ...body })).json.code;

/** Shapes: a matcher a field, so that a field too many or too few fails. */
const ID = expect.stringMatching(/^[A-Za-z0-9+/]{22}==$/);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const VERSION = expect.stringMatching(/^[1-9]\d*$/);
const COUNT = expect.stringMatching(/^\d+$/);
const stamps = { version: VERSION, createdAt: TIME, updatedAt: TIME };

describe('accounts', () => {
  const workspace = { id: ID, name: 'acme', ...stamps };

  test('CreateWorkspace, GetWorkspace: the description only where there is one', async () => {
    const made = await accounts('CreateWorkspace', { name: 'acme' });
    expect(made).toEqual({ workspace: { ...workspace, version: '1' } });
    const described = await accounts('CreateWorkspace', { name: 'acme', description: 'crawlers' });
    expect(described).toEqual({ workspace: { ...workspace, description: 'crawlers' } });
    expect(await accounts('GetWorkspace', { workspaceId: made.workspace.id })).toEqual(made);
  });

  test('RotateWorkspaceKey tells the versions, the first time from 1 to 2', async () => {
    const { id } = (await accounts('CreateWorkspace', { name: 'rotated' })).workspace;
    const answer = { workspaceId: id, fromVersion: 1, toVersion: 2 };
    expect(await accounts('RotateWorkspaceKey', { workspaceId: id })).toEqual(answer);
  });

  test('CreateAPIKey shows the key once; ListAPIKeys shows what may be seen; DeleteAPIKey ends it', async () => {
    const body = { ...own, name: 'crawler', policies: ['gateway', 'proxies-viewer'] };
    const apiKey = {
      ...{ id: ID, name: 'crawler', keyPrefix: expect.stringMatching(/^sp_live_/), workspaceId: own.workspaceId },
      ...{ policies: ['gateway', 'proxies-viewer'], createdAt: TIME },
    };
    const made = await accounts('CreateAPIKey', body);
    expect(made).toEqual({ apiKey, rawKey: expect.stringMatching(/^sp_live_[0-9a-f]{32,}$/) });
    const bounded = await accounts('CreateAPIKey', { ...body, expiresAt: '2099-01-01T00:00:00Z' });
    expect(bounded.apiKey).toEqual({ ...apiKey, expiresAt: '2099-01-01T00:00:00Z' });
    const listed = (await accounts('ListAPIKeys', own)).apiKeys;
    expect(listed.map((key: { id: string }) => key.id)).toEqual(
      expect.arrayContaining([made.apiKey.id, bounded.apiKey.id]),
    );
    expect(JSON.stringify(listed)).not.toContain(made.rawKey);
    expect(await accounts('DeleteAPIKey', { apiKeyId: made.apiKey.id })).toEqual({});
    expect((await rig.call('accounts.v1.Accounts/ListPolicies', {}, made.rawKey)).status).toBe(401);
    expect(JSON.stringify(await accounts('ListAPIKeys', own))).not.toContain(made.apiKey.id);
  });

  test('ListPolicies names five policies and their permissions', async () => {
    expect((await accounts('ListPolicies', {})).policies).toEqual([
      {
        name: 'operator',
        permissions: ['VIEW_PROXIES', 'MANAGE_PROXIES', 'USE_GATEWAY', 'MANAGE_ACCOUNTS', 'OPERATE'].map(permission),
      },
      { name: 'proxies', permissions: ['VIEW_PROXIES', 'MANAGE_PROXIES'].map(permission) },
      { name: 'proxies-viewer', permissions: ['VIEW_PROXIES'].map(permission) },
      { name: 'gateway', permissions: ['USE_GATEWAY'].map(permission) },
      { name: 'accounts', permissions: ['MANAGE_ACCOUNTS'].map(permission) },
    ]);
  });
  const permission = (name: string) => `PERMISSION_${name}`;
});

const endpoint = (port: number) => ({ scheme: 'http', host: '203.0.113.10', port });
const placed = () => ({ poolId: rig.made.poolId, providerId: rig.made.providerId });
const sessionOf = (token: string, port: number) => ({
  ...{ id: ID, ...own, ...placed(), token, ...endpoint(port), enabled: true, ...stamps },
});

describe('sessions', () => {
  test('a partial update changes what it names, moves version by one, and answers the whole', async () => {
    const { session } = await proxies('CreateSession', {
      ...placed(),
      ...{ token: 'partial', ...endpoint(8080), username: 'u', password: 'p', labels: { country: 'us' } },
    });
    const at = { sessionId: session.id };
    const whole = { ...sessionOf('partial', 8080), username: 'u', labels: { country: 'us' } };
    expect(session).toEqual({ ...whole, version: '1' });
    const updated = (await proxies('UpdateSession', { ...at, enabled: false })).session;
    expect(updated).toEqual({ ...session, enabled: false, version: '2', updatedAt: TIME });
    expect((await proxies('UpdateSession', { ...at, enabled: false })).session).toEqual(updated);
    expect(await proxies('GetSession', at)).toEqual({ session: updated });
    expect(await refusal('UpdateSession', { ...at, enabled: true, expectedVersion: '1' })).toBe('aborted');
    expect(await proxies('GetSession', at)).toEqual({ session: updated });
  });

  test('a delete is soft: {}, then not_found, and the token is free again', async () => {
    const body = { ...placed(), token: 'soft', ...endpoint(8080) };
    const { session } = await proxies('CreateSession', body);
    expect(await refusal('CreateSession', body)).toBe('failed_precondition');
    expect(await proxies('DeleteSession', { sessionId: session.id })).toEqual({});
    expect(await refusal('GetSession', { sessionId: session.id })).toBe('not_found');
    expect(await refusal('DeleteSession', { sessionId: session.id })).toBe('not_found');
    expect((await proxies('CreateSession', body)).session.id).not.toBe(session.id);
  });

  test('BulkCreateSessions answers each row in request order, made or found', async () => {
    const row = (token: string, port: number) => ({ token, ...endpoint(port) });
    const first = await proxies('BulkCreateSessions', { ...placed(), sessions: [row('b-1', 1), row('b-2', 2)] });
    expect(first).toEqual({ sessions: [sessionOf('b-1', 1), sessionOf('b-2', 2)], createdCount: 2, existingCount: 0 });
    const again = await proxies('BulkCreateSessions', { ...placed(), sessions: [row('b-3', 3), row('b-1', 99)] });
    expect(again).toEqual({
      sessions: [sessionOf('b-3', 3), first.sessions[0]],
      ...{ createdCount: 1, existingCount: 1 },
    });
    const doubled = await rig.call('proxies.v1.Proxies/BulkCreateSessions', {
      ...{ ...own, ...placed(), sessions: [row('b-4', 4), row('b-5', 5), row('b-4', 6)] },
    });
    expect(doubled.json.code).toBe('invalid_argument');
    expect(doubled.json.message).toMatch(/sessions\[2\].*sessions\[0\]/);
  });

  test('ListSessions answers ids, newest last, page by page, filtered', async () => {
    const { pool } = await proxies('CreatePool', { name: 'listed' });
    const rows = [1, 2, 3, 4, 5].map((port) => ({ token: `l-${port}`, ...endpoint(port) }));
    const { sessions } = await proxies('BulkCreateSessions', { ...placed(), poolId: pool.id, sessions: rows });
    const ids = sessions.map((session: { id: string }) => session.id);
    const first = await proxies('ListSessions', { poolId: pool.id, limit: 3 });
    expect(first).toEqual({ sessionIds: ids.slice(0, 3), nextCursor: expect.stringMatching(/./) });
    const second = await proxies('ListSessions', { poolId: pool.id, limit: 3, cursor: first.nextCursor });
    expect(second).toEqual({ sessionIds: ids.slice(3), nextCursor: '' });
    expect(await refusal('ListSessions', { cursor: 'of another' })).toBe('invalid_argument');
    expect(await proxies('ListSessions', { poolId: pool.id, providerId: pool.id })).toEqual({
      ...{ sessionIds: [], nextCursor: '' },
    });
  });
});

describe('providers', () => {
  const credentials = Buffer.from('{"username":"u","password":"p","apiKey":"key-good"}').toString('base64');
  const vendor = {
    ...{ id: ID, type: 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL', enabled: true, ...stamps },
    ...{ endpoint: { scheme: expect.any(String), host: expect.any(String), port: expect.any(Number) } },
    ...{ usernameTemplate: expect.any(String), tokenFormat: expect.any(String) },
    capabilities: { enumerable: true, stateApi: true },
  };

  test('a vendor: connected once, refreshed, updated, deleted with its sessions', async () => {
    const type = 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL';
    const connected = (await proxies('ConnectProvider', { type, credentials })).provider;
    expect(connected).toMatchObject({ ...vendor, ...own });
    const known = ['name', 'targetPoolId', 'passwordTemplate', 'state', 'stateRefreshedAt', ...Object.keys(vendor)];
    expect(Object.keys(connected).filter((key) => ![...known, 'workspaceId'].includes(key))).toEqual([]);
    expect(await refusal('ConnectProvider', { type, credentials })).toBe('already_exists');
    const at = { providerId: connected.id };
    const { provider } = await proxies('RefreshProviderState', at);
    expect(provider.state).toEqual({
      ...{ bandwidthLimitBytes: COUNT, bandwidthUsedBytes: COUNT, plan: expect.any(String) },
      geoCount: expect.any(Number),
    });
    expect(provider.stateRefreshedAt).toEqual(TIME);
    const renamed = (await proxies('UpdateProvider', { ...at, name: 'ours' })).provider;
    expect(renamed).toMatchObject({ name: 'ours', version: String(Number(provider.version) + 1) });
    expect(await proxies('GetProvider', at)).toEqual({ provider: renamed });
    expect((await proxies('ListProviders', {})).providerIds).toContain(connected.id);
    const token = { poolId: rig.made.poolId, providerId: connected.id, token: '1' };
    const { session } = await proxies('CreateSession', token);
    expect(await proxies('DeleteProvider', at)).toEqual({});
    expect(await refusal('GetSession', { sessionId: session.id })).toBe('not_found');
    expect(await refusal('GetProvider', at)).toBe('not_found');
    expect((await proxies('ConnectProvider', { type, credentials })).provider.id).not.toBe(connected.id);
  });

  test('RefreshProviderState needs a provider that has a state', async () => {
    expect(await refusal('RefreshProviderState', { providerId: rig.made.providerId })).toBe('failed_precondition');
  });
});

describe('assignments', () => {
  test('pinned ones move by an explicit update only', async () => {
    const rows = ['x', 'y'].map((token, at) => ({ token: `a-${token}`, ...endpoint(at + 1) }));
    const { sessions } = await proxies('BulkCreateSessions', { ...placed(), sessions: rows });
    const [x, y] = sessions.map((session: { id: string }) => session.id) as [string, string];
    healthy = uuidOf(x) as SessionId;
    const bulk = await proxies('BulkCreateAssignment', {
      poolId: rig.made.poolId,
      assignments: [{ accountName: 'ann' }, { accountName: 'bad name' }, { accountName: 'ann' }, { accountName: 'bo' }],
    });
    const assignment = (accountName: string) => ({
      ...{ id: ID, ...own, poolId: rig.made.poolId, sessionId: x, accountName, pinned: false, ...stamps },
    });
    const error = (code: string) => ({ error: { code, message: expect.stringMatching(/./) } });
    expect(bulk).toEqual({
      results: [
        { assignment: assignment('ann') },
        error('invalid_argument'),
        error('already_exists'),
        { assignment: assignment('bo') },
      ],
    });
    const at = { assignmentId: bulk.results[0].assignment.id };
    expect(await proxies('GetAssignment', at)).toEqual({ assignment: assignment('ann') });
    const pinned = (await proxies('UpdateAssignment', { ...at, pinned: true })).assignment;
    expect(pinned).toMatchObject({ pinned: true, version: '2' });
    healthy = uuidOf(y) as SessionId;
    expect(await refusal('RebindAssignment', at)).toBe('failed_precondition');
    const moved = (await proxies('UpdateAssignment', { ...at, sessionId: y })).assignment;
    expect(moved).toMatchObject({ sessionId: y, pinned: true, version: '3' });
    healthy = uuidOf(x) as SessionId;
    await proxies('UpdateAssignment', { ...at, pinned: false });
    expect((await proxies('RebindAssignment', at)).assignment).toMatchObject({ sessionId: x, version: '5' });
    healthy = null;
    expect(await refusal('RebindAssignment', at)).toBe('failed_precondition');
    expect((await proxies('ListAssignments', { accountName: 'ann' })).assignmentIds).toEqual([at.assignmentId]);
    expect((await proxies('ListAssignments', { sessionId: x })).assignmentIds).toHaveLength(2);
    expect(await proxies('DeleteAssignment', at)).toEqual({});
    expect(await refusal('GetAssignment', at)).toBe('not_found');
  });
});

describe('usage', () => {
  test('dates are inclusive, counts are text, what matches nothing is an empty list', async () => {
    const query = { startDate: '2026-11-22', endDate: '2026-11-23' };
    expect(await proxies('QueryProxyUsage', query)).toEqual({ records: [], nextCursor: '' });
    for (const filter of ['poolId', 'providerId', 'sessionId']) {
      const nowhere = { [filter]: Buffer.alloc(16, 9).toString('base64') };
      expect(await proxies('QueryProxyUsage', { ...query, ...nowhere })).toEqual({ records: [], nextCursor: '' });
    }
    expect(await refusal('QueryProxyUsage', { startDate: '2026-11-24', endDate: '2026-11-23' })).toBe(
      'invalid_argument',
    );
    expect(await refusal('QueryProxyUsage', { startDate: '2026-02-30', endDate: '2026-11-23' })).toBe(
      'invalid_argument',
    );
  });
});
