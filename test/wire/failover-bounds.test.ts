/**
 * Failover, within bounds: so many attempts, one deadline, a budget for each pool, no
 * session twice and none but its own for who is bound to one; and what a request holds of
 * its session goes along when it moves.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { GatewayLimits } from '../../src/core/limits.ts';
import {
  answersHead,
  answersOf,
  askFor,
  attemptsOf,
  headOf,
  holdsNothing,
  recordedHealth,
  recordsOf,
  serving,
} from '../helpers/failover.ts';
import { type GatewayRig, POOL, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import { reportOf } from '../helpers/usage-report.ts';
import {
  type Behaviour, eventually, RawClient, type RecordingUpstream, startRecordingUpstream, turns,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { recordedLog } from '../helpers/wire-log.ts';

const silent: Behaviour = () => undefined;
const resets: Behaviour = ({ socket }) => void socket.end();

let rig: GatewayRig;
let log: ReturnType<typeof recordedLog>;
let health: ReturnType<typeof recordedHealth>;
let upstreams: RecordingUpstream[] = [];
let clients: RawClient[] = [];

/** Sessions 1, 2, … in turn, each with an upstream of its own that does this. */
async function start(behaviours: readonly Behaviour[], limits: Partial<GatewayLimits> = {}): Promise<void> {
  health = recordedHealth();
  log = recordedLog();
  rig = await startGatewayRig({ limits, health, log });
  upstreams = await Promise.all(behaviours.map(startRecordingUpstream));
  upstreams.forEach(({ port }, i) => void rig.put(i + 1, port));
}
afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await rig.close();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

async function connect(username?: string): Promise<RawClient> {
  const client = await askFor(rig, 'CONNECT', username);
  clients.push(client);
  return client;
}

/** Asks for a tunnel, and answers what came of it and which attempts it took. */
async function attempt(username?: string): Promise<{ answers: string[]; attempts: string[]; ms: number }> {
  const begun = performance.now();
  const answers = await answersOf(await connect(username), 'CONNECT');
  const ms = performance.now() - begun;
  const [record] = await recordsOf(rig, 1);
  return { answers, attempts: attemptsOf(record!), ms };
}

const dials = (): number => upstreams.reduce((sum, { connections }) => sum + connections.length, 0);
const states = (...ns: number[]) => rig.gateway.sessionStates({ poolId: POOL, sessionIds: ns.map(sessionId) });
const inflight = (...ns: number[]): number[] => states(...ns).map((state) => state.inflight);

describe('how often', () => {
  test.each([
    [1, 12, 1],
    [3, 12, 3],
    [10, 12, 10],
    [10, 4, 4],
  ])('at most %i attempts over %i sessions are %i, each over another session', async (maxAttempts, sessions, made) => {
    await start(Array.from({ length: sessions }, () => resets));
    rig.putPool({ maxAttempts });
    const { answers, attempts } = await attempt();
    expect(answers).toEqual(['upstream_reset']);
    expect(attempts).toEqual(Array.from({ length: made }, (_, i) => `${i + 1} upstream_reset`));
    expect(dials()).toBe(made);
    expect(health.told).toEqual(attempts.map((one) => `failed ${one}`));
    const line = log.lines.find(({ message }) => message === 'request');
    expect(line!.fields).toMatchObject({ attempts: made, session_id: sessionId(made), cause: 'upstream_reset' });
    expect(rig.counted('upstream_reset')).toBe(1);
  });

  test('the answer is that of the last attempt', async () => {
    await start([resets, answersHead('garbage\r\n\r\n'), answersHead('HTTP/1.1 403 no\r\n\r\n'), serving]);
    const { answers, attempts } = await attempt();
    expect(answers).toEqual(['upstream_denied_target']);
    expect(attempts).toEqual(['1 upstream_reset', '2 upstream_protocol', '3 upstream_denied_target']);
  });

  test('a session that was changed meanwhile is the same session', async () => {
    await start([silent]);
    const client = await askFor(rig, 'GET');
    clients.push(client);
    await eventually('it is asked', () => upstreams[0]!.received() !== '');
    // It has another route from now on.
    rig.put(1, upstreams[0]!.port, { password: 'another' });
    upstreams[0]!.connections[0]!.socket.destroy();
    expect(await answersOf(client, 'GET')).toEqual(['upstream_reset']);
    expect(dials()).toBe(1);
  });
});

describe('how long', () => {
  test('an attempt that hangs is ended by the one deadline, and no other is begun behind it', async () => {
    await start([silent, serving], { connectReplyTimeoutMs: 5_000 });
    rig.putPool({ failoverDeadlineMs: 300 });
    const { answers, attempts, ms } = await attempt();
    expect(answers).toEqual(['upstream_reply_timeout']);
    expect(attempts).toEqual(['1 upstream_reply_timeout']);
    expect(ms).toBeGreaterThan(290);
    expect(ms).toBeLessThan(4_000);
    expect(upstreams[1]!.connections).toEqual([]);
  });

  test('each attempt keeps its own deadline, and all together the one', async () => {
    await start(
      Array.from({ length: 9 }, () => silent),
      { connectReplyTimeoutMs: 300 },
    );
    rig.putPool({ failoverDeadlineMs: 1_000, maxAttempts: 9 });
    const { answers, attempts, ms } = await attempt();
    expect(answers).toEqual(['upstream_reply_timeout']);
    expect(attempts.length).toBeGreaterThanOrEqual(2);
    expect(attempts.length).toBeLessThanOrEqual(4);
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThan(2_500);
  });

  test('where no other session could follow, the deadline over attempts is none', async () => {
    await start([silent], { connectReplyTimeoutMs: 500 });
    rig.putPool({ failoverDeadlineMs: 100 });
    const { attempts, ms } = await attempt();
    expect(attempts).toEqual(['1 upstream_reply_timeout']);
    expect(ms).toBeGreaterThan(490);
  });
});

describe('who does not move', () => {
  test('a sticky key in a pool that is strict', async () => {
    await start([resets, resets]);
    rig.putPool({ strict: true });
    const { attempts } = await attempt('default-session-mine');
    expect(attempts).toHaveLength(1);
    expect(dials()).toBe(1);
  });

  test('who named the token of a session', async () => {
    await start([resets, serving]);
    const { answers, attempts } = await attempt('default-session-token-1');
    expect(answers).toEqual(['upstream_reset']);
    expect(attempts).toEqual(['1 upstream_reset']);
  });

  test('without a key, a pool that is strict is none for failover', async () => {
    await start([resets, serving]);
    rig.putPool({ strict: true });
    expect((await answersOf(await connect(), 'CONNECT'))[0]).toBe('200');
  });
});

describe('when everything is down', () => {
  /** So many requests of which each is at its first upstream. */
  async function storm(count: number): Promise<RawClient[]> {
    const head = headOf(rig, 'CONNECT');
    const storming = await Promise.all(Array.from({ length: count }, () => RawClient.connect(rig.port)));
    clients.push(...storming);
    for (const client of storming) client.send(head);
    await eventually('each is at an upstream', () => dials() === count);
    return storming;
  }

  /** All that hangs at an upstream fails; answers how many dials follow at once. */
  async function fail(): Promise<number> {
    const before = dials();
    for (const { connections } of upstreams) for (const { socket } of [...connections]) socket.destroy();
    const settled = (): boolean => rig.gateway.holdings().inFlight === dials() - before;
    await eventually('each was refused, or is at another upstream', settled);
    await turns();
    return dials() - before;
  }

  test('200 requests make a fifth of that in further dials, and of those only the least number makes a third', async () => {
    await start(Array.from({ length: 4 }, () => silent));
    const storming = await storm(200);
    expect(await fail()).toBe(40);
    expect(await fail()).toBe(3);
    expect(await fail()).toBe(0);
    const answers = await Promise.all(storming.map((client) => answersOf(client, 'CONNECT')));
    expect(answers).toEqual(Array.from({ length: 200 }, () => ['upstream_reset']));
    expect(health.told).toHaveLength(243);
    const records = await recordsOf(rig, 200);
    for (const record of records) {
      const sessions = record.attempts.map((one) => one.sessionId);
      expect(new Set(sessions).size).toBe(sessions.length);
    }
  });

  test('a retry that finds no other session is none: the budget is whole when one comes', async () => {
    await start([resets]);
    for (let i = 0; i < 4; i++) expect(await answersOf(await connect(), 'CONNECT')).toEqual(['upstream_reset']);
    expect(rig.gateway.snapshot().failovers).toEqual([]);
    const late = await startRecordingUpstream(serving);
    upstreams.push(late);
    rig.put(2, late.port);
    for (let i = 0; i < 2; i++) expect(await answersOf(await connect(), 'CONNECT')).toEqual(['200']);
    expect(rig.gateway.snapshot().failovers).toEqual([{ labels: ['upstream_reset'], value: 1 }]);
  });

  test('a retry that was served is none any more: tunnels that stay open leave room for others', async () => {
    await start([silent, serving]);
    // Two more than may be under way at a time; the first turn of each request is session 1's.
    for (let round = 0; round < 5; round++) {
      const client = await connect();
      await eventually('it hangs', () => upstreams[0]!.connections.length === round + 1);
      upstreams[0]!.connections[round]!.socket.destroy();
      expect(await answersOf(client, 'CONNECT')).toEqual(['200']);
    }
    expect(rig.gateway.snapshot().failovers).toEqual([{ labels: ['upstream_reset'], value: 5 }]);
    expect(rig.gateway.holdings().tunnels).toBe(5);
  });
});

describe('what goes along', () => {
  test('a tunnel and its slot: the old session is free of it, the new one has it, and its end cuts it', async () => {
    await start([resets, serving]);
    rig.putPool({ maxTunnelsPerSession: 1 });
    const client = await connect();
    expect(await answersOf(client, 'CONNECT')).toEqual(['200']);
    expect(inflight(1, 2)).toEqual([0, 1]);
    expect(rig.gateway.holdings()).toMatchObject({ tunnels: 1, placed: 1, slots: { tunnels: 1, dials: 0 } });
    rig.remove(1);
    await client.send('still here').until((c) => c.text.endsWith('still here'));
    rig.remove(2);
    await eventually('it is cut', () => client.failed);
    await holdsNothing(rig);
  });

  test('an upgrade likewise', async () => {
    await start([resets, serving]);
    rig.putPool({ maxTunnelsPerSession: 1 });
    const client = await askFor(rig, 'upgrade');
    clients.push(client);
    expect(await answersOf(client, 'upgrade')).toEqual(['101']);
    expect(inflight(1, 2)).toEqual([0, 1]);
    rig.remove(1);
    await client.send('still here').until((c) => c.text.endsWith('still here'));
    rig.remove(2);
    await eventually('it is cut', () => client.failed);
    await holdsNothing(rig);
  });

  test('the only other session has no room for a tunnel: the cause stays, and nothing is held of either', async () => {
    await start([resets, serving]);
    rig.putPool({ maxTunnelsPerSession: 1 });
    expect(await answersOf(await connect(), 'CONNECT')).toEqual(['200']);
    upstreams[0]!.reset();
    health.told.length = 0;
    const second = await connect();
    expect(await answersOf(second, 'CONNECT')).toEqual(['upstream_reset']);
    expect(health.told).toEqual(['abandoned 2', 'failed 1 upstream_reset']);
    expect(inflight(1, 2)).toEqual([0, 1]);
    for (const client of clients) client.close();
    await holdsNothing(rig);
  });

  test('the traffic of each attempt is its own session’s; the request is that of the last', async () => {
    await start([resets, serving]);
    const client = await connect();
    await answersOf(client, 'CONNECT');
    client.socket.end();
    await client.untilEnd();
    await recordsOf(rig, 1);
    expect(states(1, 2).map(({ lastCause }) => lastCause)).toEqual(['upstream_reset', null]);
    const deltas = await reportOf(rig.gateway);
    const booked = deltas.map((one) => [one.sessionId, one.requestCount, one.errorCount, one.bytesOut, one.bytesIn]);
    expect(booked.sort()).toEqual([
      [sessionId(1), 0, 0, upstreams[0]!.received().length, 0],
      [sessionId(2), 1, 0, upstreams[1]!.received().length, client.text.length],
    ]);
  });

  test('the client leaves during a second attempt: it is abandoned, and nothing is held', async () => {
    await start([resets, silent, serving]);
    const client = await connect();
    await eventually('the second is asked', () => upstreams[1]!.received() !== '');
    client.close();
    await recordsOf(rig, 1);
    expect(health.told).toEqual(['failed 1 upstream_reset', 'abandoned 2']);
    expect(upstreams[2]!.connections).toEqual([]);
    await holdsNothing(rig);
  });

  test('the session of a second attempt is removed meanwhile: that is the answer', async () => {
    await start([resets, silent, serving]);
    const client = await connect();
    await eventually('the second is asked', () => upstreams[1]!.received() !== '');
    rig.remove(2);
    expect(await answersOf(client, 'CONNECT')).toEqual(['session_unavailable']);
    expect(health.told).toEqual(['failed 1 upstream_reset', 'abandoned 2']);
  });
});

test('a request that is refused before its attempt began tells that its session was chosen for nothing', async () => {
  await start([serving], { maxBodyBytes: 10 });
  const client = await RawClient.connect(rig.port);
  clients.push(client);
  client.send(rig.head('POST http://a.test/', ['Content-Length: 11']));
  expect(await answersOf(client, 'POST')).toEqual(['body_too_large']);
  expect(health.told).toEqual(['abandoned 1']);
});
