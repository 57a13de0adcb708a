/** What the gateway does, through the control API: live states, explanations, records of requests. */
import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { ExplainQuery, Explanation, SessionLiveState } from '../../src/core/observed.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { finishAt, newRing } from '../helpers/observed-records.ts';
import { uuidOf as uuid } from '../helpers/proxied.ts';

const PROXIES = 'proxies.v1.Proxies';
const ring = newRing();
const states = new Map<string, SessionLiveState>();
const explained: ExplainQuery[] = [];
let explanation: Explanation;
let rig: ControlRig;

beforeAll(async () => {
  rig = await startControlRig({
    gateway: {
      findRequest: async (requestId) => ring.find(requestId),
      sessionStates: async ({ sessionIds }) => sessionIds.flatMap((id) => states.get(id) ?? []),
      explain: async (query) => {
        explained.push(query);
        return explanation;
      },
    },
  });
});
afterAll(() => rig.close());

const wire = (id: string) => Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64');
const workspace = () => uuid<WorkspaceId>(rig.made.workspaceId);
const ask = (method: string, body: object) =>
  rig.call(`${PROXIES}/${method}`, { workspaceId: rig.made.workspaceId, ...body });

/** Adds sessions to the pool `default`; answers their ids as JSON has them. */
async function addSessions(prefix: string, count: number): Promise<string[]> {
  const { workspaceId, poolId, providerId } = rig.made;
  const sessions = Array.from({ length: count }, (_, i) => {
    return { token: `${prefix}${i}`, scheme: 'http', host: '203.0.113.7', port: 1 };
  });
  const answer = await rig.ok(`${PROXIES}/BulkCreateSessions`, { workspaceId, poolId, providerId, sessions });
  return answer.sessions.map(({ id }: { id: string }) => id);
}

function liveState(sessionId: string, over: Partial<SessionLiveState> = {}): SessionLiveState {
  return {
    ...{ sessionId: uuid<SessionId>(sessionId), health: 'healthy', inflight: 0, lastCause: null },
    ...{ ejectedUntilMs: null, latencyMs: null, bytesOut: 0, bytesIn: 0 },
    ...over,
  };
}

test('states have durations and times of the protobuf mapping, and leave out what there is not', async () => {
  const [busy, out, unseen] = await addSessions('s', 3);
  states.set(
    uuid(busy!),
    liveState(busy!, { inflight: 2, latencyMs: 12.3456789, bytesOut: 2 ** 40, bytesIn: 7, lastCause: 'idle_timeout' }),
  );
  const ejectedUntilMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  states.set(uuid(out!), liveState(out!, { health: 'ejected', ejectedUntilMs }));
  const sessionIds = [unseen, out, busy, wire(randomUUID()), out];
  const answer = await ask('ListSessionStates', { poolId: rig.made.poolId, sessionIds });
  expect(answer.json).toEqual({
    states: [
      {
        sessionId: busy,
        health: 'SESSION_HEALTH_HEALTHY',
        inflight: 2,
        lastCause: 'idle_timeout',
        latency: '0.012346s',
        bytesOut: String(2 ** 40),
        bytesIn: '7',
      },
      {
        sessionId: out,
        health: 'SESSION_HEALTH_EJECTED',
        inflight: 0,
        ejectedUntil: '2026-01-02T03:04:05.006Z',
        bytesOut: '0',
        bytesIn: '0',
      },
      // Told by the store alone: the gateway does not know it, so neither do we know how it fares.
      { sessionId: unseen, health: 'SESSION_HEALTH_UNSPECIFIED', inflight: 0, bytesOut: '0', bytesIn: '0' },
    ],
    nextCursor: '',
  });
});

test('a session whose password does not open is unusable, whatever the gateway says', async () => {
  const [broken] = await addSessions('broken', 1);
  states.set(uuid(broken!), liveState(broken!, { bytesIn: 5 }));
  const file = new Database(`${rig.directory}/sallyport.db`);
  file.prepare('update sessions set unusable = 1 where id = ?').run(Buffer.from(broken!, 'base64'));
  file.close();
  const answer = await ask('ListSessionStates', { poolId: rig.made.poolId, sessionIds: [broken] });
  expect(answer.json.states).toMatchObject([{ health: 'SESSION_HEALTH_UNUSABLE', bytesIn: '5' }]);
});

test('a pool is listed page by page in id order, without those of other pools and those deleted', async () => {
  const { pool } = (await ask('CreatePool', { name: 'paged' })).json;
  const create = async (token: string, poolId = pool.id) =>
    (await rig.ok(`${PROXIES}/CreateSession`, { ...staticSession(rig, token), poolId })).session.id as string;
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push(await create(`p${i}`));
  const elsewhere = await create('elsewhere', rig.made.poolId);
  await ask('DeleteSession', { sessionId: ids[3] });
  const live = ids.filter((_, i) => i !== 3).sort((a, b) => uuid(a).localeCompare(uuid(b)));
  const seen: string[] = [];
  let cursor = '';
  do {
    const { json } = await ask('ListSessionStates', { poolId: pool.id, limit: 2, cursor });
    seen.push(...json.states.map(({ sessionId }: { sessionId: string }) => sessionId));
    cursor = json.nextCursor;
  } while (cursor !== '');
  expect(seen).toEqual(live);
  const whole = await ask('ListSessionStates', { poolId: pool.id });
  expect([whole.json.states.length, whole.json.nextCursor]).toEqual([6, '']);
  expect((await ask('ListSessionStates', { poolId: pool.id, sessionIds: [elsewhere, ids[3]] })).json.states).toEqual(
    [],
  );
});

test.each([
  ['an unknown pool', () => ({ poolId: wire(randomUUID()) }), 'not_found'],
  ['no pool', () => ({}), 'invalid_argument'],
  [
    '1,001 ids',
    () => ({ poolId: rig.made.poolId, sessionIds: Array(1_001).fill(wire(randomUUID())) }),
    'invalid_argument',
  ],
  ['an id of 15 bytes', () => ({ poolId: rig.made.poolId, sessionIds: ['A'.repeat(20)] }), 'invalid_argument'],
  [
    'a cursor beside ids',
    () => ({ poolId: rig.made.poolId, sessionIds: [wire(randomUUID())], cursor: 'x' }),
    'invalid_argument',
  ],
  ['a strange cursor', () => ({ poolId: rig.made.poolId, cursor: 'x' }), 'invalid_argument'],
  ['a limit of 0', () => ({ poolId: rig.made.poolId, limit: 0 }), 'invalid_argument'],
])('ListSessionStates with %s', async (_name, body, code) => {
  expect((await ask('ListSessionStates', body())).json.code).toBe(code);
});

test('ResolveSession passes on what the gateway would do, and the target as one spelling', async () => {
  const [chosen, next] = [randomUUID(), randomUUID()];
  explanation = {
    poolId: uuid(rig.made.poolId),
    sessionId: chosen as SessionId,
    cause: null,
    reason: 'round_robin',
    runnerUpId: next as SessionId,
    eligibleCount: 2,
    exclusions: [{ reason: 'disabled', count: 3 }],
  };
  const { json } = await ask('ResolveSession', { username: 'default-session-x', targetHost: '127.1', targetPort: 443 });
  expect(json).toEqual({
    poolId: rig.made.poolId,
    sessionId: wire(chosen),
    runnerUpId: wire(next),
    reason: 'round_robin',
    eligibleCount: '2',
    exclusions: [{ reason: 'disabled', count: '3' }],
  });
  expect(explained.at(-1)).toEqual({
    workspaceId: workspace(),
    username: 'default-session-x',
    targetHost: '127.0.0.1',
    targetPort: 443,
  });
  explanation = {
    ...explanation,
    sessionId: null,
    runnerUpId: null,
    poolId: null,
    cause: 'pool_unknown',
    reason: 'pool_unknown',
    eligibleCount: 0,
    exclusions: [],
  };
  const none = await ask('ResolveSession', { username: 'nowhere', targetHost: 'a.test', targetPort: 80 });
  expect(none.json).toEqual({ reason: 'pool_unknown', cause: 'pool_unknown', eligibleCount: '0', exclusions: [] });
});

test.each([
  ['A.Test.', 'a.test'],
  ['[::FFFF:1.2.3.4]', '::ffff:102:304'],
  ['::1', '::1'],
  ['0x7f.1', '127.0.0.1'],
  ['2130706433', '127.0.0.1'],
])('ResolveSession takes the target %s', async (targetHost, canonical) => {
  expect((await ask('ResolveSession', { username: 'u', targetHost, targetPort: 1 })).status).toBe(200);
  expect(explained.at(-1)?.targetHost).toBe(canonical);
});

test.each([
  ['no name', { username: '', targetHost: 'a.test', targetPort: 80 }, 'username'],
  ['a name of 1,025 bytes', { username: `${'é'.repeat(512)}x`, targetHost: 'a.test', targetPort: 80 }, 'username'],
  ['a URL', { username: 'u', targetHost: 'http://a.test/', targetPort: 80 }, 'targetHost'],
  ['a host with its port', { username: 'u', targetHost: 'a.test:80', targetPort: 80 }, 'targetHost'],
  ['no address', { username: 'u', targetHost: '1.2.3.256', targetPort: 80 }, 'targetHost'],
  ['port 0', { username: 'u', targetHost: 'a.test', targetPort: 0 }, 'targetPort'],
  ['port 65536', { username: 'u', targetHost: 'a.test', targetPort: 65_536 }, 'targetPort'],
])('ResolveSession refuses %s by name', async (_name, body, field) => {
  const before = explained.length;
  const { json } = await ask('ResolveSession', body);
  expect([json.code, json.details[0].debug.fieldViolations[0].field]).toEqual(['invalid_argument', field]);
  expect(explained.length).toBe(before);
});

test('GetRequest answers the whole record of a request', async () => {
  const [first, second] = [randomUUID() as SessionId, randomUUID() as SessionId];
  const record = finishAt(ring, workspace(), {
    poolId: uuid(rig.made.poolId),
    sessionId: second,
    accountName: 'ann',
    kind: 'connect',
    cause: 'idle_timeout',
    attempts: [
      { sessionId: first, cause: 'upstream_refused', ms: 1.5 },
      { sessionId: second, cause: null, ms: 0.0004 },
    ],
    dialMs: 3,
    firstByteMs: 1_234.5678,
    durationMs: 86_400_000,
    bytesIn: 2 ** 52,
  });
  const { json } = await ask('GetRequest', { requestId: record.requestId });
  expect(json.request).toEqual({
    requestId: record.requestId,
    startedAt: '2026-02-03T04:05:06.789Z',
    clientAddress: '127.0.0.1:50000',
    apiKeyId: wire(record.keyId),
    identifiedBy: record.identifiedBy,
    poolId: rig.made.poolId,
    sessionId: wire(second),
    accountName: 'ann',
    targetHost: 'a.test',
    targetPort: 80,
    kind: 'connect',
    status: 200,
    stage: 'relay',
    cause: 'idle_timeout',
    attempts: [
      { sessionId: wire(first), cause: 'upstream_refused', duration: '0.001500s' },
      { sessionId: wire(second), cause: 'ok', duration: '0s' },
    ],
    resolve: '0.000013s',
    dial: '0.003s',
    firstByte: '1.234568s',
    duration: '86400s',
    bytesOut: '70',
    bytesIn: String(2 ** 52),
  });
});

test('a request that reached no session leaves out what it never had', async () => {
  const record = finishAt(ring, workspace(), { cause: 'pool_unknown', stage: 'select', status: 403 });
  const { request } = (await ask('GetRequest', { requestId: record.requestId })).json;
  expect(request).toMatchObject({ cause: 'pool_unknown', attempts: [], targetPort: 80 });
  for (const absent of ['poolId', 'sessionId', 'accountName', 'dial', 'firstByte'])
    expect(request).not.toHaveProperty(absent);
});

test('the record of another workspace is not found, exactly as one that is not kept', async () => {
  const foreign = finishAt(ring, randomUUID() as WorkspaceId);
  const [theirs, none] = await Promise.all([
    ask('GetRequest', { requestId: foreign.requestId }),
    ask('GetRequest', { requestId: randomUUID() }),
  ]);
  expect(theirs.status).toBe(404);
  expect(theirs.text).toBe(none.text);
  expect((await ask('GetRequest', { requestId: 'a b' })).json.code).toBe('invalid_argument');
  expect((await ask('GetRequest', {})).json.code).toBe('invalid_argument');
});
