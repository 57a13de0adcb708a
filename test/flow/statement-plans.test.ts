/**
 * Every statement that the control plane runs, looked at as SQLite would run it: a
 * look-up or a bounded walk of an index, whatever the tables hold. The calls below
 * reach every method of both services; what is not bounded stands on a short list
 * with its reason.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSallyport } from '../../client/client.ts';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fullName } from '../../control/interceptors/method-rules.ts';
import type { PoolId, SessionId } from '../../src/core/model.ts';
import type { UsageDelta } from '../../src/core/observed.ts';
import { type ControlRig, RIG_KEY, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';

/** Statements that walk a whole table or an open range, by how they begin, and why they may. */
const ALLOWED: readonly (readonly [start: string, reason: string])[] = [
  ['select count(*) as "count" from "workspaces"', 'once a start, which loads every workspace anyway'],
  ['select * from "sticky_keys" where "expires_at" > ?', 'once a start; the gateway bounds how many there are'],
  ['select (select seq from sqlite_sequence', 'a table of one row: one table of ours counts by itself'],
  ['insert into key_rotations', 'once a rotation: counts what it will look at, in an index'],
  ['select count(*) as "count" from "workspace_keys" where "keyring" = ?', 'once a change of the master key'],
  ['select * from "workspace_keys" where "workspace_id" = ?', 'one row a rotation of one workspace'],
  ['delete from "workspace_keys" where "workspace_id" = ?', 'one row a rotation of one workspace'],
  [
    'insert into sessions (id, workspace_id, pool_id, provider_id, token,',
    'many rows: the look for assignments without a session runs only while one is missing, which none ever is',
  ],
];

/** An id of the API as the planes tell it each other. */
const uuid = <Id extends string>(wireId: string) => uuidOf(wireId) as Id;

const texts = new Set<string>();
const called = new Set<string>();
let rig: ControlRig;
let usage: UsageDelta[] = [];
let freshSession: SessionId | null = null;
let spareSession: SessionId | null = null;

beforeAll(async () => {
  rig = await startControlRig({
    onStatement: (sql) => texts.add(sql),
    gateway: {
      drainUsage: async () => usage.splice(0),
      stickyOverrides: async () => ({
        version: 1,
        entries: [
          { poolId: uuid(rig.made.poolId), key: 'k', sessionId: freshSession!, expiresAtMs: Date.now() + 60_000 },
        ],
      }),
      leastAssigned: async ({ accountNames, exclude }) =>
        accountNames.map(() => (exclude === freshSession ? spareSession : freshSession)),
    },
  });
  await callEverything();
  // What a start and a stop do is in the list as well.
  rig = await rig.restart();
  await rig.plane.close();
}, 60_000);
afterAll(() => rig.close());

/** Answers the JSON, or null where the method is not served yet. */
async function call(method: string, body: object) {
  called.add(method);
  const answer = await rig.call(method, body);
  if (answer.status !== 200 && answer.json?.code !== 'unimplemented') {
    throw new Error(`${method} ${JSON.stringify(body)}: ${answer.text}`);
  }
  return answer.status === 200 ? answer.json : null;
}
const accounts = (name: string, body: object) => call(`accounts.v1.Accounts/${name}`, body);
const proxies = (name: string, body: object) =>
  call(`proxies.v1.Proxies/${name}`, { workspaceId: rig.made.workspaceId, ...body });

/** A list with each filter, its first page and the next. */
async function bothPages(name: string, filters: readonly object[]): Promise<void> {
  for (const filter of filters) {
    const page = await proxies(name, { ...filter, limit: 1 });
    if (page?.nextCursor) await proxies(name, { ...filter, limit: 1, cursor: page.nextCursor });
  }
}

async function callEverything(): Promise<void> {
  await accountsCalls();
  await placesCalls();
  await sessionCalls();
  await assignmentCalls();
  await observingCalls();
  await deletions();
}

async function accountsCalls(): Promise<void> {
  const { workspaceId } = rig.made;
  const { workspace } = await accounts('CreateWorkspace', { name: 'second' });
  await accounts('GetWorkspace', { workspaceId });
  await accounts('BatchGetWorkspaces', { workspaceIds: [workspaceId, workspace.id] });
  const { nextCursor } = await accounts('ListWorkspaces', { limit: 1 });
  await accounts('ListWorkspaces', { limit: 1, cursor: nextCursor });
  await accounts('UpdateWorkspace', { workspaceId, name: 'renamed' });
  const { apiKey } = await accounts('CreateAPIKey', { workspaceId, name: 'k', policies: ['proxies'] });
  await accounts('ListAPIKeys', { workspaceId });
  await accounts('DeleteAPIKey', { apiKeyId: apiKey.id });
  await accounts('ListPolicies', {});
  await accounts('RotateWorkspaceKey', { workspaceId });
  await accounts('RotateMasterKey', {});
  await accounts('DeleteWorkspace', { workspaceId: workspace.id });
  const page = await accounts('ListAuditEvents', { workspaceId, limit: 1 });
  if (page) await accounts('ListAuditEvents', { workspaceId, limit: 1, cursor: page.nextCursor });
  called.add('accounts.v1.Accounts/CreateBackup');
  for await (const _ of createSallyport({ url: rig.url, apiKey: RIG_KEY }).accounts.createBackup({}));
}

async function placesCalls(): Promise<void> {
  const { poolId, providerId } = rig.made;
  await proxies('GetPool', { poolId });
  await proxies('BatchGetPools', { poolIds: [poolId] });
  await proxies('UpdatePool', { poolId, name: 'renamed', selection: 'SELECTION_RANDOM' });
  await bothPages('ListPools', [{}]);
  const endpoint = { scheme: 'SCHEME_HTTP', host: '203.0.113.1', port: 8000 };
  await proxies('ConnectProvider', {
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { ...endpoint, scheme: 'http' },
    usernameTemplate: 'u-{token}',
    credentials: 'eA==',
  });
  const vendor = await rig.call('proxies.v1.Proxies/ConnectProvider', {
    ...{ workspaceId: rig.made.workspaceId, type: 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL', targetPoolId: poolId },
    credentials: Buffer.from('u:p').toString('base64'),
  });
  await proxies('GetProvider', { providerId });
  await proxies('BatchGetProviders', { providerIds: [providerId] });
  await proxies('UpdateProvider', { providerId, name: 'renamed' });
  await bothPages('ListProviders', [{}]);
  called.add('proxies.v1.Proxies/RefreshProviderState');
  // Refused without an API of the vendor's; its statements are those up to there.
  const refreshed = vendor.json?.provider?.id ?? providerId;
  await rig.call('proxies.v1.Proxies/RefreshProviderState', {
    workspaceId: rig.made.workspaceId,
    providerId: refreshed,
  });
}

async function sessionCalls(): Promise<void> {
  const { poolId, providerId } = rig.made;
  const { session } = await call(
    'proxies.v1.Proxies/CreateSession',
    staticSession(rig, 'a', { username: 'u', password: 'p' }),
  );
  freshSession = uuid(session.id);
  const sessions = Array.from({ length: 60 }, (_, n) => ({
    token: `bulk-${n}`,
    scheme: 'http',
    host: '203.0.113.2',
    port: 1,
  }));
  const bulk = await proxies('BulkCreateSessions', { poolId, providerId, sessions });
  spareSession = uuid(bulk.sessions[0].id);
  await proxies('GetSession', { sessionId: session.id });
  await proxies('BatchGetSessions', { sessionIds: [session.id] });
  await proxies('UpdateSession', { sessionId: session.id, enabled: false });
  await proxies('UpdateSession', { sessionId: session.id, enabled: true, password: 'q' });
  await bothPages('ListSessions', [{}, { poolId }, { providerId }, { poolId, providerId }]);
  await proxies('ListSessionStates', { poolId });
  await proxies('ListSessionStates', { poolId, sessionIds: [session.id] });
}

async function assignmentCalls(): Promise<void> {
  const { poolId } = rig.made;
  const sessionId = Buffer.from(freshSession!.replaceAll('-', ''), 'hex').toString('base64');
  const made = await proxies('CreateAssignment', { poolId, sessionId, accountName: 'one' });
  await proxies('CreateAssignment', { poolId, accountName: 'two' });
  await proxies('BulkCreateAssignment', { poolId, assignments: [{ accountName: 'three' }, { accountName: 'four' }] });
  await bothPages('ListAssignments', [
    {},
    { poolId },
    { sessionId },
    { accountName: 'one' },
    { poolId, accountName: 'one' },
    { poolId, sessionId },
    { sessionId, accountName: 'one' },
  ]);
  const assignmentId = made?.assignment.id ?? poolId;
  for (const name of ['GetAssignment', 'RebindAssignment', 'DeleteAssignment', 'UpdateAssignment']) {
    called.add(`proxies.v1.Proxies/${name}`);
    if (made === null || name === 'DeleteAssignment') continue;
    await proxies(name, { assignmentId, ...(name === 'UpdateAssignment' && { pinned: true }) });
  }
  await proxies('BatchGetAssignments', { assignmentIds: [assignmentId] });
  if (made !== null) await proxies('DeleteAssignment', { assignmentId });
  const bound = { poolId: uuid<PoolId>(poolId), accountName: 'five', reason: 'first_use' } as const;
  const moved = { ...bound, sessionId: spareSession!, previousSessionId: freshSession };
  await rig.plane.recordBindings([{ ...bound, sessionId: freshSession!, previousSessionId: null }]);
  await rig.plane.recordBindings([{ ...moved, reason: 'removed' }]);
}

async function observingCalls(): Promise<void> {
  const { poolId, providerId, workspaceId } = rig.made;
  const sessionId = Buffer.from(freshSession!.replaceAll('-', ''), 'hex').toString('base64');
  const delta = {
    ...{ workspaceId: uuid(workspaceId), poolId: uuid(poolId), providerId: uuid(providerId), sessionId: freshSession },
    ...{ day: Math.floor(Date.now() / 86_400_000), requestCount: 1, errorCount: 0, bytesOut: 1, bytesIn: 1 },
  };
  usage = ['', 'one'].map((accountName) => ({ ...delta, accountName }) as UsageDelta);
  const days = { startDate: '2020-01-01', endDate: '2020-01-31' };
  const filters = [{}, { poolId }, { providerId }, { sessionId }, { accountName: 'one' }];
  const pairs = filters.flatMap((one) => filters.map((other) => ({ ...days, ...one, ...other })));
  await bothPages('QueryProxyUsage', [...pairs, { ...days, poolId, providerId, sessionId, accountName: 'one' }]);
  for (const name of ['ResolveSession', 'GetRequest', 'TailRequests']) called.add(`proxies.v1.Proxies/${name}`);
  await rig.call('proxies.v1.Proxies/GetRequest', { workspaceId, requestId: 'aaaaaaaa-00000001' });
  await rig.call('proxies.v1.Proxies/ResolveSession', {
    workspaceId,
    username: 'renamed',
    targetHost: 'a.test',
    targetPort: 80,
  });
}

async function deletions(): Promise<void> {
  const { pool } = await proxies('CreatePool', { name: 'short-lived' });
  const { session } = await call('proxies.v1.Proxies/CreateSession', { ...staticSession(rig, 'b'), poolId: pool.id });
  await proxies('DeleteSession', { sessionId: session.id });
  await call('proxies.v1.Proxies/CreateSession', { ...staticSession(rig, 'c'), poolId: pool.id });
  await proxies('DeletePool', { poolId: pool.id });
  const made = await proxies('ConnectProvider', { type: 'PROVIDER_TYPE_STATIC', name: 'short-lived' });
  await proxies('DeleteProvider', { providerId: made.provider.id });
}

interface Step {
  readonly detail: string;
}

/** What SQLite says it would do; the parameters play no part, as nothing here is analysed. */
function planOf(database: Database.Database, sql: string): string[] {
  const parameters = sql.replaceAll(/'[^']*'|"[^"]*"/g, '').match(/\?/g) ?? [];
  const statement = database.prepare<unknown[], Step>(`explain query plan ${sql}`);
  return statement.all(parameters.map(() => null)).map(({ detail }) => detail);
}

/** Text before `select`, `insert`, `update`, `delete` or `with` has no plan. */
const hasPlan = (sql: string) => /^\s*(?:select|insert|update|delete|with)\b/i.test(sql);
const isAllowed = (sql: string) => ALLOWED.some(([start]) => sql.replaceAll(/\s+/g, ' ').trim().startsWith(start));

/** Names of the indexes, and of tables by their primary key, that at most one row can match, and how many columns that takes. */
function uniqueKeys(database: Database.Database): Map<string, number> {
  const found = new Map<string, number>();
  const tables = database.prepare<[], { name: string }>(`select name from sqlite_schema where type = 'table'`).all();
  for (const { name } of tables) {
    const indexes = database.pragma(`index_list(${name})`) as { name: string; unique: number; origin: string }[];
    for (const index of indexes.filter(({ unique }) => unique === 1)) {
      const columns = (database.pragma(`index_info(${index.name})`) as unknown[]).length;
      found.set(index.name, columns);
      if (index.origin === 'pk') found.set(`${name} primary key`, columns);
    }
  }
  return found;
}

/** Why a text is not bounded, or null. */
function offence(database: Database.Database, keys: Map<string, number>, sql: string): string | null {
  const plan = planOf(database, sql);
  const limited = /\blimit\b/i.test(sql);
  for (const detail of plan) {
    if (/USE TEMP B-TREE/.test(detail)) return detail;
    if (/^SCAN (?:json_each|\w+ VIRTUAL TABLE|CONSTANT ROW|\(|\d+-ROW)/.test(detail)) continue;
    // A walk in key order that a LIMIT ends.
    if (/^SCAN /.test(detail) && !limited) return detail;
    const search = /^SEARCH (\w+) USING (?:(?:COVERING )?INDEX (\w+)|(?:INTEGER )?PRIMARY KEY) \((.*)\)/.exec(detail);
    if (search === null) continue;
    const [, alias = '', index, terms = ''] = search;
    const equalities = (terms.match(/=\?/g) ?? []).length;
    const byRowId = detail.includes('INTEGER PRIMARY KEY');
    const key = index ?? `${keys.has(`${alias} primary key`) ? alias : tableOf(sql, alias)} primary key`;
    const needed = byRowId ? 1 : keys.get(key);
    // An id is one row, whichever index leads to it.
    const isPoint = (needed !== undefined && equalities >= needed) || /(?:^|\W)id=\?/.test(terms);
    if (!isPoint && !limited) return detail;
  }
  return null;
}

/** The table behind the name that a plan uses. */
function tableOf(sql: string, alias: string): string {
  return new RegExp(`"?(\\w+)"?\\s+(?:as\\s+)?"?${alias}"?\\b`, 'i').exec(sql)?.[1] ?? alias;
}

test('every method was called', () => {
  const all = [...Accounts.methods, ...Proxies.methods].map(fullName);
  expect(all.filter((name) => !called.has(name))).toEqual([]);
});

function withDatabase(look: (database: Database.Database, keys: Map<string, number>) => void): void {
  const database = new Database(join(rig.directory, 'sallyport.db'), { readonly: true });
  try {
    look(database, uniqueKeys(database));
  } finally {
    database.close();
  }
}

test.each([
  'select * from sessions',
  'select id from sessions where token = ?',
  'select id from sessions where workspace_id = ? and deleted_at is null',
  'select id from sessions where pool_id = ? and deleted_at is null order by host limit 5',
  'select distinct host from sessions limit 5',
  'update sessions set enabled = 0 where provider_id = ? and deleted_at is null',
  'delete from usage where workspace_id = ?',
])('the look at a plan finds what is wrong with: %s', (sql) => {
  withDatabase((database, keys) => expect(offence(database, keys, sql)).not.toBeNull());
});

test('no statement scans, sorts, or runs without a bound', () => {
  withDatabase((database, keys) => {
    const asked = [...texts].filter(hasPlan);
    expect(asked.length).toBeGreaterThan(50);
    const found = asked.filter((sql) => !isAllowed(sql)).map((sql) => ({ sql, why: offence(database, keys, sql) }));
    expect(found.filter(({ why }) => why !== null)).toEqual([]);
  });
});

test('each exception is still needed', () => {
  const unused = ALLOWED.filter(
    ([start]) => ![...texts].some((sql) => sql.replaceAll(/\s+/g, ' ').trim().startsWith(start)),
  );
  expect(unused).toEqual([]);
});
