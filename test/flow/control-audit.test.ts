/** The audit record through the front door: who changed what, told whole, and whole after anything that went on. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyAuditChain } from '../../control/store/audit-chain.ts';
import { openStore } from '../../control/store/database.ts';
import { type Answer, type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { full } from '../helpers/full.ts';

const ACCOUNTS = 'accounts.v1.Accounts';
const PROXIES = 'proxies.v1.Proxies';
/** Calls of the run with many at once, and how many of them wait at the same time. */
const CALLS = full ? 5_000 : 400;
const LANES = 32;

let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

interface Event {
  readonly id: string;
  readonly time: string;
  readonly workspaceId: string;
  readonly actorKeyId?: string;
  readonly method: string;
  readonly objectId?: string;
  readonly outcome: string;
  readonly count: number;
  readonly before?: Record<string, unknown>;
  readonly after?: Record<string, unknown>;
  readonly hash: string;
}

async function makeWorkspace(name: string): Promise<string> {
  return (await rig.ok(`${ACCOUNTS}/CreateWorkspace`, { name })).workspace.id;
}

async function makeKey(workspaceId: string, policies: string[], on = rig): Promise<{ id: string; rawKey: string }> {
  const { apiKey, rawKey } = await on.ok(`${ACCOUNTS}/CreateAPIKey`, { name: policies.join(), workspaceId, policies });
  return { id: apiKey.id, rawKey };
}

/** The whole record of a workspace, walked in pages of `limit`. */
async function eventsOf(workspaceId: string, limit = 1_000, key?: string): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor = ''; ; ) {
    const page = await rig.ok(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit, cursor }, key);
    expect(page.events.length).toBeLessThanOrEqual(limit);
    events.push(...page.events);
    cursor = page.nextCursor;
    if (cursor === '') return events;
  }
}

const short = ({ method, outcome }: Event) => `${method.split('/').at(-1)} ${outcome}`;

test('the record of a workspace is told whole, newest last, page by page', async () => {
  const workspaceId = await makeWorkspace('told');
  const { id: keyId, rawKey } = await makeKey(workspaceId, ['accounts']);
  const update = (name: string) => rig.ok(`${ACCOUNTS}/UpdateWorkspace`, { workspaceId, name }, rawKey);
  for (const name of ['one', 'two', 'two']) await update(name);
  const events = await eventsOf(workspaceId);
  expect(events.map(short)).toEqual([
    ...['CreateWorkspace ok', 'CreateAPIKey ok', 'UpdateWorkspace ok', 'UpdateWorkspace ok', 'UpdateWorkspace ok'],
  ]);
  const [, , first, , unchanged] = events;
  expect(first).toMatchObject({
    ...{ method: `${ACCOUNTS}/UpdateWorkspace`, workspaceId, objectId: workspaceId, actorKeyId: keyId, count: 1 },
    ...{ before: { name: 'told' }, after: { name: 'one' } },
  });
  expect(Math.abs(Date.parse(first!.time) - Date.now())).toBeLessThan(60_000);
  expect(Buffer.from(first!.hash, 'base64')).toHaveLength(32);
  expect(unchanged).toMatchObject({ count: 0 });
  expect(unchanged).not.toHaveProperty('before');
  expect(await eventsOf(workspaceId, 2)).toEqual(events);
  expect(await eventsOf(workspaceId, 1, rawKey)).toEqual(events);
  const numbers = events.map(({ id }) => Number(id));
  expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers);
});

test('what was made and what was deleted are told, and never a secret', async () => {
  const workspaceId = await makeWorkspace('contents');
  const { id, rawKey } = await makeKey(workspaceId, ['gateway']);
  await rig.ok(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: id });
  const events = await eventsOf(workspaceId);
  const shown = { name: 'gateway', keyPrefix: rawKey.slice(0, 12), policies: ['gateway'] };
  expect(events.slice(1).map(({ before, after }) => [before, after])).toEqual([
    [undefined, shown],
    [shown, undefined],
  ]);
  expect(events[0]).toMatchObject({ after: { name: 'contents' } });
  expect(JSON.stringify(events)).not.toContain(rawKey.slice(12));
});

test('it is for who manages accounts; an operator reads any workspace’s', async () => {
  const workspaceId = await makeWorkspace('closed');
  const elsewhere = await makeWorkspace('elsewhere');
  for (const policies of [['proxies'], ['proxies-viewer'], ['gateway']]) {
    const { rawKey } = await makeKey(workspaceId, policies);
    expect((await rig.call(`${ACCOUNTS}/ListAuditEvents`, { workspaceId }, rawKey)).json.code).toBe(
      'permission_denied',
    );
  }
  const { rawKey } = await makeKey(elsewhere, ['accounts']);
  expect((await rig.call(`${ACCOUNTS}/ListAuditEvents`, { workspaceId }, rawKey)).json.code).toBe('permission_denied');
  expect((await eventsOf(workspaceId)).map(({ workspaceId: of }) => of)).toEqual(Array(4).fill(workspaceId));
});

test('refused attempts are told in the workspace of the key that tried', async () => {
  const workspaceId = await makeWorkspace('refused');
  const elsewhere = await makeWorkspace('not mine');
  const { id, rawKey } = await makeKey(workspaceId, ['proxies-viewer', 'accounts']);
  await rig.call(`${PROXIES}/CreatePool`, { workspaceId, name: 'p' }, rawKey);
  await rig.call(`${ACCOUNTS}/UpdateWorkspace`, { workspaceId: elsewhere, name: 'p' }, rawKey);
  await rig.call(`${ACCOUNTS}/UpdateWorkspace`, { workspaceId, name: '' }, rawKey);
  await rig.call(`${ACCOUNTS}/UpdateWorkspace`, { workspaceId, expectedVersion: '9' }, rawKey);
  await rig.call(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: elsewhere }, rawKey);
  await rig.call(`${PROXIES}/CreatePool`, { workspaceId, name: 'p' }, 'sp_live_unknown');
  const events = (await eventsOf(workspaceId)).slice(2);
  expect(events.map(short)).toEqual([
    'CreatePool permission_denied',
    'UpdateWorkspace permission_denied',
    'UpdateWorkspace invalid_argument',
    'UpdateWorkspace aborted',
    'DeleteAPIKey not_found',
  ]);
  for (const event of events) expect(event).toMatchObject({ actorKeyId: id, count: 0 });
  expect((await eventsOf(elsewhere)).map(short)).toEqual(['CreateWorkspace ok']);
});

test('a cursor that is not of this list is refused', async () => {
  const workspaceId = rig.made.workspaceId;
  await makeKey(workspaceId, ['gateway']);
  const list = (cursor: string) => rig.call(`${ACCOUNTS}/ListAuditEvents`, { workspaceId, limit: 1, cursor });
  const { nextCursor } = (await list('')).json;
  const other = await rig.ok(`${ACCOUNTS}/ListWorkspaces`, { limit: 1 });
  const bytes = Buffer.from(nextCursor, 'base64url');
  const farOff = Buffer.concat([bytes.subarray(0, 1), Buffer.alloc(8, 0xff)]).toString('base64url');
  for (const wrong of ['x', '1', other.nextCursor || 'AQ', `${nextCursor}A`, `${nextCursor}=`, farOff]) {
    expect([wrong, (await list(wrong)).json.code]).toEqual([wrong, 'invalid_argument']);
  }
  expect((await list(nextCursor)).status).toBe(200);
});

test(`${CALLS} calls at once, some refused, some undone: one row each, and the chain is whole`, async () => {
  const own = await startControlRig();
  const { workspaceId, poolId, providerId } = own.made;
  const viewer = await makeKey(workspaceId, ['proxies-viewer'], own);
  const tally = new Map<string, number>();
  const count = (name: string) => void tally.set(name, (tally.get(name) ?? 0) + 1);
  for (const name of ['bootstrap ok', 'CreateAPIKey ok']) count(name);
  const session = (token: string) => staticSession(own, token, { username: 'u', password: 'audit-canary' });
  const place = { workspaceId, poolId, providerId };
  const endpoint = { scheme: 'http', host: '203.0.113.10', port: 8080 };
  // Few tokens, names and versions: so that calls meet, and some of each group of a commit fail.
  const attempts: ((n: number) => [string, object, string?])[] = [
    (n) => [`${PROXIES}/CreateSession`, session(`t${n % 40}`)],
    (n) => [`${PROXIES}/CreatePool`, { workspaceId, name: `p${n % 10}` }],
    (n) => [`${ACCOUNTS}/UpdateWorkspace`, { workspaceId, name: `w${n % 3}`, expectedVersion: String(1 + (n % 5)) }],
    (n) => [`${ACCOUNTS}/CreateAPIKey`, { workspaceId, name: `k${n}`, policies: ['gateway'] }],
    (n) => [`${PROXIES}/DeleteSession`, { workspaceId, sessionId: Buffer.alloc(16, n).toString('base64') }],
    (n) => [`${PROXIES}/CreateSession`, { ...session(`v${n}`) }, viewer.rawKey],
    (n) => [`${PROXIES}/BulkCreateSessions`, { ...place, sessions: [{ ...endpoint, token: `b${n % 20}` }] }],
    (n) => [`${PROXIES}/GetPool`, { workspaceId, poolId, n: n % 2 === 0 ? undefined : 1 }],
    () => [`${PROXIES}/CreateSession`, session('nobody'), 'sp_live_unknown'],
  ];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < CALLS) {
      const n = next++;
      const [method, body, key] = attempts[(n * 7 + Math.floor(n / 9)) % attempts.length]!(n);
      const answer: Answer = await own.call(method, body, key);
      const outcome = answer.status === 200 ? 'ok' : answer.json.code;
      const isTold = !method.endsWith('/GetPool') && outcome !== 'unauthenticated';
      if (isTold) count(`${method.split('/').at(-1)} ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await own.plane.close();
  const store = await openStore({ path: `${own.directory}/sallyport.db` });
  const rows = await store.db.selectFrom('audit_events').selectAll().orderBy('id').execute();
  const broken = await verifyAuditChain(store.db);
  await store.write((tx) => tx.updateTable('audit_events').set({ count: 7 }).where('id', '=', 5).execute());
  const tampered = await verifyAuditChain(store.db);
  await store.close();
  await own.close();
  const found = new Map<string, number>();
  for (const { method, outcome } of rows) {
    const name = `${method.split('/').at(-1)} ${outcome}`;
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(tally));
  // Each kind of end occurred, or this run has shown less than it says.
  const outcomes = new Set(rows.map(({ outcome }) => outcome));
  for (const outcome of ['ok', 'failed_precondition', 'already_exists', 'aborted', 'not_found', 'permission_denied']) {
    expect(outcomes).toContain(outcome);
  }
  expect(broken).toBeNull();
  expect(tampered).toEqual({ id: 5, fault: 'altered' });
  expect(JSON.stringify(rows)).not.toContain('canary');
});
