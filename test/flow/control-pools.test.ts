/** Pools through the front door: what policies go in, what comes out, and what goes with a pool. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '../../control/store/database.ts';
import { insertProvider, loadProvider } from '../../control/store/providers.ts';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { providerRecord } from '../helpers/store-rig.ts';

const API = 'proxies.v1.Proxies';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

let count = 0;
async function create(more: object = {}) {
  const named = { workspaceId: rig.made.workspaceId, name: `pool-${++count}`, ...more };
  return (await rig.ok(`${API}/CreatePool`, named)).pool;
}
const update = (pool: { id: string }, change: object) =>
  rig.call(`${API}/UpdatePool`, { workspaceId: rig.made.workspaceId, poolId: pool.id, ...change });
const read = (pool: { id: string }) =>
  rig.call(`${API}/GetPool`, { workspaceId: rig.made.workspaceId, poolId: pool.id });

const POLICIES = {
  selection: 'SELECTION_FASTEST',
  stickiness: { mode: 'STICKINESS_MODE_STRICT', idleTtl: '90.500s', maxTtl: '172800s' },
  failover: { maxAttempts: 5, deadline: '0.250s' },
  autoRotation: { onUnhealthy: false, maxAge: '3600s' },
  health: {
    ...{ failuresToEject: 7, baseEjection: '5s', maxEjection: '50s', maxEjectedPercent: 0 },
    probe: { kind: 'PROBE_KIND_URL', target: 'https://www.example.com/?x', interval: '5s', timeout: '0.100s' },
  },
  destinations: { allow: ['.example.com', '203.0.113.0/24:443'], deny: [':25'], connectPorts: [443, 80] },
  limits: { maxTunnelsPerSession: 9, maxPendingDialsPerSession: 3 },
  onRevoke: 'ON_REVOKE_DRAIN',
  quiet: true,
};
const DEFAULTS = {
  selection: 'SELECTION_ROUND_ROBIN',
  stickiness: { mode: 'STICKINESS_MODE_SOFT', idleTtl: '600s', maxTtl: '86400s' },
  failover: { maxAttempts: 3, deadline: '30s' },
  autoRotation: { onUnhealthy: true },
  health: { failuresToEject: 3, baseEjection: '30s', maxEjection: '600s', maxEjectedPercent: 50 },
  destinations: { allow: [], deny: [], connectPorts: [] },
  limits: { maxTunnelsPerSession: 0, maxPendingDialsPerSession: 0 },
  onRevoke: 'ON_REVOKE_CUT',
};

test('a name is enough: every policy is answered with its defaults', async () => {
  expect(await create()).toEqual({
    id: expect.any(String),
    workspaceId: rig.made.workspaceId,
    name: 'pool-1',
    enabled: true,
    ...DEFAULTS,
    version: '1',
    createdAt: expect.any(String),
    updatedAt: expect.any(String),
  });
});

test('every field of every policy is kept, also over a restart', async () => {
  const own = await startControlRig();
  const named = { workspaceId: own.made.workspaceId, name: 'full', enabled: false, ...POLICIES };
  const { pool } = await own.ok(`${API}/CreatePool`, named);
  expect(pool).toMatchObject({ enabled: false, ...POLICIES });
  const again = await own.restart();
  const { workspaceId } = own.made;
  expect((await again.ok(`${API}/GetPool`, { workspaceId, poolId: pool.id })).pool).toEqual(pool);
  await again.close();
});

test('an update replaces each policy that it names as a whole, and leaves the others', async () => {
  const pool = await create(POLICIES);
  const { json } = await update(pool, { health: { failuresToEject: 2 }, quiet: false, enabled: false });
  const { quiet: _, ...loud } = POLICIES;
  expect(json.pool).not.toHaveProperty('quiet');
  expect(json.pool).toMatchObject({
    ...loud,
    health: { ...DEFAULTS.health, failuresToEject: 2 },
    enabled: false,
    version: '2',
  });
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'pool-put', pool: { name: pool.name, enabled: false } });
  expect((await read(pool)).json.pool).toEqual(json.pool);
  const reset = await update(pool, { selection: 'SELECTION_UNSPECIFIED', stickiness: {}, destinations: {} });
  const { selection, stickiness, destinations } = DEFAULTS;
  expect(reset.json.pool).toMatchObject({ selection, stickiness, destinations, failover: POLICIES.failover });
});

test('an update that changes nothing succeeds and moves neither version nor gateway', async () => {
  const pool = await create({ destinations: { allow: ['EXAMPLE.com.'] } });
  const told = rig.changes.length;
  const same = { name: pool.name, enabled: true, destinations: { allow: ['example.com'] }, health: {}, failover: {} };
  expect((await update(pool, same)).json.pool).toEqual(pool);
  expect((await update(pool, {})).json.pool).toEqual(pool);
  expect(rig.changes).toHaveLength(told);
});

test('a stale expectedVersion is aborted and changes nothing', async () => {
  const pool = await create();
  const answer = await update(pool, { enabled: false, expectedVersion: '2' });
  expect([answer.status, answer.json.code]).toEqual([409, 'aborted']);
  expect((await read(pool)).json.pool).toEqual(pool);
  expect((await update(pool, { enabled: false, expectedVersion: '1' })).json.pool.version).toBe('2');
});

test('a pool is renamed, `default` as well, but not to a name that a live pool has', async () => {
  const own = await startControlRig();
  const { workspaceId, poolId } = own.made;
  const change = (id: string, name: string) => own.call(`${API}/UpdatePool`, { workspaceId, poolId: id, name });
  const { pool } = await own.ok(`${API}/CreatePool`, { workspaceId, name: 'other' });
  expect((await change(pool.id, 'default')).json.code).toBe('already_exists');
  expect((await change(poolId, 'main')).json.pool.name).toBe('main');
  expect(own.changes.at(-1)).toMatchObject({ kind: 'pool-put', pool: { name: 'main' } });
  expect((await change(pool.id, 'default')).json.pool.name).toBe('default');
  await own.close();
});

test.each([
  [{ selection: 99 }, 'selection'],
  [{ failover: { maxAttempts: 0 } }, 'failover.maxAttempts'],
  [{ failover: { deadline: '11m' } }, 'failover.deadline'],
  [{ stickiness: { idleTtl: '25h' } }, 'stickiness.idleTtl'],
  [{ stickiness: { idleTtl: '90000s' } }, 'stickiness.idleTtl'],
  [{ health: { maxEjectedPercent: 101 } }, 'health.maxEjectedPercent'],
  [{ destinations: { deny: ['ok.test', 'http://secret-canary'] } }, 'destinations.deny[1]'],
  [{ destinations: { connectPorts: [443, 443] } }, 'destinations.connectPorts'],
  [{ name: 'Bad' }, 'name'],
])('%j is refused by the name of its field', async (wrong, field) => {
  const pool = await create();
  const answer = await update(pool, wrong);
  expect([answer.status, answer.json.code]).toEqual([400, 'invalid_argument']);
  expect(answer.json.details[0].debug.fieldViolations[0].field).toBe(field);
  expect(answer.text).not.toContain('canary');
  const named = { workspaceId: rig.made.workspaceId, name: 'never-made', ...wrong };
  expect((await rig.call(`${API}/CreatePool`, named)).json.message).toContain(field);
});

test('a batch answers once what is there, in request order, and lists what is not', async () => {
  const [a, b] = [await create(), await create(POLICIES)];
  const absent = Buffer.alloc(16, 9).toString('base64');
  const gone = await create();
  await rig.ok(`${API}/DeletePool`, { workspaceId: rig.made.workspaceId, poolId: gone.id });
  const poolIds = [b.id, absent, a.id, b.id, gone.id, absent];
  const answer = await rig.ok(`${API}/BatchGetPools`, { workspaceId: rig.made.workspaceId, poolIds });
  expect(answer).toEqual({ pools: [b, a], notFoundIds: [absent, gone.id] });
  for (const wrong of [[], Array.from({ length: 1_001 }, () => a.id)]) {
    const refused = await rig.call(`${API}/BatchGetPools`, { workspaceId: rig.made.workspaceId, poolIds: wrong });
    expect(refused.json.code).toBe('invalid_argument');
  }
});

test('a deleted pool is gone with its sessions, and its name is free', async () => {
  const pool = await create({ name: 'short-lived' });
  const kept = await create();
  const inPool = (token: string, poolId: string) =>
    staticSession(rig, token, { poolId, username: 'u', password: 'erased-canary' });
  const { session } = await rig.ok(`${API}/CreateSession`, inPool('one', pool.id));
  const { session: other } = await rig.ok(`${API}/CreateSession`, inPool('one', kept.id));
  const named = { workspaceId: rig.made.workspaceId, poolId: pool.id };
  expect(await rig.ok(`${API}/DeletePool`, named)).toEqual({});
  expect(rig.changes.at(-1)).toMatchObject({ kind: 'pool-gone' });
  for (const method of ['GetPool', 'DeletePool', 'UpdatePool']) {
    expect((await rig.call(`${API}/${method}`, named)).json.code).toBe('not_found');
  }
  const { workspaceId } = rig.made;
  expect((await rig.call(`${API}/GetSession`, { workspaceId, sessionId: session.id })).status).toBe(404);
  expect((await rig.call(`${API}/GetSession`, { workspaceId, sessionId: other.id })).status).toBe(200);
  expect((await rig.ok(`${API}/ListSessions`, named)).sessionIds).toEqual([]);
  expect((await rig.call(`${API}/CreateSession`, inPool('two', pool.id))).json.code).toBe('not_found');
  expect((await create({ name: 'short-lived' })).id).not.toBe(pool.id);
});

test('thousands of sessions go in one transaction while other reads are answered', async () => {
  const own = await startControlRig();
  const { workspaceId, providerId } = own.made;
  const poolId = (await own.ok(`${API}/CreatePool`, { workspaceId, name: 'big' })).pool.id;
  const row = (token: string) => ({
    token,
    scheme: 'http',
    host: '203.0.113.7',
    port: 1,
    username: 'u',
    password: 'p',
  });
  const sessions = Array.from({ length: 3_001 }, (_, i) => row(`t${i}`));
  await own.ok(`${API}/BulkCreateSessions`, { workspaceId, poolId, providerId, sessions });
  const told = own.changes.length;
  let settled = false;
  const running = own.call(`${API}/DeletePool`, { workspaceId, poolId }).finally(() => {
    settled = true;
  });
  let reads = 0;
  while (!settled) {
    await own.ok(`${API}/GetPool`, { workspaceId, poolId: own.made.poolId });
    if (!settled) reads++;
  }
  expect((await running).status).toBe(200);
  expect(reads).toBeGreaterThan(3);
  expect(own.changes.slice(told).map(({ kind }) => kind)).toEqual(['pool-gone']);
  await own.plane.close();

  const store = await openStore({ path: `${own.directory}/sallyport.db` });
  const rows = await store.db.selectFrom('sessions').select(['deleted_at', 'password_sealed', 'token']).execute();
  const audited = await store.db.selectFrom('audit_events').select(['count', 'outcome', 'method']).execute();
  await store.close();
  const ofPool = rows.filter((stored) => stored.token !== 'local');
  expect(ofPool).toHaveLength(3_001);
  expect(ofPool.every((stored) => stored.deleted_at !== null && stored.password_sealed === null)).toBe(true);
  expect(audited.at(-1)).toEqual({ method: `${API}/DeletePool`, outcome: 'ok', count: 3_002 });
  await own.close();
});

test('what pointed at a deleted pool does not any more: assignments end, providers lose their target', async () => {
  const own = await startControlRig();
  const { workspaceId } = own.made;
  const pool = (await own.ok(`${API}/CreatePool`, { workspaceId, name: 'aimed-at' })).pool;
  const { session } = await own.ok(`${API}/CreateSession`, staticSession(own, 's', { poolId: pool.id }));
  await own.plane.close();
  const uuid = <Id extends string>(base64: string) => {
    const hex = Buffer.from(base64, 'base64').toString('hex');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as Id;
  };
  const path = `${own.directory}/sallyport.db`;
  const store = await openStore({ path });
  const provider = providerRecord(uuid<WorkspaceId>(workspaceId), { targetPoolId: uuid<PoolId>(pool.id) });
  const blob = (base64: string) => Buffer.from(base64, 'base64');
  const assignment = (fill: number, poolId: string) => ({
    ...{ id: Buffer.alloc(16, fill), workspace_id: blob(workspaceId), pool_id: blob(poolId) },
    ...{ session_id: blob(session.id), account_name: 'a', pinned: 1, version: 1 },
    ...{ created_at: 1, updated_at: 1, deleted_at: null },
  });
  await store.write(async (tx) => {
    await insertProvider(tx, provider);
    await tx
      .insertInto('assignments')
      .values([assignment(1, pool.id), assignment(2, own.made.poolId)])
      .execute();
  });
  await store.close();

  const again = await own.restart();
  await again.ok(`${API}/DeletePool`, { workspaceId, poolId: pool.id });
  await again.plane.close();
  const reopened = await openStore({ path });
  const left = await loadProvider(reopened.db, uuid<WorkspaceId>(workspaceId), provider.id as ProviderId);
  const live = await reopened.db.selectFrom('assignments').select('id').where('deleted_at', 'is', null).execute();
  await reopened.close();
  await again.close();
  expect(left).toMatchObject({ targetPoolId: null, version: 2 });
  expect(live.map(({ id }) => id[0])).toEqual([2]);
});
