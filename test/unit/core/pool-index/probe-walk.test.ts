/** Whose turn it is to be probed: everybody's once an interval, whoever comes, goes or is out, at a bounded cost a tick. */
import { describe, expect, test } from 'vitest';
import { type Change, OPEN_POLICY, type ProbePolicy, type Route } from '../../../../src/core/model.ts';
import { Member } from '../../../../src/core/pool-index/member.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { ProbeWalk, probeRouteOf } from '../../../../src/core/pool-index/probe-walk.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import {
  asking,
  directoryOf,
  gateway,
  goneSession,
  poolIn,
  poolOf,
  provider,
  putPool,
  putProvider,
  putSession,
  StillClock,
  session,
  sessionId,
} from './fixture.ts';

const TICK_MS = 100;
const INTERVAL_MS = 60_000;
const HANDSHAKE: ProbePolicy = {
  kind: 'handshake',
  target: { host: 'a.test', port: 443, secure: false, path: '' },
  intervalMs: INTERVAL_MS,
  timeoutMs: 10_000,
};
const TCP: ProbePolicy = { ...HANDSHAKE, kind: 'tcp', target: null };
/** Nothing is put off by chance, which the first session comes by. */
const UNLUCKY = () => 0;
const PLENTY = 1_000_000;

/** Time passes by ticks from `fromMs`, exclusive; the times at which each session was told to be next. */
function turnsOf(walk: ProbeWalk, fromMs: number, untilMs: number, slots = PLENTY): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (let now = fromMs + TICK_MS; now <= untilMs; now += TICK_MS) {
    walk.earn(now);
    const budget = { left: slots };
    for (let next = walk.next(budget); next !== null; next = walk.next(budget)) {
      times.set(next.id, [...(times.get(next.id) ?? []), now]);
    }
    expect(budget.left).toBeGreaterThanOrEqual(0);
  }
  return times;
}

/** The ids of those that come next within one interval. */
function whoIsNext(pool: Pool, policy = HANDSHAKE): string[] {
  const walk = new ProbeWalk(pool, policy, UNLUCKY, 0);
  return [...turnsOf(walk, 0, INTERVAL_MS + TICK_MS).keys()];
}

const sessions = (...numbers: number[]) => numbers.map(sessionId);

describe('fairness', () => {
  test.each([1, 7, 60, 599, 5_000])('of %i sessions each comes once an interval, give or take a tick', (count) => {
    const { pool } = poolOf(count);
    for (const random of [UNLUCKY, () => 0.999, Math.random]) {
      const times = turnsOf(new ProbeWalk(pool, HANDSHAKE, random, 0), 0, 5 * INTERVAL_MS);
      expect(times.size).toBe(count);
      for (const [first, ...rest] of times.values()) {
        expect(first).toBeLessThanOrEqual(INTERVAL_MS + TICK_MS);
        expect(rest.length).toBeGreaterThanOrEqual(3);
        let before = first!;
        for (const time of rest) {
          expect(Math.abs(time - before - INTERVAL_MS)).toBeLessThanOrEqual(TICK_MS);
          before = time;
        }
      }
    }
  });

  test('the turns of an interval are spread over it, and two gateways begin at different places', () => {
    const { pool } = poolOf(600);
    const perTick = [...turnsOf(new ProbeWalk(pool, HANDSHAKE, UNLUCKY, 0), 0, INTERVAL_MS).values()].flat();
    const counts = Map.groupBy(perTick, (time) => time);
    expect(Math.max(...[...counts.values()].map(({ length }) => length))).toBeLessThanOrEqual(2);
    const firstOf = (random: () => number) => {
      const [first] = turnsOf(new ProbeWalk(pool, HANDSHAKE, random, 0), 0, 1_000).keys();
      return first;
    };
    expect([firstOf(UNLUCKY), firstOf(() => 0.5)]).toEqual(sessions(0, 300));
    // A pool of one has no place to begin at: chance says when.
    const { pool: single } = poolOf(1);
    const begins = [0, 0.25, 0.5].map((share) => {
      const walk = new ProbeWalk(single, HANDSHAKE, () => share, 0);
      return turnsOf(walk, 0, INTERVAL_MS).get(sessionId(0))?.[0];
    });
    for (const [i, at] of [60_000, 45_000, 30_000].entries()) {
      expect(Math.abs(begins[i]! - at)).toBeLessThanOrEqual(TICK_MS);
    }
  });

  test('a million slots: no tick looks at more than it may, and it goes on where it was', () => {
    // A pool of stand-ins, as only slots are walked over here.
    const { pool } = poolOf(1);
    const only = pool.findById(sessionId(0))!;
    const idle = new Member({ ...session(1), id: sessionId(1) }, 0, only.group, null);
    for (let i = 1; i < 1_000_000; i++) pool.members.add(idle);
    const walk = new ProbeWalk(pool, { ...HANDSHAKE, intervalMs: 5_000 }, UNLUCKY, 0);
    const times = turnsOf(walk, 0, (1_000_000 / 4_096) * TICK_MS + 2 * TICK_MS, 4_096);
    expect(times.get(sessionId(0))).toHaveLength(2);
    expect([...times.keys()]).toEqual(sessions(0));
  });
});

describe('sessions come and go', () => {
  test('one that is new has its first turn within an interval, and nobody loses one by it', () => {
    const { directory, pool } = poolOf(10);
    const walk = new ProbeWalk(pool, HANDSHAKE, UNLUCKY, 0);
    turnsOf(walk, 0, 90_000);
    directory.apply(goneSession(3));
    for (const n of [10, 11, 12]) directory.apply(putSession(n));
    const times = turnsOf(walk, 90_000, 90_000 + INTERVAL_MS + TICK_MS);
    expect([...times.keys()].sort()).toEqual(sessions(0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  });

  test('an empty pool has no turns and owes none for the time', () => {
    const { directory, pool } = poolOf(0);
    const walk = new ProbeWalk(pool, HANDSHAKE, UNLUCKY, 0);
    expect(turnsOf(walk, 0, 10 * INTERVAL_MS)).toEqual(new Map());
    for (let n = 0; n < 100; n++) directory.apply(putSession(n));
    const times = turnsOf(walk, 10 * INTERVAL_MS, 10 * INTERVAL_MS + 6_000);
    expect(times.size).toBeGreaterThanOrEqual(9);
    expect(times.size).toBeLessThanOrEqual(11);
  });

  test('after a pause it makes up for a second at most', () => {
    const { pool } = poolOf(600);
    const walk = new ProbeWalk(pool, HANDSHAKE, UNLUCKY, 0);
    walk.earn(10 * INTERVAL_MS);
    const budget = { left: PLENTY };
    let count = 0;
    while (walk.next(budget) !== null) count++;
    expect(count).toBe(11);
  });

  test('one that was put off is the next again', () => {
    const { pool } = poolOf(3);
    const walk = new ProbeWalk(pool, HANDSHAKE, UNLUCKY, 0);
    walk.earn(INTERVAL_MS);
    const budget = { left: PLENTY };
    expect(walk.next(budget)?.id).toBe(sessionId(0));
    walk.putOff();
    expect([walk.next(budget)?.id, walk.next(budget)]).toEqual([sessionId(0), null]);
  });
});

describe('who is passed over', () => {
  const policy = { ...OPEN_POLICY, failuresToEject: 1, maxEjectedPercent: 100 };

  test.each<[string, Change[], number[]]>([
    ['nobody of a pool that is well', [], [0, 1]],
    ['a session that is disabled', [putSession(0, { enabled: false })], [1]],
    ['a session without an endpoint', [putSession(0, { endpoint: null })], [1]],
    ['all of a provider that is disabled', [putProvider(provider(1, { enabled: false }))], []],
    ['all of a pool that is disabled', [putPool(1, { enabled: false })], []],
    ['all of a provider that is gone', [{ kind: 'provider-gone', providerId: provider(1).id }], []],
  ])('%s', (_, changes, expected) => {
    const { directory, pool } = poolOf(2);
    for (const change of changes) directory.apply(change);
    expect(whoIsNext(pool)).toEqual(sessions(...expected));
  });

  test('an ejected session, and one whose trial is under way; not one that is half-open', () => {
    const clock = new StillClock();
    const { directory, pool } = poolOf(2, { clock });
    directory.apply(putPool(1, { policy }));
    const ask = () => resolve(pool, asking('token0'), 'a.test') as Route;
    directory.health.failed(ask(), 'a.test', 'upstream_refused', pool.trial);
    expect(whoIsNext(pool)).toEqual(sessions(1));
    clock.now += policy.baseEjectionMs;
    directory.advance();
    expect(whoIsNext(pool)).toEqual(sessions(0, 1));
    ask();
    expect(whoIsNext(pool)).toEqual(sessions(1));
  });

  test('a session that is blocked for the target of the probe alone, and none that is for another', () => {
    const { directory, pool } = poolOf(2);
    directory.apply(putPool(1, { policy }));
    for (const [token, host] of [['token0', 'a.test'], ['token1', 'b.test']] as const) {
      directory.health.failed(resolve(pool, asking(token), host) as Route, host, 'upstream_denied_target', pool.trial);
    }
    expect(whoIsNext(pool)).toEqual(sessions(1));
    expect(whoIsNext(pool, TCP)).toEqual(sessions(0, 1));
  }); // biome-ignore format: one pair a session

  test('every session of an endpoint or a rotating provider that is suspended', () => {
    const directory = directoryOf([putPool(1, { policy: { ...policy, failuresToEject: 9 } }), putProvider(gateway(1))]);
    const pool = poolIn(directory, 1);
    for (let n = 0; n < 4; n++) directory.apply(putSession(n, { endpoint: null, username: null, password: null }));
    expect(whoIsNext(pool)).toHaveLength(4);
    for (const n of [0, 1, 2]) {
      const route = resolve(pool, asking(`token${n}`), 'a.test') as Route;
      directory.health.failed(route, 'a.test', 'upstream_refused', pool.trial);
    }
    expect(whoIsNext(pool)).toEqual([]);
  });

  test('LOCAL sessions where the probe would end at the upstream', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1, { type: 'local' }))]);
    directory.apply(putSession(0, { endpoint: null, username: null, password: null }));
    const pool = poolIn(directory, 1);
    expect([whoIsNext(pool), whoIsNext(pool, TCP)]).toEqual([sessions(0), []]);
  });
});

describe('the route of a probe', () => {
  test('is that of whoever names the token, and takes no turn of the selection', () => {
    const { pool } = poolOf(3);
    const member = pool.findById(sessionId(1))!;
    const route = probeRouteOf(pool, member);
    expect(route).toBe(resolve(pool, asking('token1'), 'a.test'));
    expect(resolve(pool, asking(null), 'a.test')).toMatchObject({ sessionId: sessionId(0) });
  });

  test('of a provider with templates has the session’s own token and labels, and is kept nowhere', () => {
    const parameters = [{ placeholder: 'country', format: '[a-z]{2}' }] as const;
    const state = gateway(1, {
      usernameTemplate: 'c-{country}-{token}',
      parameters,
      tokenFormat: '[a-z0-9]{6}',
      mintTokens: true,
    });
    const directory = directoryOf([putPool(1), putProvider(state)]);
    directory.apply(putSession(0, { endpoint: null, username: null, password: null, labels: { country: 'us' } }));
    const pool = poolIn(directory, 1);
    const route = probeRouteOf(pool, pool.findById(sessionId(0))!)!;
    const basic = Buffer.from(route.authorization!.slice('Basic '.length), 'base64').toString();
    expect([basic, directory.isCurrent(route), route.live]).toEqual(['c-us-token0:pw', true, expect.anything()]);
    expect(pool.findById(sessionId(0))!.group.provider.requests!.size).toBe(0);
  });
});
