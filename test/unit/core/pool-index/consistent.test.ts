/**
 * What a consistent choice promises of 10,000 keys and 100 sessions: who leaves or comes
 * moves no more keys than it must, all have about their share, and every process chooses
 * alike. Small pools and returning sessions are in `sticky.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import type { SessionId } from '../../../../src/core/model.ts';
import { consistentChoice } from '../../../../src/core/pool-index/consistent.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { scopeOf } from '../../../../src/core/pool-index/scope.ts';
import { choicesElsewhere, choicesOf, loadedPool } from '../../../helpers/choices.ts';
import { asking, directoryOf, poolIn, provider, providerId, putPool, putProvider, putSession } from './fixture.ts';

const KEYS = 10_000;
const SESSIONS = 100;

/** Ids as chance would make them, the same in each run. */
function idsOf(seed: number, count: number): string[] {
  let state = seed;
  const word = (): string => {
    state = (state + 0x6d2b79f5) | 0;
    const once = Math.imul(state ^ (state >>> 15), state | 1);
    const twice = once ^ (once + Math.imul(once ^ (once >>> 7), once | 61));
    return ((twice ^ (twice >>> 14)) >>> 0).toString(16).padStart(8, '0');
  };
  return Array.from({ length: count }, () => `${word()}-${word()}-${word()}-${word()}`);
}

function moved(before: readonly string[], after: readonly string[]): number[] {
  return before.flatMap((id, n) => (id === after[n] ? [] : [n]));
}

/** The busiest session's keys ÷ the average. */
function unevenness(pool: Pool, keys: number): number {
  const counts = new Map<string, number>();
  for (const id of choicesOf(pool, keys)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return Math.max(...counts.values()) / (keys / pool.size);
}

describe('a membership change', () => {
  it('moves the keys of the session that left, and no other', () => {
    const ids = idsOf(1, SESSIONS);
    const before = choicesOf(loadedPool(ids), KEYS);
    for (const leaver of [0, 1, 50, 99]) {
      const after = choicesOf(loadedPool(ids.toSpliced(leaver, 1)), KEYS);
      const own = before.flatMap((id, n) => (id === ids[leaver] ? [n] : []));
      expect(own.length).toBeGreaterThan(0);
      expect(moved(before, after)).toEqual(own);
    }
  });

  it('moves to a newcomer at most 1.2 times its share on average, and to nobody else', () => {
    const POOLS = 20;
    let all = 0;
    for (let seed = 1; seed <= POOLS; seed++) {
      const ids = idsOf(seed, SESSIONS);
      const newcomer = idsOf(1_000 + seed, 1)[0]!;
      const before = choicesOf(loadedPool(ids), KEYS);
      const after = choicesOf(loadedPool([...ids, newcomer]), KEYS);
      const changed = moved(before, after);
      for (const n of changed) expect(after[n]).toBe(newcomer);
      expect(changed.length).toBeGreaterThan(0);
      all += changed.length;
    }
    expect(all / POOLS).toBeLessThanOrEqual((1.2 * KEYS) / SESSIONS);
  });
});

describe('shares', () => {
  it('are within 1.3 times the average where there are keys enough for chance to even out', () => {
    // 2,000 keys a session: with 100 chance alone gives up to 1.45 (docs/decisions/0003).
    for (const seed of [1, 2, 3])
      expect(unevenness(loadedPool(idsOf(seed, SESSIONS)), 200_000)).toBeLessThanOrEqual(1.3);
  });

  it('with 10,000 keys are within 1.3 times the average for nine sessions in ten, and within 1.7 for all', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const counts = new Map<string, number>();
      for (const id of choicesOf(loadedPool(idsOf(seed, SESSIONS)), KEYS)) counts.set(id, (counts.get(id) ?? 0) + 1);
      const sorted = [...counts.values()].sort((a, b) => a - b);
      expect(sorted.reduce((sum, count) => sum + count, 0)).toBe(KEYS);
      expect(sorted.filter((count) => count > 130).length).toBeLessThanOrEqual(SESSIONS / 10);
      expect(sorted.at(-1)!).toBeLessThanOrEqual(170);
    }
  });
});

describe('every process', () => {
  it('chooses alike, whatever the order in which it was loaded', async () => {
    const ids = idsOf(5, SESSIONS);
    const here = choicesOf(loadedPool(ids), KEYS);
    expect(new Set(here).size).toBeGreaterThan(0.9 * SESSIONS);
    expect(choicesOf(loadedPool(ids.toReversed()), KEYS)).toEqual(here);
    expect(await choicesElsewhere(ids.toSorted(), KEYS)).toEqual(here);
  });
});

describe('with labels asked for', () => {
  it('the choice is that of a pool which holds only the sessions that have them', () => {
    const ids = idsOf(6, SESSIONS);
    const countries = ['de', 'us', 'fr'];
    const load = (wanted: readonly string[]): Pool => {
      const directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))], {
        maxStickyKeys: 8,
      });
      for (const [n, id] of ids.entries()) {
        const country = countries[n % 3]!;
        const over = { id: id as SessionId, labels: { country }, providerId: providerId(1 + (n % 2)) };
        if (wanted.includes(country)) directory.apply(putSession(n, over));
      }
      return poolIn(directory, 1);
    };
    const whole = load(countries);
    for (const wanted of [['de'], ['us'], ['de', 'fr']]) {
      const scope = () => scopeOf(whole, asking(null, { labels: { country: wanted } }));
      const filtered = Array.from({ length: KEYS }, (_, n) => consistentChoice(whole, scope(), `key-${n}`)!.id);
      expect(filtered).toEqual(choicesOf(load(wanted), KEYS));
    }
  });

  it('and so it is for more labels than are looked up one by one', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1))], { maxStickyKeys: 8 });
    for (let n = 0; n < 60; n++) {
      const labels = { country: `c${n % 20}`, city: `x${n % 30}` };
      directory.apply(putSession(n, { providerId: providerId(1), labels }));
    }
    const pool = poolIn(directory, 1);
    const wanted = (letter: string, count: number) => Array.from({ length: count }, (_, i) => `${letter}${i}`);
    const allowed = { country: wanted('c', 16), city: wanted('x', 17) };
    const scope = scopeOf(pool, asking(null, { labels: allowed }));
    expect(scope.size).toBe(Array.from({ length: 60 }).filter((_, n) => n % 20 < 16 && n % 30 < 17).length);
  });
});
