import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPEN_POLICY } from '../../../../src/core/model.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import {
  choice,
  directoryOf,
  goneSession,
  pick,
  poolId,
  poolIn,
  poolOf,
  provider,
  providerId,
  putPool,
  putProvider,
  putSession,
  StillClock,
  sessionId,
} from './fixture.ts';

const KEYS = Array.from({ length: 400 }, (_, n) => `key-${n}`);
const choices = (pool: Pool): Map<string, string | undefined> =>
  new Map(KEYS.map((key) => [key, choice(pool, key)?.id]));

describe('the consistent choice', () => {
  it('moves only the keys of the session that leaves, and gives them back when it returns', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (count, pick) => {
        const { directory, pool } = poolOf(count);
        const before = choices(pool);
        const leaver = pick % count;
        directory.apply(goneSession(leaver));
        for (const [key, id] of choices(pool)) {
          if (before.get(key) === sessionId(leaver)) expect(id).not.toBe(sessionId(leaver));
          else expect(id).toBe(before.get(key));
        }
        directory.apply(putSession(leaver));
        expect(choices(pool)).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same in every directory, in whatever order and under whatever secret it was fed', () => {
    const order = fc.shuffledSubarray(
      Array.from({ length: 40 }, (_, n) => n),
      { minLength: 40 },
    );
    const { pool: reference } = mixed(Array.from({ length: 40 }, (_, n) => n));
    const expected = choices(reference);
    fc.assert(
      fc.property(order, fc.integer(), (sequence, k0) => {
        expect(choices(mixed(sequence, k0).pool)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('does not depend on how sessions are spread over providers', () => {
    const { pool: one } = poolOf(40);
    const { pool: three } = mixed(Array.from({ length: 40 }, (_, n) => n));
    expect(choices(three)).toEqual(choices(one));
  });

  it('spreads keys evenly: no session has twice its share, and pools choose independently', () => {
    const { directory, pool } = poolOf(20);
    const counts = new Map<string, number>();
    for (let n = 0; n < 40_000; n++) {
      const { id } = choice(pool, `k${n}`)!;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.size).toBe(20);
    expect(Math.max(...counts.values()) / (40_000 / 20)).toBeLessThan(1.5);
    directory.apply(putPool(2));
    for (let n = 0; n < 20; n++) directory.apply(putSession(n, { poolId: poolId(2) }));
    const other = choices(poolIn(directory, 2));
    const alike = [...choices(pool)].filter(([key, id]) => other.get(key) === id).length;
    expect(alike).toBeLessThan(KEYS.length / 5);
  });
});

describe('a sticky key', () => {
  it('stays on its session while sessions are added, and moves, counted by reason, when it cannot serve', () => {
    const { directory, pool } = poolOf(3);
    const before = new Map(KEYS.map((key) => [key, pick(pool, key)!.sessionId]));
    for (let n = 3; n < 60; n++) directory.apply(putSession(n));
    for (const key of KEYS) {
      expect(pick(pool, key)!.sessionId).toBe(before.get(key));
      expect(pool.outcome).toBe('sticky');
    }
    directory.apply(putSession(0, { enabled: false }));
    directory.apply(goneSession(1));
    const on = (n: number): number => [...before.values()].filter((id) => id === sessionId(n)).length;
    for (const key of KEYS) {
      const now = pick(pool, key)!.sessionId;
      if (before.get(key) === sessionId(2)) expect(now).toBe(sessionId(2));
      else expect(now).toBe(choice(pool, key)!.id);
    }
    expect(Object.fromEntries(directory.stickyMoves())).toEqual({ disabled: on(0), removed: on(1) });
    expect(on(0)).toBeGreaterThan(0);
    for (const key of KEYS) pick(pool, key);
    expect(directory.stickyMoves().get('disabled')).toBe(on(0));
  });

  it('moves off a disabled provider', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))]);
    directory.apply(putSession(1));
    const pool = poolIn(directory, 1);
    pick(pool, 'key');
    directory.apply(putSession(2, { providerId: providerId(2) }));
    directory.apply(putProvider(provider(1, { enabled: false })));
    expect(pick(pool, 'key')!.sessionId).toBe(sessionId(2));
    expect(directory.stickyMoves().get('provider_disabled')).toBe(1);
  });

  it('is forgotten after its idle time, which each use starts anew, and after its life at most', () => {
    const clock = new StillClock();
    const { directory, pool } = poolOf(1, { clock });
    directory.apply(putPool(1, { policy: { ...OPEN_POLICY, stickyIdleMs: 1_000, stickyMaxMs: 2_500 } }));
    pick(pool, 'key');
    expect(pool.outcome).toBe('consistent');
    directory.apply(putSession(2));
    for (const [wait, outcome] of [
      [999, 'sticky'],
      [999, 'sticky'],
      [502, 'consistent'],
      [999, 'sticky'],
      [1_000, 'consistent'],
    ] as const) {
      clock.now += wait;
      pick(pool, 'key');
      expect(pool.outcome).toBe(outcome);
    }
  });

  it('makes room by dropping an older key, and never holds more than its bound', () => {
    const clock = new StillClock();
    const { pool } = poolOf(1, { clock, maxStickyKeys: 8 });
    for (let n = 0; n < 9; n++) {
      clock.now++;
      pick(pool, `key${n}`);
      expect(pool.sticky.size).toBeLessThanOrEqual(8);
    }
    pick(pool, 'key8');
    expect(pool.outcome).toBe('sticky');
    pick(pool, 'key0');
    expect(pool.outcome).toBe('consistent');
  });

  it('keeps pools apart', () => {
    const { directory, pool } = poolOf(5);
    directory.apply(putPool(2));
    for (let n = 0; n < 5; n++) directory.apply(putSession(10 + n, { poolId: poolId(2) }));
    for (const key of KEYS) {
      expect(pick(pool, key)!.poolId).toBe(poolId(1));
      expect(pick(poolIn(directory, 2), key)!.poolId).toBe(poolId(2));
    }
  });

  it('survives a restart: only keys off their consistent choice are listed, and putting them back restores all', () => {
    const clock = new StillClock();
    const { directory, pool } = poolOf(3, { clock });
    for (const key of KEYS) pick(pool, key);
    for (let n = 3; n < 12; n++) directory.apply(putSession(n));
    const before = new Map(KEYS.map((key) => [key, pick(pool, key)!.sessionId]));
    const overrides = [...directory.stickyOverrides()].filter((one) => one !== null);
    const off = KEYS.filter((key) => choice(pool, key)!.id !== before.get(key));
    expect(overrides.map(({ key }) => key).sort()).toEqual(off.sort());
    expect(overrides[0]!.expiresAtMs).toBe(clock.nowMs() + 600_000);
    const { directory: again, pool: reloaded } = poolOf(12, { clock });
    again.restoreSticky([...overrides, { ...overrides[0]!, key: 'late', expiresAtMs: clock.nowMs() }]);
    for (const key of KEYS) expect(pick(reloaded, key)!.sessionId).toBe(before.get(key));
    const restored = [...again.stickyOverrides()].filter((one) => one !== null);
    expect(restored.map(({ key }) => key).sort()).toEqual(off.sort());
  });

  it('equal to a token is that very session, and falls back to stickiness while that cannot serve', () => {
    const { directory, pool } = poolOf(30);
    for (let n = 0; n < 30; n++) {
      expect(pick(pool, `token${n}`)!.sessionId).toBe(sessionId(n));
      expect(pool.outcome).toBe('token');
    }
    directory.apply(putSession(4, { enabled: false }));
    expect(pick(pool, 'token4')!.sessionId).not.toBe(sessionId(4));
    directory.apply(putSession(5, { token: 'renamed' }));
    expect(pick(pool, 'renamed')!.sessionId).toBe(sessionId(5));
    expect(pick(pool, 'token5')).not.toBeNull();
    expect(pool.outcome).toBe('consistent');
    expect(pick(pool, 'Token6')).not.toBeNull();
    expect(pool.outcome).not.toBe('token');
    directory.apply(goneSession(7));
    directory.apply(putSession(70, { token: 'token7' }));
    expect(pick(pool, 'token7')!.sessionId).toBe(sessionId(70));
  });
});

/** Sessions over three providers, put in the given order. */
function mixed(order: readonly number[], k0 = 0): { pool: Pool } {
  const directory = directoryOf([putPool(1), ...[1, 2, 3].map((n) => putProvider(provider(n)))], {
    hashKey: { k0, k1: 5 },
  });
  for (const n of order) directory.apply(putSession(n, { providerId: providerId(1 + (n % 3)) }));
  return { pool: poolIn(directory, 1) };
}
