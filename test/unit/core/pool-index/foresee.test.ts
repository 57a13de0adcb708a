import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, OPEN_POLICY } from '../../../../src/core/model.ts';
import { Directory } from '../../../../src/core/pool-index/directory.ts';
import { hashText, PUBLIC_KEY } from '../../../../src/core/pool-index/hash.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import {
  census,
  foreseePick,
  gateway,
  goneSession,
  localExit,
  pick,
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

type Step = { readonly change: Change } | { readonly pick: string | null } | { readonly waitMs: number };

/** Few keys, as many directories are made. */
const MAX_STICKY_KEYS = 100;

/** A pool that went through some steps; the same steps make the same pool. */
class World {
  readonly clock = new StillClock();
  readonly directory = new Directory({ clock: this.clock, localExit, maxStickyKeys: MAX_STICKY_KEYS });

  constructor(steps: readonly Step[]) {
    for (const change of [putPool(1), putProvider(provider(1)), putProvider(provider(2)), putProvider(gateway(3))]) {
      this.directory.apply(change);
    }
    for (const step of steps) this.take(step);
  }

  get pool(): Pool {
    return poolIn(this.directory, 1);
  }

  take(step: Step): void {
    if ('change' in step) this.directory.apply(step.change);
    else if ('pick' in step) pick(this.pool, step.pick);
    else this.clock.now += step.waitMs;
  }
}

const KEYS = [null, null, 'token2', 'token5', 'checkout-1', 'checkout-2', 'checkout-3'];
const sessions = fc.record({ n: fc.nat(9), enabled: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: sessions.map(({ n, enabled }) => put(n, enabled)) },
  { weight: 2, arbitrary: fc.nat(9).map((n) => ({ change: goneSession(n) })) },
  { weight: 8, arbitrary: fc.constantFrom(...KEYS).map((pick) => ({ pick })) },
  { weight: 1, arbitrary: fc.boolean().map((enabled) => ({ change: putProvider(provider(2, { enabled })) })) },
  { weight: 1, arbitrary: fc.boolean().map((whole) => ({ change: putProvider(whole ? gateway(3) : gateway(3, { endpoint: null })) })) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((n) => ({ change: putPool(1, { enabled: n > 0 }) })) },
  { weight: 1, arbitrary: fc.constantFrom(1, OPEN_POLICY.stickyIdleMs).map((waitMs) => ({ waitMs })) },
); // biome-ignore format: one table

function put(n: number, enabled = true): Step {
  return { change: putSession(n, { providerId: providerId(1 + (n % 3)), enabled }) };
}

/** The session that a request gets, and how; the request is made. */
function picked({ pool }: World, key: string | null) {
  const route = pick(pool, key);
  return route && { id: route.sessionId, outcome: pool.outcome };
}

describe('foreseeing', () => {
  it('tells the session that the next request gets, and what it would get were that one gone', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(...KEYS), (steps, key) => {
        const world = new World(steps);
        const seen = foreseePick(world.pool, key);
        expect(seen && { id: seen.member.id, outcome: seen.outcome }).toEqual(picked(world, key));
        if (seen === null) return;
        const without = new World(steps);
        without.take({ change: goneSession(Number.parseInt(seen.member.id.slice(-12), 16)) });
        expect(seen.runnerUp?.id ?? null).toBe(picked(without, key)?.id ?? null);
      }),
      { numRuns: 600 },
    );
  });

  it('changes nothing: whoever looks and whoever does not see the same requests go the same ways', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const looking = new World([]);
        const blind = new World([]);
        for (const each of steps) {
          for (const key of KEYS) foreseePick(looking.pool, key);
          if ('pick' in each) expect(picked(looking, each.pick)).toEqual(picked(blind, each.pick));
          else for (const world of [looking, blind]) world.take(each);
        }
        for (let i = 0; i < 12; i++) expect(picked(looking, null)).toEqual(picked(blind, null));
        expect(looking.directory.stickyMoves()).toEqual(blind.directory.stickyMoves());
        expect([...looking.directory.stickyOverrides()]).toEqual([...blind.directory.stickyOverrides()]);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps apart sessions whose points on the ring are the same', () => {
    const [a, b] = collision();
    const world = new World([a, b, 1, 2].map((n) => put(n)));
    const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`);
    const owned = keys.filter((key) => foreseePick(world.pool, key)?.member.id === sessionId(Math.min(a, b)));
    expect(owned.length).toBeGreaterThan(0);
    for (const key of owned) expect(foreseePick(world.pool, key)?.runnerUp?.id).toBe(sessionId(Math.max(a, b)));
  });
});

/** Two numbers of one provider whose sessions have the same point: there are some among 2³² points and 300,000 ids. */
function collision(): [number, number] {
  const seen = new Map<number, number>();
  for (let n = 300; n < 900_300; n += 3) {
    const point = hashText(sessionId(n), PUBLIC_KEY);
    const other = seen.get(point);
    if (other !== undefined) return [other, n];
    seen.set(point, n);
  }
  throw new Error('no two ids have the same hash');
}

describe('a census', () => {
  it('adds up to the live sessions of the pool, and counts as eligible what can serve', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { pool } = new World(steps);
        const { eligibleCount, exclusions } = census(pool);
        expect(exclusions.reduce((sum, { count }) => sum + count, eligibleCount)).toBe(pool.total);
        expect(eligibleCount).toBe(pool.state.enabled ? pool.size : 0);
        expect(exclusions.every(({ count }) => count > 0)).toBe(true);
      }),
    );
  });

  it('names the reason nearest to the session', () => {
    const world = new World([put(0), put(3), put(6, false), put(1), put(4, false), put(2), put(5)]);
    const count = () => {
      const { eligibleCount, exclusions } = census(world.pool);
      return { eligibleCount, ...Object.fromEntries(exclusions.map(({ reason, count: n }) => [reason, n])) };
    };
    expect(count()).toEqual({ eligibleCount: 5, session_disabled: 2 });
    world.take({ change: putProvider(provider(2, { enabled: false })) });
    world.take({ change: putProvider(gateway(3, { endpoint: null })) });
    expect(count()).toEqual({
      eligibleCount: 2,
      session_disabled: 2,
      provider_disabled: 1,
      provider_incomplete: 2,
    });
    world.take({ change: putPool(1, { enabled: false }) });
    expect(count()).toEqual({
      eligibleCount: 0,
      session_disabled: 2,
      provider_disabled: 1,
      provider_incomplete: 2,
      pool_disabled: 2,
    });
  });

  it('looks at no session, and foreseeing at few, however many there are', () => {
    const { pool } = poolOf(100_000);
    let visited = 0;
    const { get } = pool.members;
    pool.members.get = (slot) => {
      visited++;
      return get.call(pool.members, slot);
    };
    census(pool);
    foreseePick(pool, null);
    expect(visited).toBe(0);
    foreseePick(pool, 'checkout');
    expect(visited).toBeLessThan(20);
  });
});
