/**
 * Who may do what: every method of both services × every kind of caller. The rows
 * are written down here, not read from the code; a method without a row fails.
 * What lives in another workspace must be answered byte for byte like what does
 * not exist, and nothing of it may show in any answer.
 */
import type { DescField, DescMethod } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fullName } from '../../control/interceptors/method-rules.ts';
import type { FinishedRequest } from '../../src/core/observed.ts';
import { type ControlRig, RIG_KEY, startControlRig } from '../helpers/control-rig.ts';
import { uuidOf } from '../helpers/proxied.ts';

/** What a caller needs: one policy's permission, any good key, or the operator's. */
type Needs = 'view' | 'manage' | 'accounts' | 'operate' | 'any';

const ROWS: Readonly<Record<string, Needs>> = {
  ...rows('accounts.v1.Accounts', {
    any: ['GetWorkspace', 'BatchGetWorkspaces', 'ListWorkspaces', 'ListPolicies'],
    accounts: ['UpdateWorkspace', 'CreateAPIKey', 'ListAPIKeys', 'DeleteAPIKey', 'ListAuditEvents'],
    operate: ['CreateWorkspace', 'DeleteWorkspace', 'RotateWorkspaceKey', 'RotateMasterKey', 'CreateBackup'],
  }),
  ...rows('proxies.v1.Proxies', {
    view: [
      ...['GetSession', 'ListSessions', 'BatchGetSessions', 'ListSessionStates'],
      ...['GetPool', 'BatchGetPools', 'ListPools', 'GetProvider', 'ListProviders', 'BatchGetProviders'],
      ...['GetAssignment', 'ListAssignments', 'BatchGetAssignments'],
      ...['QueryProxyUsage', 'ResolveSession', 'GetRequest', 'TailRequests'],
    ],
    manage: [
      ...['CreateSession', 'BulkCreateSessions', 'UpdateSession', 'DeleteSession'],
      ...['CreatePool', 'UpdatePool', 'DeletePool'],
      ...['ConnectProvider', 'UpdateProvider', 'RefreshProviderState', 'DeleteProvider'],
      ...['CreateAssignment', 'UpdateAssignment', 'RebindAssignment', 'BulkCreateAssignment', 'DeleteAssignment'],
    ],
  }),
};

function rows(service: string, needs: Partial<Record<Needs, readonly string[]>>): Record<string, Needs> {
  const pairs = Object.entries(needs).flatMap(([need, names]) =>
    names.map((name) => [`${service}/${name}`, need as Needs]),
  );
  return Object.fromEntries(pairs);
}

/** What each policy lets its key do. */
const MAY: Readonly<Record<string, readonly Needs[]>> = {
  operator: ['any', 'view', 'manage', 'accounts', 'operate'],
  proxies: ['any', 'view', 'manage'],
  'proxies-viewer': ['any', 'view'],
  gateway: ['any'],
  accounts: ['any', 'accounts'],
};

const METHODS = [...Accounts.methods, ...Proxies.methods];
const ABSENT = Buffer.alloc(16, 7).toString('base64');
const REQUEST_ID = 'aaaaaaaa-00000001';

let rig: ControlRig;
/** Of the workspace that is looked at: everything that must not show. */
const ids: Record<string, string> = {};
let otherWorkspace: string;
const keys: Record<string, string> = {};

interface Answered {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

beforeAll(async () => {
  rig = await startControlRig({ gateway: { findRequest: async () => record() } });
  ids.workspaceId = (await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'seen-canary' })).workspace.id;
  otherWorkspace = (await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'other' })).workspace.id;
  const own = { workspaceId: ids.workspaceId };
  const proxies = (name: string, body: object) => rig.ok(`proxies.v1.Proxies/${name}`, { ...own, ...body });
  ids.poolId = (await proxies('CreatePool', { name: 'pool-canary' })).pool.id;
  ids.providerId = (
    await proxies('ConnectProvider', { type: 'PROVIDER_TYPE_STATIC', name: 'provider-canary' })
  ).provider.id;
  const placed = { poolId: ids.poolId, providerId: ids.providerId };
  const endpoint = { scheme: 'http', host: 'host-canary.example', port: 8080 };
  ids.sessionId = (await proxies('CreateSession', { ...placed, token: 'token-canary', ...endpoint })).session.id;
  const bound = { poolId: ids.poolId, sessionId: ids.sessionId, accountName: 'account-canary' };
  ids.assignmentId = (await proxies('CreateAssignment', bound)).assignment.id;
  for (const policy of Object.keys(MAY)) keys[policy] = (await makeKey(ids.workspaceId!, [policy])).rawKey;
  keys.other = (await makeKey(otherWorkspace, ['proxies', 'accounts'])).rawKey;
  ids.apiKeyId = (await makeKey(ids.workspaceId!, ['gateway'])).apiKey.id;
  const revoked = await makeKey(ids.workspaceId!, ['operator']);
  await rig.ok('accounts.v1.Accounts/DeleteAPIKey', { apiKeyId: revoked.apiKey.id });
  keys.revoked = revoked.rawKey;
  const soon = new Date(Date.now() + 300).toISOString();
  keys.expired = (await makeKey(ids.workspaceId!, ['operator'], soon)).rawKey;
});
afterAll(() => rig.close());

async function makeKey(workspaceId: string, policies: string[], expiresAt?: string) {
  const name = workspaceId === otherWorkspace ? 'plain' : 'key-canary';
  const body = { name, workspaceId, policies, ...(expiresAt !== undefined && { expiresAt }) };
  return rig.ok('accounts.v1.Accounts/CreateAPIKey', body);
}

/** A request of the workspace that is looked at, as the gateway would remember it. */
function record(): FinishedRequest {
  const uuid = (id: string | undefined) => uuidOf(id!) as never;
  return {
    ...{ sequence: 1, requestId: REQUEST_ID, workspaceId: uuid(ids.workspaceId), startedAtMs: 1 },
    ...{ clientAddress: '127.0.0.1:1', keyId: uuid(ids.workspaceId), poolId: uuid(ids.poolId) },
    ...{
      sessionId: uuid(ids.sessionId),
      accountName: null,
      moved: null,
      identifiedBy: 'credentials',
      targetHost: 'target-canary',
      targetPort: 80,
    },
    ...{ kind: 'forward', status: 200, stage: 'relay', cause: null, attempts: [], resolveMs: 0, dialMs: 1 },
    ...{ firstByteMs: 2, durationMs: 3, bytesOut: 4, bytesIn: 5 },
  };
}

/** A call of any method: a stream's answer is its first frames, up to its end or a moment. */
async function call(method: DescMethod, body: object, key: string | null): Promise<Answered> {
  if (method.methodKind === 'unary') {
    const { status, text, json } = await rig.call(fullName(method), body, key);
    return { status, code: status === 200 ? 'ok' : String(json?.code), text };
  }
  const json = Buffer.from(JSON.stringify(body));
  const frame = Buffer.concat([Buffer.alloc(5), json]);
  frame.writeUInt32BE(json.length, 1);
  const response = await fetch(`${rig.url}/${fullName(method)}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/connect+json',
      'connect-timeout-ms': '300',
      ...(key !== null && { authorization: `Bearer ${key}` }),
    },
    body: frame,
  });
  const text = (await response.text()).replaceAll(/[^\x20-\x7e]/g, '');
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? 'ok';
  // A tail that was let in ends at its deadline.
  return { status: response.status, code: code === 'deadline_exceeded' ? 'ok' : code, text };
}

/** A request that names a workspace, and the given id wherever it names something else. */
function requestFor(method: DescMethod, workspaceId: string, idOf: (field: string) => string): Record<string, unknown> {
  const fields = method.input.fields.filter(isId);
  return Object.fromEntries(
    fields.map((field) => {
      const name = field.jsonName.replace(/Ids$/, 'Id');
      const id = field.name === 'workspace_id' ? workspaceId : idOf(name);
      return [field.jsonName, field.fieldKind === 'list' ? [id] : id];
    }),
  );
}

const isId = (field: DescField): boolean => /_ids?$/.test(field.name) && field.name !== 'request_id';

test('the expiring key expires', async () => {
  const listed = async () => (await rig.call('accounts.v1.Accounts/ListPolicies', {}, keys.expired!)).status;
  await expect.poll(listed).toBe(401);
});

test('every method has a row, and no row is of a method that is gone', () => {
  expect(Object.keys(ROWS).sort()).toEqual(METHODS.map(fullName).sort());
});

describe.each(METHODS.map((method) => [fullName(method), method] as const))('%s', (name, method) => {
  const needs = ROWS[name]!;
  const namesWorkspace = method.input.fields.some((field) => field.name === 'workspace_id');
  const ours = () => requestFor(method, ids.workspaceId!, () => ABSENT);

  test('no key, garbage, a revoked and an expired one: one and the same answer', async () => {
    const answers = await Promise.all(
      [null, 'sp_live_garbage', '', keys.revoked!, keys.expired!].map((key) => call(method, ours(), key)),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ code: 'unauthenticated' });
  });

  test.each(Object.keys(MAY).filter((policy) => policy !== 'operator'))('a key with %s', async (policy) => {
    const { code, text } = await call(method, ours(), keys[policy]!);
    if (MAY[policy]!.includes(needs)) expect(['permission_denied', 'unauthenticated']).not.toContain(code);
    else expect(code).toBe('permission_denied');
    if (code === 'permission_denied') expect(text).not.toContain('canary');
  });

  if (namesWorkspace) {
    test('naming a workspace: another is refused, one that is nowhere is not found', async () => {
      const foreign = await call(method, ours(), keys.other!);
      expect(foreign.code).toBe('permission_denied');
      expect(foreign.text).not.toContain('canary');
      expect(
        (
          await call(
            method,
            requestFor(method, ABSENT, () => ABSENT),
            RIG_KEY,
          )
        ).code,
      ).toBe('not_found');
      // To someone else's key, one that is nowhere looks like one that is another's.
      const nowhere = await call(
        method,
        requestFor(method, ABSENT, () => ABSENT),
        keys.other!,
      );
      expect([nowhere.status, nowhere.text]).toEqual([foreign.status, foreign.text]);
    });
  }

  test('an id of another workspace is answered like one that does not exist', async () => {
    // Only what the key may do at all; the rest is refused above.
    const withIds = (idOf: (field: string) => string) => ({
      ...required(method),
      ...requestFor(method, otherWorkspace, idOf),
    });
    const foreign = withIds((field) => ids[field] ?? ABSENT);
    const absent = withIds(() => ABSENT);
    const asked = [foreign, absent];
    if (method.name === 'GetRequest') {
      for (const body of asked) Object.assign(body, { requestId: body === foreign ? REQUEST_ID : 'absent-1' });
    }
    const [there, nowhere] = [await call(method, foreign, keys.other!), await call(method, absent, keys.other!)];
    // What was sent may come back (`notFoundIds`): it is the same for both once the ids are.
    const blind = (text: string) =>
      Object.values(ids)
        .reduce((shown, id) => shown.replaceAll(id, ABSENT), text)
        .replaceAll(volatile, '');
    expect([there.status, blind(there.text)]).toEqual([nowhere.status, blind(nowhere.text)]);
    expect(there.text).not.toContain('canary');
  });

  test('the operator is let in', async () => {
    // Not with our ids: the method would do what it is for.
    const answer = await call(
      method,
      requestFor(method, ABSENT, () => ABSENT),
      RIG_KEY,
    );
    expect(['permission_denied', 'unauthenticated', 'unimplemented', 'internal']).not.toContain(answer.code);
  });
});

/** Ids and times that the service makes anew in each answer. */
const volatile =
  /"(id|createdAt|updatedAt|startedAt|finishedAt|nextCursor|rawKey|keyPrefix|time|hash|token|name|version|lastUsedAt)":"[^"]*",?/g;

/** What a request needs beside ids to come as far as looking them up. */
function required(method: DescMethod): Record<string, unknown> {
  const values: Record<string, Record<string, unknown>> = {
    CreateSession: { token: 't', scheme: 'http', host: 'a.example', port: 1 },
    BulkCreateSessions: { sessions: [{ token: 't', scheme: 'http', host: 'a.example', port: 1 }] },
    CreatePool: { name: `p${Math.random().toString(36).slice(2)}` },
    ConnectProvider: { type: 'PROVIDER_TYPE_STATIC' },
    CreateAssignment: { accountName: 'a' },
    BulkCreateAssignment: { assignments: [{ accountName: 'a' }] },
    UpdateSession: { enabled: false },
    QueryProxyUsage: { startDate: '2026-01-01', endDate: '2026-01-02' },
    ResolveSession: { username: 'pool-canary', targetHost: 'a.example', targetPort: 80 },
    CreateAPIKey: { name: 'k', policies: ['gateway'] },
  };
  return values[method.name] ?? {};
}
