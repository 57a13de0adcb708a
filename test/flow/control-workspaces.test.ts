/** Workspaces from their making to their end, and the keys that work in them. */
import { create, toBinary } from '@bufbuild/protobuf';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreateAPIKeyRequestSchema } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { openStore } from '../../control/store/database.ts';
import { type ControlRig, startControlRig, staticSession } from '../helpers/control-rig.ts';

const ACCOUNTS = 'accounts.v1.Accounts';
const PROXIES = 'proxies.v1.Proxies';
const ABSENT = Buffer.alloc(16, 5).toString('base64');
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

async function makeWorkspace(name: string, on = rig): Promise<string> {
  return (await on.ok(`${ACCOUNTS}/CreateWorkspace`, { name })).workspace.id;
}

async function makeKey(workspaceId: string, policies: string[], on = rig): Promise<{ id: string; rawKey: string }> {
  const { apiKey, rawKey } = await on.ok(`${ACCOUNTS}/CreateAPIKey`, { name: policies.join(), workspaceId, policies });
  return { id: apiKey.id, rawKey };
}

describe('reading workspaces', () => {
  test('a workspace is shown with the version of its encryption key', async () => {
    const id = await makeWorkspace('shown');
    const { workspace } = await rig.ok(`${ACCOUNTS}/GetWorkspace`, { workspaceId: id });
    expect(workspace).toMatchObject({ id, name: 'shown', version: '1' });
    expect(workspace).not.toHaveProperty('keyRotation');
    expect(workspace).not.toHaveProperty('description');
  });

  test('an operator lists all of them, page by page, newest last; another key its own', async () => {
    const made = [await makeWorkspace('l1'), await makeWorkspace('l2'), await makeWorkspace('l3')];
    const walked: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await rig.ok(`${ACCOUNTS}/ListWorkspaces`, { limit: 2, cursor });
      expect(page.workspaceIds.length).toBeLessThanOrEqual(2);
      walked.push(...page.workspaceIds);
      cursor = page.nextCursor;
      if (cursor === '') break;
    }
    expect(walked[0]).toBe(rig.made.workspaceId);
    expect(walked.slice(-3)).toEqual(made);
    expect(new Set(walked).size).toBe(walked.length);
    const { rawKey } = await makeKey(made[1]!, ['gateway']);
    const own = await rig.ok(`${ACCOUNTS}/ListWorkspaces`, {}, rawKey);
    expect(own).toEqual({ workspaceIds: [made[1]], nextCursor: '' });
    const { nextCursor } = await rig.ok(`${ACCOUNTS}/ListWorkspaces`, { limit: 1000 });
    expect(nextCursor).toBe('');
  });

  test('a batch answers in request order, each once; to another key, foreign is absent', async () => {
    const [a, b] = [await makeWorkspace('b1'), await makeWorkspace('b2')];
    const all = await rig.ok(`${ACCOUNTS}/BatchGetWorkspaces`, { workspaceIds: [b, ABSENT, a, b] });
    expect(all.workspaces.map((workspace: { id: string }) => workspace.id)).toEqual([b, a]);
    expect(all.notFoundIds).toEqual([ABSENT]);
    const { rawKey } = await makeKey(a, ['accounts']);
    const own = await rig.ok(`${ACCOUNTS}/BatchGetWorkspaces`, { workspaceIds: [b, a, ABSENT] }, rawKey);
    expect(own.workspaces).toEqual([all.workspaces[1]]);
    expect(own.notFoundIds).toEqual([b, ABSENT]);
    for (const workspaceIds of [[], Array(1_001).fill(a), ['AA==']]) {
      expect((await rig.call(`${ACCOUNTS}/BatchGetWorkspaces`, { workspaceIds })).json.code).toBe('invalid_argument');
    }
  });
});

describe('changing a workspace', () => {
  const update = (workspaceId: string, more: object, key?: string) =>
    rig.call(`${ACCOUNTS}/UpdateWorkspace`, { workspaceId, ...more }, key);

  test('is partial, clears by an empty description, and moves the version only when something changed', async () => {
    const id = await makeWorkspace('before');
    const steps: [object, object][] = [
      [{ description: 'd' }, { name: 'before', description: 'd', version: '2' }],
      [{ name: 'after' }, { name: 'after', description: 'd', version: '3' }],
      [{ name: 'after', description: 'd' }, { version: '3' }],
      [{}, { name: 'after', description: 'd', version: '3' }],
      [{ description: '' }, { name: 'after', version: '4' }],
      [{ description: '', expectedVersion: '4' }, { version: '4' }],
    ];
    for (const [change, expected] of steps) {
      expect((await update(id, change)).json.workspace).toMatchObject(expected);
    }
    const { workspace } = await rig.ok(`${ACCOUNTS}/GetWorkspace`, { workspaceId: id });
    expect(workspace).not.toHaveProperty('description');
    expect(Date.parse(workspace.updatedAt)).toBeGreaterThanOrEqual(Date.parse(workspace.createdAt));
  });

  test('a version that has passed is aborted, and nothing changes', async () => {
    const id = await makeWorkspace('versioned');
    await update(id, { name: 'second' });
    expect((await update(id, { name: 'third', expectedVersion: '1' })).json.code).toBe('aborted');
    expect((await update(id, { expectedVersion: '1' })).json.code).toBe('aborted');
    expect((await rig.ok(`${ACCOUNTS}/GetWorkspace`, { workspaceId: id })).workspace.name).toBe('second');
  });

  test('wrong fields are refused by name', async () => {
    const id = await makeWorkspace('strict');
    for (const [wrong, field] of [
      [{ name: '' }, 'name'],
      [{ name: 'x'.repeat(65) }, 'name'],
      [{ description: 'x'.repeat(1_025) }, 'description'],
      [{ expectedVersion: '0' }, 'expectedVersion'],
    ] as const) {
      const answer = await update(id, wrong);
      expect(answer.json.details[0].debug.fieldViolations[0].field).toBe(field);
    }
  });
});

describe('keys of a workspace', () => {
  test('are listed in order of their making, the expired too, the deleted not, and never the key itself', async () => {
    const workspaceId = await makeWorkspace('keys');
    const [first, second] = [await makeKey(workspaceId, ['accounts']), await makeKey(workspaceId, ['gateway'])];
    const brief = {
      name: 'brief',
      workspaceId,
      policies: ['proxies'],
      expiresAt: new Date(Date.now() + 50).toISOString(),
    };
    const { apiKey: expired, rawKey } = await rig.ok(`${ACCOUNTS}/CreateAPIKey`, brief);
    await rig.ok(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: second.id });
    await expect.poll(async () => (await rig.call(`${ACCOUNTS}/ListPolicies`, {}, rawKey)).status).toBe(401);
    const answer = await rig.call(`${ACCOUNTS}/ListAPIKeys`, { workspaceId }, first.rawKey);
    const shown = answer.json.apiKeys as { id: string; expiresAt?: string }[];
    expect(shown.map(({ id }) => id)).toEqual([first.id, expired.id]);
    expect(shown[1]!.expiresAt).toBe(expired.expiresAt);
    expect(answer.text).not.toContain(first.rawKey.slice(12));
  });

  test('show when they were last used, at once and after a restart', async () => {
    const own = await startControlRig();
    const workspaceId = own.made.workspaceId;
    const { id, rawKey } = await makeKey(workspaceId, ['accounts'], own);
    const lastUse = async (on: ControlRig): Promise<string | undefined> => {
      const { apiKeys } = await on.ok(`${ACCOUNTS}/ListAPIKeys`, { workspaceId });
      return apiKeys.find((key: { id: string }) => key.id === id).lastUsedAt;
    };
    expect(await lastUse(own)).toBeUndefined();
    const startedMs = Date.now();
    await own.ok(`${ACCOUNTS}/ListPolicies`, {}, rawKey);
    const seen = await lastUse(own);
    expect(Math.abs(Date.parse(seen!) - startedMs)).toBeLessThan(2_000);
    const again = await own.restart();
    expect(await lastUse(again)).toBe(seen);
    await again.close();
  });

  test('there are at most 10,000 of them', async () => {
    const own = await startControlRig();
    const { workspaceId } = own.made;
    await own.plane.close();
    // As if they had been made one by one.
    const store = await openStore({ path: `${own.directory}/sallyport.db` });
    await store.write((tx) =>
      tx
        .insertInto('api_keys')
        .columns(['id', 'workspace_id', 'name', 'key_prefix', 'hash', 'policies', 'created_at'])
        .expression((eb) =>
          eb
            .selectFrom('api_keys')
            .crossJoin((join) => join.fn<{ value: number }>('json_each', [eb.val(numbers(9_998))]).as('n'))
            .select((row) => [
              row.fn<Buffer>('unhex', [row.fn('printf', [row.val('%032x'), row.ref('n.value')])]).as('id'),
              'api_keys.workspace_id',
              row.val('k').as('name'),
              row.val('sp_live_0000').as('key_prefix'),
              row.fn<Buffer>('unhex', [row.fn('printf', [row.val('%064x'), row.ref('n.value')])]).as('hash'),
              row.val('["gateway"]').as('policies'),
              row.val(0).as('created_at'),
            ]),
        )
        .execute(),
    );
    await store.close();
    const again = await startControlRig({ directory: own.directory });
    await makeKey(workspaceId, ['gateway'], again);
    const { apiKeys } = await again.ok(`${ACCOUNTS}/ListAPIKeys`, { workspaceId });
    expect(apiKeys).toHaveLength(10_000);
    const body = { name: 'one more', workspaceId, policies: ['gateway'] };
    expect((await again.call(`${ACCOUNTS}/CreateAPIKey`, body)).json.code).toBe('failed_precondition');
    await again.ok(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: apiKeys[0].id });
    expect((await again.call(`${ACCOUNTS}/CreateAPIKey`, body)).status).toBe(200);
    await again.close();
  });

  test('an expiry beyond what RFC 3339 can write is refused, although protobuf’s binary format can', async () => {
    const body = { name: 'k', workspaceId: rig.made.workspaceId, policies: ['gateway'] };
    const last = { ...body, expiresAt: '9999-12-31T23:59:59Z' };
    expect((await rig.ok(`${ACCOUNTS}/CreateAPIKey`, last)).apiKey.expiresAt).toBe('9999-12-31T23:59:59Z');
    const workspaceId = Buffer.from(rig.made.workspaceId, 'base64');
    for (const expiresAt of [{ seconds: 253_402_300_800n }, { seconds: -1n }, { seconds: 4_000_000_000n, nanos: -1 }]) {
      const request = create(CreateAPIKeyRequestSchema, { ...body, workspaceId, expiresAt });
      const bytes = toBinary(CreateAPIKeyRequestSchema, request);
      const headers = { 'content-type': 'application/proto' };
      const answer = await rig.call(`${ACCOUNTS}/CreateAPIKey`, bytes, undefined, headers);
      expect([answer.json.code, answer.json.message]).toEqual([
        'invalid_argument',
        expect.stringContaining('expiresAt'),
      ]);
    }
  });

  test('the last operator key stays: nobody could make another one', async () => {
    const own = await startControlRig();
    const { apiKeys } = await own.ok(`${ACCOUNTS}/ListAPIKeys`, { workspaceId: own.made.workspaceId });
    const refused = await own.call(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: apiKeys[0].id });
    expect(refused.json.code).toBe('failed_precondition');
    const other = await makeKey(own.made.workspaceId, ['operator'], own);
    expect((await own.call(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: apiKeys[0].id })).status).toBe(200);
    const last = await own.call(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: other.id }, other.rawKey);
    expect(last.json.code).toBe('failed_precondition');
    await own.close();
  });
});

function numbers(count: number): string {
  return JSON.stringify(Array.from({ length: count }, (_, i) => i + 1));
}

describe('deleting a workspace', () => {
  /** A workspace with everything in it. */
  async function furnished(on: ControlRig) {
    const workspaceId = await makeWorkspace('doomed', on);
    const { poolIds } = await on.ok(`${PROXIES}/ListPools`, { workspaceId });
    const source = { workspaceId, type: 'PROVIDER_TYPE_STATIC' };
    const { provider } = await on.ok(`${PROXIES}/ConnectProvider`, source);
    const rows = Array.from({ length: 600 }, (_, i) => ({
      ...{ token: `t${i}`, scheme: 'http', host: '203.0.113.9', port: 80, username: 'u', password: 'doomed-canary' },
    }));
    const place = { workspaceId, poolId: poolIds[0], providerId: provider.id };
    const { sessions } = await on.ok(`${PROXIES}/BulkCreateSessions`, { ...place, sessions: rows });
    const key = await makeKey(workspaceId, ['proxies', 'gateway', 'accounts'], on);
    return { workspaceId, poolId: poolIds[0], providerId: provider.id, sessionId: sessions[0].id, key };
  }

  test('takes everything in it along, at the gateway too, before it answers', async () => {
    const own = await startControlRig();
    const doomed = await furnished(own);
    const told = own.changes.length;
    expect(await own.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: doomed.workspaceId })).toEqual({});
    expect(own.changes.slice(told).map(({ kind }) => kind)).toEqual(['key-gone', 'pool-gone', 'provider-gone']);
    const { workspaceId, poolId, providerId, sessionId, key } = doomed;
    for (const [method, body] of [
      [`${ACCOUNTS}/GetWorkspace`, {}],
      [`${ACCOUNTS}/UpdateWorkspace`, { name: 'x' }],
      [`${ACCOUNTS}/DeleteWorkspace`, {}],
      [`${ACCOUNTS}/ListAPIKeys`, {}],
      [`${ACCOUNTS}/CreateAPIKey`, { name: 'x', policies: ['gateway'] }],
      [`${PROXIES}/GetPool`, { poolId }],
      [`${PROXIES}/GetProvider`, { providerId }],
      [`${PROXIES}/GetSession`, { sessionId }],
      [`${PROXIES}/ListSessions`, {}],
      [`${PROXIES}/CreatePool`, { name: 'x' }],
    ] as const) {
      expect([method, (await own.call(method, { workspaceId, ...body })).json.code]).toEqual([method, 'not_found']);
    }
    expect((await own.call(`${ACCOUNTS}/DeleteAPIKey`, { apiKeyId: key.id })).json.code).toBe('not_found');
    const batch = await own.ok(`${ACCOUNTS}/BatchGetWorkspaces`, { workspaceIds: [workspaceId] });
    expect(batch).toEqual({ workspaces: [], notFoundIds: [workspaceId] });
    expect((await own.ok(`${ACCOUNTS}/ListWorkspaces`, {})).workspaceIds).toEqual([own.made.workspaceId]);
    for (const method of ['GetWorkspace', 'ListPolicies']) {
      expect((await own.call(`${ACCOUNTS}/${method}`, { workspaceId }, key.rawKey)).json.code).toBe('unauthenticated');
    }
    const again = await own.restart();
    const kinds = new Set(again.changes.map(({ kind }) => kind));
    expect(again.changes.filter(({ kind }) => kind === 'session-put')).toHaveLength(1);
    expect(kinds).not.toContain('pool-gone');
    expect((await again.call(`${ACCOUNTS}/GetWorkspace`, { workspaceId })).json.code).toBe('not_found');
    await again.close();
  });

  test('leaves no sealed value, no encryption key and no live row of it on disk', async () => {
    const own = await startControlRig();
    const { workspaceId } = await furnished(own);
    await own.ok(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId });
    await own.plane.close();
    const store = await openStore({ path: `${own.directory}/sallyport.db` });
    const blob = Buffer.from(workspaceId, 'base64');
    const left: Record<string, unknown> = {};
    for (const table of ['sessions', 'pools', 'providers', 'api_keys', 'assignments'] as const) {
      const rows = await store.db.selectFrom(table).selectAll().where('workspace_id', '=', blob).execute();
      left[table] = rows.filter((row) => row.deleted_at === null).length;
    }
    const sealed = await store.db
      .selectFrom('sessions')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('workspace_id', '=', blob)
      .where('password_sealed', 'is not', null)
      .executeTakeFirstOrThrow();
    const keys = await store.db.selectFrom('workspace_keys').selectAll().where('workspace_id', '=', blob).execute();
    const events = await store.db.selectFrom('audit_events').selectAll().where('workspace_id', '=', blob).execute();
    await store.close();
    await own.close();
    expect(left).toEqual({ sessions: 0, pools: 0, providers: 0, api_keys: 0, assignments: 0 });
    expect([sealed.n, keys]).toEqual([0, []]);
    const last = events.at(-1)!;
    // The workspace, its 600 sessions, one pool, one provider, one key.
    expect([last.method, last.outcome, last.count]).toEqual([`${ACCOUNTS}/DeleteWorkspace`, 'ok', 604]);
    expect(JSON.parse(last.before!)).toMatchObject({ name: 'doomed' });
  });

  test('one’s own goes like any other, but for the one with the last operator key', async () => {
    const own = await startControlRig();
    const home = { workspaceId: own.made.workspaceId };
    const refused = await own.call(`${ACCOUNTS}/DeleteWorkspace`, home);
    expect(refused.json.code).toBe('failed_precondition');
    expect((await own.ok(`${ACCOUNTS}/GetWorkspace`, home)).workspace.id).toBe(own.made.workspaceId);
    const elsewhere = await makeWorkspace('elsewhere', own);
    const other = await makeKey(elsewhere, ['operator'], own);
    expect((await own.call(`${ACCOUNTS}/DeleteWorkspace`, home)).status).toBe(200);
    expect((await own.call(`${ACCOUNTS}/ListPolicies`, {})).json.code).toBe('unauthenticated');
    const last = await own.call(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: elsewhere }, other.rawKey);
    expect(last.json.code).toBe('failed_precondition');
    await own.close();
  });

  test('two operators cannot delete each other’s workspace at once', async () => {
    const own = await startControlRig();
    const elsewhere = await makeWorkspace('elsewhere', own);
    const other = await makeKey(elsewhere, ['operator'], own);
    const answers = await Promise.all([
      own.call(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: elsewhere }),
      own.call(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId: own.made.workspaceId }, other.rawKey),
    ]);
    const codes = answers.map(({ status, json }) => (status === 200 ? 'ok' : json.code));
    // The second may have been turned away at the door already, its key gone with the first.
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1);
    expect(['failed_precondition', 'unauthenticated']).toContain(codes.find((code) => code !== 'ok'));
    await own.close();
  });

  test('calls that waited behind it put nothing into it, and a second delete finds nothing', async () => {
    const own = await startControlRig();
    const { workspaceId, poolId, providerId } = await furnished(own);
    const calls: [string, object][] = [
      [`${ACCOUNTS}/DeleteWorkspace`, {}],
      [`${ACCOUNTS}/DeleteWorkspace`, {}],
      [`${ACCOUNTS}/CreateAPIKey`, { name: 'late', policies: ['gateway'] }],
      [`${PROXIES}/CreatePool`, { name: 'late' }],
      [`${PROXIES}/ConnectProvider`, { type: 'PROVIDER_TYPE_STATIC' }],
      [`${PROXIES}/CreateSession`, { ...staticSession(own, 'late'), poolId, providerId }],
      [`${ACCOUNTS}/UpdateWorkspace`, { name: 'late' }],
    ];
    const answers = await Promise.all(calls.map(([method, body]) => own.call(method, { ...body, workspaceId })));
    const deleted = answers.slice(0, 2).map(({ status }) => status);
    expect(deleted.sort()).toEqual([200, 404]);
    expect((await own.call(`${ACCOUNTS}/GetWorkspace`, { workspaceId })).status).toBe(404);
    const told = own.changes.findIndex(({ kind }) => kind === 'pool-gone');
    expect(own.changes.slice(told).filter(({ kind }) => kind.endsWith('-put'))).toEqual([]);
    const again = await own.restart();
    expect(again.changes.filter(({ kind }) => kind === 'key-put')).toHaveLength(1);
    await again.close();
  });

  test('that fails at the last moment leaves everything as it was', async () => {
    const own = await startControlRig();
    const { workspaceId, poolId, sessionId, key } = await furnished(own);
    await own.plane.close();
    const store = await openStore({ path: `${own.directory}/sallyport.db` });
    await store.write((tx) =>
      sql
        .raw(`create trigger refuse before insert on audit_events
          when new.method like '%DeleteWorkspace' and new.outcome = 'ok' begin select raise(abort, 'refused'); end`)
        .execute(tx),
    );
    await store.close();
    const again = await startControlRig({ directory: own.directory });
    const told = again.changes.length;
    expect((await again.call(`${ACCOUNTS}/DeleteWorkspace`, { workspaceId })).json.code).toBe('internal');
    expect(again.changes.length).toBe(told);
    expect((await again.ok(`${PROXIES}/GetPool`, { workspaceId, poolId }, key.rawKey)).pool.id).toBe(poolId);
    const update = { workspaceId, sessionId, enabled: false };
    expect((await again.ok(`${PROXIES}/UpdateSession`, update, key.rawKey)).session.enabled).toBe(false);
    await again.close();
  });
});
