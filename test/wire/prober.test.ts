/** When probes begin: never where a client's dial would have no room, one a session, pools in turn, and on a tick that runs only if it must. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Assembled, assemble } from '../../gateway/assemble.ts';
import { EASING, NORMAL, SHEDDING } from '../../gateway/load.ts';
import { Prober } from '../../gateway/prober.ts';
import { defaultLimits, type GatewayLimits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { OPEN_POLICY, type PoolId, type PoolPolicyState, type Route } from '../../src/core/model.ts';
import { plainEntrance, sessionId, WORKSPACE } from '../helpers/gateway-rig.ts';
import { handshake } from '../helpers/probing.ts';
import { eventually, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { pool, provider, putSession, StillClock } from '../unit/core/pool-index/fixture.ts';

const INTERVAL_MS = 10_000;
const TICK_MS = 100;
/** Nothing of it ends by itself in a test. */
const PROBE = handshake('a.test:443', { intervalMs: INTERVAL_MS, timeoutMs: 60_000 });

let made: Assembled;
let prober: Prober;
let clock: StillClock;
let upstream: RecordingUpstream;

beforeEach(async () => {
  // It never answers.
  upstream = await startRecordingUpstream(() => undefined);
});
afterEach(async () => {
  prober.close();
  const { context, exit } = made;
  expect(prober.size).toBe(0);
  await eventually('no socket is left', () => context.caps.holdings().sockets === 0);
  context.bindings.close();
  context.upstreams.close();
  context.resolver.close();
  context.deadlines.close();
  context.load.close();
  await exit.close();
  await upstream.close();
});

/** A prober on a clock that stands still; the first session of a pool is the first to be probed. */
async function start(limits: Partial<GatewayLimits> = {}): Promise<void> {
  clock = new StillClock();
  made = await assemble(
    {
      entrances: [plainEntrance],
      clientRanges: [],
      limits: { ...defaultLimits, ...limits },
      revokeGraceMs: 0,
      accessLog: false,
      dnsServers: null,
      upstreamsAllowPrivate: true,
      upstreamAuthorities: [],
      recordBindings: async () => [],
      log: silentLog,
      clock,
    },
    null,
  );
  prober = new Prober(made.context, () => 0);
  made.context.directory.apply({ kind: 'provider-put', provider: provider(1, { workspaceId: WORKSPACE }) });
}

function putPool(n: number, policy: Partial<PoolPolicyState> = {}): PoolId {
  const state = pool(n, { policy: { ...OPEN_POLICY, probe: PROBE, ...policy } });
  made.context.directory.apply({ kind: 'pool-put', pool: state });
  prober.heed(state.id);
  return state.id;
}

/** Session n of a pool, behind the upstream that never answers. */
function put(n: number, poolId: PoolId): void {
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port } as const;
  made.context.directory.apply(putSession(n, { id: sessionId(n), poolId, token: `token-${n}`, endpoint }));
}

/** So much time passes, by ticks. */
function pass(ms: number): void {
  for (let i = 0; i < ms / TICK_MS; i++) {
    clock.now += TICK_MS;
    prober.step();
  }
}

const dials = () => made.context.caps.holdings().dials;

test('each session has one probe at a time, however long that takes', async () => {
  await start();
  const poolId = putPool(1);
  for (let n = 0; n < 5; n++) put(n, poolId);
  pass(3 * INTERVAL_MS);
  expect([prober.size, dials()]).toEqual([5, 5]);
});

test.each([EASING, SHEDDING] as const)(
  'under load (%i) none begins, and what was missed is not made up for',
  async (level) => {
    await start();
    const poolId = putPool(1);
    for (let n = 0; n < 100; n++) put(n, poolId);
    made.context.load.level = level;
    pass(INTERVAL_MS);
    expect(prober.size).toBe(0);
    made.context.load.level = NORMAL;
    clock.now += TICK_MS;
    prober.step();
    expect(prober.size).toBeLessThanOrEqual(11);
    expect(prober.size).toBeGreaterThan(0);
  },
);

test('once it is closed none begins', async () => {
  await start();
  const poolId = putPool(1);
  put(0, poolId);
  pass(INTERVAL_MS + TICK_MS);
  expect(prober.size).toBe(1);
  prober.close();
  expect([prober.size, dials()]).toEqual([0, 0]);
  pass(2 * INTERVAL_MS);
  putPool(1, { probe: { ...PROBE, timeoutMs: 1_000 } });
  prober.start();
  pass(2 * INTERVAL_MS);
  expect([prober.size, prober.ticks]).toEqual([0, false]);
});

test('a session at its pool’s bound of dials is passed over, and the next one probed', async () => {
  await start();
  const poolId = putPool(1, { maxPendingDialsPerSession: 1 });
  for (const n of [0, 1]) put(n, poolId);
  const busy = made.context.directory.findPoolById(poolId)!;
  const route = busy.routeOf(busy.findById(sessionId(0))!) as Route;
  expect(made.context.caps.beginDial(route.live!, busy.state.policy)).toBeNull();
  pass(2 * INTERVAL_MS);
  expect([prober.size, dials()]).toEqual([1, 2]);
  made.context.caps.endDial(route.live!);
  pass(INTERVAL_MS + TICK_MS);
  expect([prober.size, dials()]).toEqual([2, 2]);
});

test.each<[string, Partial<GatewayLimits>, number]>([
  ['its places', { maxProbes: 3 }, 3],
  ['dials', { maxPendingDials: 3 }, 3],
])('the process has room for %s alone; whoever waits is next when there is room', async (_, limits, bound) => {
  await start(limits);
  const poolId = putPool(1);
  for (let n = 0; n < 10; n++) put(n, poolId);
  pass(5 * INTERVAL_MS);
  expect([prober.size, dials()]).toEqual([bound, bound]);
  made.context.directory.onRouteRetired = (route) => prober.retire(route);
  made.context.directory.apply({ kind: 'session-gone', poolId, sessionId: sessionId(0) });
  expect(prober.size).toBe(bound - 1);
  pass(INTERVAL_MS);
  expect(prober.size).toBe(bound);
});

test('where no socket is left for a dial, none is for a probe, and no trial is taken', async () => {
  await start();
  const poolId = putPool(1, { failuresToEject: 1, maxEjectedPercent: 100 });
  put(0, poolId);
  const { caps, directory, health } = made.context;
  const ill = directory.findPoolById(poolId)!;
  const route = ill.routeOf(ill.findById(sessionId(0))!) as Route;
  health.failed(route, 'a.test', 'upstream_refused', 0, 'endpoint');
  clock.now += OPEN_POLICY.baseEjectionMs;
  let held = 0;
  while (caps.hasSockets(route)) {
    caps.openSockets(route);
    held++;
  }
  pass(2 * INTERVAL_MS);
  expect([prober.size, ill.judge.stateOf(ill.findById(sessionId(0))!).health]).toEqual([0, 'half_open']);
  for (; held > 0; held--) caps.closeSockets(route);
  pass(INTERVAL_MS);
  // Its probe is the trial: for clients it is out until that has ended.
  expect([prober.size, ill.size]).toEqual([1, 0]);
});

test('pools take turns when there are not places for all', async () => {
  await start({ maxProbes: 2 });
  const ids = [1, 2, 3].map((n) => putPool(n));
  for (const [i, poolId] of ids.entries()) for (let n = 0; n < 100; n++) put(1_000 * i + n, poolId);
  const begun = new Map<PoolId, number>();
  const { directory } = made.context;
  directory.onRouteRetired = (route) => prober.retire(route);
  for (let round = 0; round < 60; round++) {
    pass(TICK_MS);
    for (const poolId of ids) {
      const one = directory.findPoolById(poolId)!;
      for (let slot = 0; slot < one.members.end; slot++) {
        const member = one.members.get(slot);
        if (!member?.live?.dials) continue;
        begun.set(poolId, (begun.get(poolId) ?? 0) + 1);
        directory.apply({ kind: 'session-gone', poolId, sessionId: member.id });
      }
    }
    expect(prober.size).toBe(0);
  }
  const counts = ids.map((poolId) => begun.get(poolId) ?? 0);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(30);
});

describe('the tick', () => {
  test('runs once the sessions are loaded, while a pool that is enabled asks for probes', async () => {
    await start();
    const seen: boolean[] = [prober.ticks];
    const see = () => seen.push(prober.ticks);
    putPool(1, { probe: null });
    prober.start();
    see();
    putPool(1);
    see();
    putPool(1, { probe: null });
    see();
    const poolId = putPool(1);
    made.context.directory.apply({ kind: 'pool-put', pool: pool(1, { enabled: false }) });
    prober.heed(poolId);
    see();
    putPool(1);
    made.context.directory.apply({ kind: 'pool-gone', poolId });
    prober.heed(poolId);
    see();
    expect(seen).toEqual([false, false, true, false, false, false]);
  });

  test('waits for the load', async () => {
    await start();
    putPool(1);
    expect(prober.ticks).toBe(false);
    prober.start();
    expect(prober.ticks).toBe(true);
  });
});
