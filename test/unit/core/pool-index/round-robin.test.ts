import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import {
  directoryOf,
  goneSession,
  pick,
  poolIn,
  poolOf,
  provider,
  providerId,
  putPool,
  putProvider,
  putSession,
  sessionId,
} from './fixture.ts';

function tally(pool: Pool, picks: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const id = pick(pool, null)!.sessionId;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

describe('round robin', () => {
  it('chooses each of n sessions exactly k times in any n·k requests', () => {
    for (const n of [1, 2, 7, 1_500]) {
      const { pool } = poolOf(n);
      tally(pool, 3);
      const counts = tally(pool, n * 4);
      expect(counts.size).toBe(n);
      expect([...counts.values()].every((count) => count === 4)).toBe(true);
    }
  });

  it('chooses evenly over the sessions of several providers, and skips those of a disabled one', () => {
    const directory = directoryOf([putPool(1), ...[1, 2, 3].map((n) => putProvider(provider(n)))]);
    for (let n = 0; n < 60; n++)
      directory.apply(putSession(n, { providerId: providerId(1 + (n % 7 === 0 ? 0 : 1 + (n % 2))) }));
    const pool = poolIn(directory, 1);
    tally(pool, 17);
    expect(new Set(tally(pool, 60 * 5).values())).toEqual(new Set([5]));
    directory.apply(putProvider(provider(2, { enabled: false })));
    const left = tally(pool, pool.size * 3);
    expect(left.size).toBe(pool.size);
    expect(new Set(left.values())).toEqual(new Set([3]));
    for (let i = 0; i < 100; i++) expect(pick(pool, null)!.providerId).not.toBe(providerId(2));
    directory.apply(putProvider(provider(2)));
    expect(tally(pool, 60).size).toBe(60);
  });

  it('goes on where it was when a provider that had its turns in this round is disabled', () => {
    const directory = directoryOf([putPool(1), ...[1, 2, 3].map((n) => putProvider(provider(n)))]);
    for (let n = 0; n < 9; n++) directory.apply(putSession(n, { providerId: providerId(1 + Math.floor(n / 3)) }));
    const pool = poolIn(directory, 1);
    const before = tally(pool, 4);
    directory.apply(putProvider(provider(1, { enabled: false })));
    const rest = tally(pool, 5);
    expect(rest.size).toBe(5);
    expect([...rest.keys()].filter((id) => before.has(id))).toEqual([]);
  });

  it('neither skips nor favours a session that stays by more than one turn, whatever comes and goes', () => {
    // Six stay, dealt to two providers; 10–19 come and go at three, some of them before those that stay.
    const at = (n: number) => ({ providerId: providerId(1 + (n % 3)) });
    const stays = [1, 2, 4, 5, 7, 8];
    const kinds = fc.constantFrom('pick', 'pick', 'add', 'gone');
    const step = fc.record({ kind: kinds, n: fc.integer({ min: 10, max: 19 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const directory = directoryOf([putPool(1), ...[1, 2, 3].map((n) => putProvider(provider(n)))]);
        for (const n of [10, 11, 12, 13, 14, 15, 16, ...stays]) directory.apply(putSession(n, at(n)));
        const pool = poolIn(directory, 1);
        const counts = new Map<string, number>();
        for (const { kind, n } of steps) {
          if (kind === 'add') directory.apply(putSession(n, at(n)));
          else if (kind === 'gone') directory.apply(goneSession(n));
          else {
            const id = pick(pool, null)!.sessionId;
            expect(pool.findById(id)).toBeDefined();
            counts.set(id, (counts.get(id) ?? 0) + 1);
          }
          const turns = stays.map((stay) => counts.get(sessionId(stay)) ?? 0);
          expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 60 },
    );
  });
});
