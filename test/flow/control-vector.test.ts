/** The reference vector of CreateSession, replayed over HTTP against a store that holds its ids. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idFrom } from '../../control/convert/ids.ts';
import { loadMasterKey } from '../../control/secrets/master-key.ts';
import { openVault } from '../../control/secrets/vault.ts';
import { newProvider } from '../../control/services/connect-provider.ts';
import { newPool } from '../../control/services/pools.ts';
import { openStore } from '../../control/store/database.ts';
import { insertPool } from '../../control/store/pools.ts';
import { insertProvider } from '../../control/store/providers.ts';
import { insertWorkspace } from '../../control/store/workspaces.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { PoolId, ProviderId, WorkspaceId } from '../../src/core/model.ts';
import vector from '../fixtures/create-session.json' with { type: 'json' };
import { type ControlRig, startControlRig } from '../helpers/control-rig.ts';

const idOf = <Id extends string>(wire: string) => idFrom<Id>(Buffer.from(wire, 'base64'));
const method = vector.path.slice(1);
let rig: ControlRig;

beforeAll(async () => {
  const first = await startControlRig();
  await first.plane.close();
  await seed(first.directory);
  rig = await startControlRig({ directory: first.directory });
});
afterAll(() => rig.close());

/** Puts the vector's workspace, pool and provider where the service finds them. */
async function seed(directory: string): Promise<void> {
  const { request } = vector;
  const workspaceId = idOf<WorkspaceId>(request.workspaceId);
  const masterKey = loadMasterKey({ value: null, file: join(directory, 'master.key'), mayCreate: false });
  const store = await openStore({ path: join(directory, 'sallyport.db') });
  const vault = await openVault(store.db, { masterKey, clock: systemClock });
  const pool = newPool({ clock: systemClock, newId: () => idOf<PoolId>(request.poolId) as never }, workspaceId, 'p');
  const newId = () => idOf<ProviderId>(request.providerId) as never;
  await store.write(async (tx) => {
    const stamps = { version: 1, createdAtMs: 1, updatedAtMs: 1 };
    await insertWorkspace(tx, { id: workspaceId, name: 'vector', description: null, ...stamps });
    await vault.createWorkspaceKey(tx, workspaceId);
    await insertPool(tx, pool);
    await insertProvider(tx, newProvider({ clock: systemClock, newId }, workspaceId, 'static', null));
  });
  await store.close();
}

test('the response is the vector byte for byte, but for what the service makes', async () => {
  const answer = await rig.call(method, vector.request);
  const { id, createdAt, updatedAt } = answer.json.session;
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json');
  const expected = { session: { ...vector.response.session, id, createdAt, updatedAt } };
  expect(answer.text).toBe(JSON.stringify(expected));
  expect(Buffer.from(id, 'base64')).toHaveLength(16);
  expect(Buffer.from(id, 'base64')[6]! >> 4).toBe(7);
  expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  expect(updatedAt).toBe(createdAt);
});

const errors: Record<keyof typeof vector.errors, () => Promise<Awaited<ReturnType<ControlRig['call']>>>> = {
  failed_precondition: () => rig.call(method, vector.request),
  unauthenticated: () => rig.call(method, vector.request, null),
  permission_denied: async () => {
    const { rawKey } = await rig.ok('accounts.v1.Accounts/CreateAPIKey', {
      name: 'viewer',
      workspaceId: vector.request.workspaceId,
      policies: ['proxies-viewer'],
    });
    return rig.call(method, vector.request, rawKey);
  },
  not_found: () => rig.call(method, { ...vector.request, poolId: vector.request.providerId }),
  invalid_argument: () => rig.call(method, { ...vector.request, token: '' }),
  resource_exhausted: async () => {
    const slow = await startControlRig({ rpcRate: 1, rpcBurst: 1 });
    await slow.call('accounts.v1.Accounts/ListPolicies', {});
    const answer = await slow.call(method, vector.request);
    await slow.close();
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    return answer;
  },
  internal: async () => {
    const broken = await startControlRig();
    await broken.plane.close();
    const store = await openStore({ path: join(broken.directory, 'sallyport.db') });
    await store.write((tx) => tx.deleteFrom('workspace_keys').execute());
    await store.close();
    const again = await startControlRig({ directory: broken.directory });
    const { workspaceId, poolId, providerId } = broken.made;
    const answer = await again.call(method, { ...vector.request, workspaceId, poolId, providerId });
    expect(again.logged.filter((line) => line.includes('rpc failed'))).toHaveLength(1);
    expect(again.logged.join()).not.toContain(vector.request.password);
    await again.close();
    return answer;
  },
};

test.each(Object.keys(errors) as (keyof typeof errors)[])(
  '%s has the code, the status and the text of the vector',
  async (code) => {
    const answer = await errors[code]();
    expect(answer.status).toBe(vector.errors[code].status);
    expect(answer.json.code).toBe(code);
    expect(answer.json.message.startsWith(vector.errors[code].message)).toBe(true);
  },
);
