/**
 * Both planes in one thread, with traffic: what a request of an account is booked and
 * recorded under, and what becomes of a binding that was made in a request's turn. Who
 * decides on accounts is stood in for at the moment when a request is given its route.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { GatewayContext } from '../../gateway/context.ts';
import { Exchange } from '../../gateway/exchange.ts';
import type { AccountBinding, RecordBindings } from '../../src/core/account-binding.ts';
import type { PoolId } from '../../src/core/model.ts';
import { type ControlRig, RIG_KEY, startControlRig, staticSession } from '../helpers/control-rig.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const AUTHORIZATION = `Basic ${Buffer.from(`default:${RIG_KEY}`).toString('base64')}`;

let rig: GatewayRig;
let control: ControlRig;
let upstream: RecordingUpstream;
let client: ProxiedClient;
/** The id of the only session. */
let session: string;
let recordBindings: RecordBindings;
/** The gateway's. */
let log: RecordedLog;

beforeEach(async () => {
  recordBindings = (batch) => control.plane.recordBindings(structuredClone(batch));
  log = recordedLog();
  rig = await startGatewayRig({ log, recordBindings: (batch) => recordBindings(batch) });
  const { gateway } = rig;
  control = await startControlRig({
    gateway: {
      apply: async (changes) => gateway.apply(structuredClone(changes)),
      drainUsage: () => gateway.drainUsage(),
      findRequest: async (id) => gateway.findRequest(id),
      snapshot: async () => gateway.snapshot(),
    },
  });
  upstream = await startRecordingUpstream();
  const asked = staticSession(control, 'only', { host: '127.0.0.1', port: upstream.port });
  session = (await control.ok('proxies.v1.Proxies/CreateSession', asked)).session.id;
  client = new ProxiedClient(rig.port);
});
afterEach(async () => {
  vi.restoreAllMocks();
  client.close();
  await rig.close();
  await control.close();
  await upstream.close();
});

/** From now on every request is an account's, and pushes these bindings of it. */
function actFor(accountName: string, bindings: readonly Partial<AccountBinding>[] = []): void {
  let context: GatewayContext | null = null;
  const { beginRequest } = GatewayContext.prototype;
  vi.spyOn(GatewayContext.prototype, 'beginRequest').mockImplementation(function (this: GatewayContext) {
    context = this;
    return beginRequest.call(this);
  });
  const { place } = Exchange.prototype;
  vi.spyOn(Exchange.prototype, 'place').mockImplementation(function (this: Exchange, route, trial) {
    this.accountName = accountName;
    const first = { accountName, poolId: route.poolId, sessionId: route.sessionId };
    for (const binding of bindings) {
      context!.bindings.push({ ...first, previousSessionId: null, reason: 'first_use', ...binding });
    }
    place.call(this, route, trial);
  });
}

const get = () => client.get('http://a.test/', AUTHORIZATION);
const inWorkspace = (more: object) => ({ workspaceId: control.made.workspaceId, ...more });

/** So many days from now, as the API writes a day. */
const dateIn = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** The live assignments of the account. */
async function rowsOf(accountName: string) {
  const { assignmentIds } = await control.ok('proxies.v1.Proxies/ListAssignments', inWorkspace({ accountName }));
  if (assignmentIds.length === 0) return [];
  return (await control.ok('proxies.v1.Proxies/BatchGetAssignments', inWorkspace({ assignmentIds }))).assignments;
}

test('an account’s request stands under its name in its record and in the usage of the day', async () => {
  actFor('ann');
  const { requestId, status } = await get();
  expect(status).toBe(200);
  const { request } = await control.ok('proxies.v1.Proxies/GetRequest', inWorkspace({ requestId }));
  expect(request).toMatchObject({ accountName: 'ann', sessionId: session, status: 200 });
  vi.restoreAllMocks();
  const other = await get();
  const days = { startDate: dateIn(-1), endDate: dateIn(1) };
  const usage = async (more: object) =>
    (await control.ok('proxies.v1.Proxies/QueryProxyUsage', inWorkspace({ ...days, ...more }))).records;
  await expect.poll(async () => (await usage({})).length, { timeout: 5_000 }).toBe(2);
  expect(await usage({ accountName: 'ann' })).toMatchObject([
    { accountName: 'ann', sessionId: session, requestCount: '1', errorCount: '0' },
  ]);
  const nobodys = await control.ok('proxies.v1.Proxies/GetRequest', inWorkspace({ requestId: other.requestId }));
  expect(nobodys.request).not.toHaveProperty('accountName');
});

test('a binding made in a request’s turn is a row soon after, and its moves are counted', async () => {
  const from = { previousSessionId: uuidOf<AccountBinding['sessionId']>(control.made.poolId) };
  actFor('ann', [{}, { ...from, reason: 'ejected' }]);
  expect((await get()).status).toBe(200);
  await expect.poll(async () => (await rowsOf('ann')).length).toBe(1);
  expect(await rowsOf('ann')).toMatchObject([{ sessionId: session, version: '1' }]);
  const page = await (await fetch(`${control.url}/metrics`)).text();
  expect(page).toContain('sallyport_sticky_moves_total{reason="ejected"} 1\n');
  expect(page).toContain('sallyport_sticky_moves_total{reason="provider_disabled"} 0\n');
  const { directory } = await contextOf();
  expect(directory.findAssignment(uuidOf<PoolId>(control.made.poolId), 'ann')?.sessionId).toBe(uuidOf(session));
});

/** The gateway's context, as its next request shows it. */
async function contextOf(): Promise<GatewayContext> {
  vi.restoreAllMocks();
  const { beginRequest } = GatewayContext.prototype;
  const seen = vi.spyOn(GatewayContext.prototype, 'beginRequest').mockImplementation(function (this: GatewayContext) {
    return beginRequest.call(this);
  });
  await get();
  return seen.mock.contexts[0] as GatewayContext;
}

test('a request never waits for its binding', async () => {
  const gate = Promise.withResolvers<void>();
  const write = recordBindings;
  recordBindings = async (batch) => {
    await gate.promise;
    return write(batch);
  };
  actFor('ann', [{}]);
  expect((await get()).status).toBe(200);
  expect(await rowsOf('ann')).toEqual([]);
  gate.resolve();
  await expect.poll(async () => (await rowsOf('ann')).length).toBe(1);
});

test.each(['drain', 'close'] as const)('%s waits until the store has what was bound', async (way) => {
  const gate = Promise.withResolvers<void>();
  const write = recordBindings;
  let stopped = false;
  let stoppedAtWriting: boolean | null = null;
  recordBindings = async (batch) => {
    await gate.promise;
    stoppedAtWriting = stopped;
    return write(batch);
  };
  actFor('ann', [{}]);
  await get();
  client.close();
  const stop = (way === 'drain' ? rig.gateway.drain(5_000) : rig.gateway.close()).then(() => {
    stopped = true;
  });
  // Everything else of the stop is done by then.
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  await stop;
  expect(stoppedAtWriting).toBe(false);
  expect(await rowsOf('ann')).toMatchObject([{ sessionId: session }]);
});

test('a store that takes nothing does not hold a stop up for long, and what is lost is told of', async () => {
  recordBindings = () => Promise.reject(new Error('the disk is full'));
  actFor('ann', [{}]);
  await get();
  client.close();
  const startedAt = performance.now();
  await rig.gateway.close();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(log.lines).toContainEqual({ fields: { bindings: 1 }, message: 'bindings of accounts may be lost' });
  expect(await rowsOf('ann')).toEqual([]);
});
