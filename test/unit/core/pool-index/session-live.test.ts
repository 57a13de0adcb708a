import { describe, expect, it } from 'vitest';
import { liveStateOf, SessionLive } from '../../../../src/core/pool-index/session-live.ts';
import { goneSession, pick, poolOf, provider, putPool, putProvider, putSession, sessionId } from './fixture.ts';

const UNUSED = { inflight: 0, lastCause: null, ejectedUntilMs: null, latencyMs: null, bytesOut: 0, bytesIn: 0 };

describe('live state', () => {
  it('is made when a session is first chosen, and for that session alone', () => {
    const { pool } = poolOf(3);
    const members = [0, 1, 2].map((n) => pool.findById(sessionId(n))!);
    expect(members.map(({ live, route }) => [live, route?.live])).toEqual([[null, null], [null, null], [null, null]]);
    const route = pick(pool, 'token1')!;
    expect(route.live).toBe(members[1]!.live);
    expect(route.live).toBeInstanceOf(SessionLive);
    expect([members[0]!.live, members[2]!.live]).toEqual([null, null]);
  }); // biome-ignore format: one list

  it('stays the same object over changed credentials, a disabled provider and a disabled pool', () => {
    const { directory, pool } = poolOf(1);
    const first = pick(pool, null)!;
    const routes = new Set([first]);
    const changed = [
      putSession(0, { password: 'another' }),
      putProvider(provider(1, { enabled: false })),
      putProvider(provider(1)),
      putPool(1, { enabled: false }),
      putPool(1),
    ];
    for (const change of changed) {
      directory.apply(change);
      const route = pick(pool, null);
      if (route !== null) routes.add(route);
    }
    expect(routes.size).toBe(4);
    for (const route of routes) expect(route.live).toBe(first.live);
  });

  it('outlives its session on the routes that are still in use, and is not found again', () => {
    const { directory, pool } = poolOf(1);
    const route = pick(pool, null)!;
    directory.apply(goneSession(0));
    route.live!.inflight--;
    expect(liveStateOf(pool, sessionId(0))).toBeNull();
    directory.apply(putSession(0));
    expect(liveStateOf(pool, sessionId(0))).toMatchObject(UNUSED);
  });

  it('is told of every session of the pool, used or not, serving or not', () => {
    const { directory, pool } = poolOf(2);
    const state = (n: number) => liveStateOf(pool, sessionId(n));
    expect(state(0)).toEqual({ sessionId: sessionId(0), health: 'healthy', ...UNUSED });
    expect(state(2)).toBeNull();
    Object.assign(pick(pool, 'token1')!.live!, { inflight: 2, lastCause: 'upstream_dns', bytesOut: 3, bytesIn: 4 });
    expect(state(1)).toMatchObject({ inflight: 2, lastCause: 'upstream_dns', bytesOut: 3, bytesIn: 4 });
    directory.apply(putSession(0, { enabled: false }));
    expect([0, 1].map((n) => state(n)?.health)).toEqual(['disabled', 'healthy']);
    directory.apply(putProvider(provider(1, { enabled: false })));
    expect([0, 1].map((n) => state(n)?.health)).toEqual(['disabled', 'disabled']);
    directory.apply(putProvider(provider(1)));
    directory.apply(putPool(1, { enabled: false }));
    expect(state(1)).toMatchObject({ health: 'disabled', inflight: 2 });
  });

  it('smooths the time of dials, and starts with the first', () => {
    const live = new SessionLive({ loadChanged: () => undefined });
    expect(live.latencyMs).toBeNull();
    live.dialled(0);
    expect(live.latencyMs).toBe(0);
    live.dialled(100);
    expect(live.latencyMs).toBeCloseTo(20);
    for (let i = 0; i < 30; i++) live.dialled(100);
    expect(live.latencyMs).toBeGreaterThan(99);
    expect(live.latencyMs).toBeLessThan(100);
  });
});
