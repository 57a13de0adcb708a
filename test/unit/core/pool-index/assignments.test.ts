import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, SessionId } from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import {
  collidingSessions,
  directoryOf,
  goneAssignment,
  goneSession,
  leastByHand,
  poolId,
  poolIn,
  poolOf,
  provider,
  providerId,
  putAssignment,
  putPool,
  putProvider,
  putSession,
  sessionId,
} from './fixture.ts';

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `name${n}`);
const least = (directory: Directory, accountNames: readonly string[], exclude: SessionId | null = null) =>
  directory.leastAssigned({ poolId: poolId(1), accountNames, exclude });
/** Sessions 0 … count − 1, without an assignment. */
const sessionsWithNone = (count: number): Map<SessionId, number> =>
  new Map(Array.from({ length: count }, (_, n) => [sessionId(n), 0]));

describe('the least-assigned session', () => {
  it('is chosen as if the accounts before were assigned already, so that a list is dealt out evenly', () => {
    const { directory } = poolOf(100);
    const chosen = least(directory, names(1_000));
    const counts = new Map<SessionId | null, number>();
    for (const id of chosen) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array.from({ length: 100 }, () => 10));
    expect(chosen).toEqual(leastByHand(poolId(1), sessionsWithNone(100), names(1_000)));
  });

  it('is asked for without leaving a trace', () => {
    const { directory } = poolOf(100);
    const before = least(directory, names(30));
    expect(least(directory, names(30), sessionId(5))).not.toContain(sessionId(5));
    expect(least(directory, names(30))).toEqual(before);
    expect(poolIn(directory, 1).assignments!.countOf(before[0]!)).toBe(0);
  });

  it('is never the excluded one, not even when there is no other', () => {
    const { directory } = poolOf(2);
    directory.apply(putAssignment(1, 1));
    expect(least(directory, ['a', 'b', 'c'], sessionId(0))).toEqual([sessionId(1), sessionId(1), sessionId(1)]);
    directory.apply(goneSession(1));
    expect(least(directory, ['a'], sessionId(0))).toEqual([null]);
    expect(least(directory, ['a'])).toEqual([sessionId(0)]);
  });

  it.each([
    ['its pool is unknown', []],
    ['its pool is empty', [putPool(1)]],
    ['its pool is disabled', [putPool(1), putProvider(provider(1)), putSession(1), putPool(1, { enabled: false })]],
    ['its provider is disabled', [putPool(1), putProvider(provider(1, { enabled: false })), putSession(1)]],
    ['it is disabled', [putPool(1), putProvider(provider(1)), putSession(1, { enabled: false })]],
    ['it is deleted', [putPool(1), putProvider(provider(1)), putSession(1), goneSession(1)]],
    [
      'its provider is deleted',
      [putPool(1), putProvider(provider(1)), putSession(1), { kind: 'provider-gone', providerId: providerId(1) }],
    ],
  ] satisfies [string, Change[]][])('is none when %s', (_, changes) => {
    expect(least(directoryOf(changes), ['a', 'b'])).toEqual([null, null]);
  });

  it('among sessions with equal hashes is the one with fewer assignments, then the smaller id', () => {
    const [a, b] = collidingSessions();
    const [small, large] = [Math.min(a, b), Math.max(a, b)];
    const directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))]);
    for (const [smalls, larges] of [
      [1, 1],
      [1, 2],
      [2, 1],
    ] as const) {
      directory.apply(putSession(small, { providerId: providerId(smalls) }));
      directory.apply(putSession(large, { providerId: providerId(larges) }));
      expect(least(directory, ['a', 'b', 'c'])).toEqual([small, large, small].map(sessionId));
      directory.apply(putAssignment(1, small));
      expect(least(directory, ['a', 'b', 'c'])).toEqual([large, small, large].map(sessionId));
      directory.apply(goneAssignment(1));
    }
  });

  it('counts a session that moves to another provider while the old one is still being cleared', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))]);
    for (let n = 0; n < 1_000; n++) directory.apply(putSession(n));
    directory.apply(putAssignment(1, 0));
    directory.apply({ kind: 'provider-gone', providerId: providerId(1) });
    for (const n of [0, 2_000]) directory.apply(putSession(n, { providerId: providerId(2) }));
    expect(least(directory, ['a'])).toEqual([sessionId(2_000)]);
    while (directory.step()) expect(least(directory, ['a'])).toEqual([sessionId(2_000)]);
    directory.apply(putAssignment(2, 2_000));
    directory.apply(putAssignment(3, 2_000));
    expect(least(directory, ['a', 'b'])).toContain(sessionId(0));
    directory.apply(putAssignment(4, 0));
    directory.apply(putAssignment(5, 0));
    expect(least(directory, ['a'])).toEqual([sessionId(2_000)]);
  });

  it('is a minimal one after any changes, by a plain look at all of them', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 400, size: 'max' }), (steps) => {
        const live = directoryOf([putPool(1), ...PROVIDERS.map((n) => putProvider(provider(n)))]);
        const model = new Model();
        for (const [index, next] of steps.entries()) {
          for (const made of model.take(next)) live.apply(made);
          // One for each way to come to it: from a full list, with someone excluded, and on a single name.
          if (index % 20 !== 0) continue;
          const exclude = sessionId(index % SESSIONS);
          expect(least(live, names(5), exclude)).toEqual(model.least(names(5), exclude));
        }
        expect(least(live, names(SESSIONS))).toEqual(model.least(names(SESSIONS), null));
        for (const n of Array.from({ length: ACCOUNTS }, (_, i) => i)) {
          expect(live.findAssignment(poolId(1), `account${n}`)?.sessionId).toBe(model.boundTo(n));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is found in a crowd that grows, is assigned, freed, and shrinks', () => {
    const COUNT = 3_000;
    const { directory } = poolOf(COUNT / 10);
    const counts = sessionsWithNone(COUNT / 10);
    const bound = new Map<number, number>();
    const bind = (account: number, to: number): void => {
      const before = bound.get(account);
      if (before !== undefined && counts.has(sessionId(before)))
        counts.set(sessionId(before), counts.get(sessionId(before))! - 1);
      counts.set(sessionId(to), counts.get(sessionId(to))! + 1);
      bound.set(account, to);
      directory.apply(putAssignment(account, to));
    };
    const agree = (): void => {
      expect(least(directory, names(20))).toEqual(leastByHand(poolId(1), counts, names(20)));
    };
    agree();
    for (let n = 0; n < COUNT / 10; n++) bind(n, n);
    agree();
    for (let n = COUNT / 10; n < COUNT; n++) {
      directory.apply(putSession(n));
      counts.set(sessionId(n), 0);
    }
    agree();
    // All but a few: the few must be found among the many.
    for (let n = COUNT / 10; n < COUNT - 3; n++) bind(n, n);
    agree();
    for (let n = COUNT - 3; n < COUNT; n++) bind(n, n);
    agree();
    for (let n = 0; n < COUNT; n += 7) bind(n, (n * 31 + 11) % COUNT);
    agree();
    for (let n = 0; n < COUNT; n++) {
      if (n % 11 === 0) continue;
      directory.apply(goneSession(n));
      counts.delete(sessionId(n));
    }
    agree();
    for (let n = 0; n < COUNT; n++) directory.apply(goneAssignment(n));
    for (const id of counts.keys()) counts.set(id, 0);
    agree();
    expect(poolIn(directory, 1).assignments!.size).toBe(0);
  });
});

describe('an assignment', () => {
  it('is found by account as it was put last, and its own pool alone has it', () => {
    const { directory } = poolOf(3);
    directory.apply(putPool(2));
    expect(directory.findAssignment(poolId(1), 'account1')).toBeUndefined();
    directory.apply(putAssignment(1, 0));
    directory.apply(putAssignment(1, 2, { pinned: true }));
    expect(directory.findAssignment(poolId(1), 'account1')).toMatchObject({ sessionId: sessionId(2), pinned: true });
    expect(directory.findAssignment(poolId(2), 'account1')).toBeUndefined();
    expect(poolIn(directory, 1).assignments!.countOf(sessionId(0))).toBe(0);
    directory.apply(goneAssignment(1));
    directory.apply(goneAssignment(1));
    expect(directory.findAssignment(poolId(1), 'account1')).toBeUndefined();
    expect(poolIn(directory, 1).assignments!.size).toBe(0);
  });

  it('stays with a session that is gone, was never here, or comes back', () => {
    const { directory } = poolOf(1);
    directory.apply(putAssignment(1, 0));
    directory.apply(putAssignment(2, 7));
    directory.apply(goneSession(0));
    expect(directory.findAssignment(poolId(1), 'account1')!.sessionId).toBe(sessionId(0));
    for (const n of [0, 7, 8]) directory.apply(putSession(n));
    expect(least(directory, ['a'])).toEqual([sessionId(8)]);
    expect(new Set(least(directory, names(4)).slice(1))).toEqual(new Set([0, 7, 8].map(sessionId)));
  });

  it('goes with its pool', () => {
    const { directory } = poolOf(2);
    directory.apply(putAssignment(1, 0));
    const before = poolIn(directory, 1);
    directory.apply({ kind: 'pool-gone', poolId: poolId(1) });
    expect(before.assignments).toBeNull();
    directory.apply(putPool(1));
    expect(directory.findAssignment(poolId(1), 'account1')).toBeUndefined();
    directory.apply(putSession(0));
    expect(poolIn(directory, 1).assignments).toBeNull();
  });

  it('of an unknown pool is refused by id', () => {
    expect(() => directoryOf([putAssignment(1, 0)])).toThrow(poolId(1));
  });
});

const PROVIDERS = [1, 2, 3];
/** Several leaves a provider, so that ranges are split and closed again. */
const SESSIONS = 90;
const ACCOUNTS = 60;

type Step =
  | { readonly do: 'session' | 'gone'; readonly n: number; readonly of: number; readonly enabled: boolean }
  | { readonly do: 'provider' | 'drop'; readonly n: number; readonly enabled: boolean }
  | { readonly do: 'bind'; readonly n: number; readonly to: number }
  | { readonly do: 'free'; readonly n: number }
  | { readonly do: 'deal'; readonly n: number };

const of = (max: number) => fc.nat({ max: max - 1 });
const sessionStep = fc.record({
  do: fc.constant('session' as const),
  n: of(SESSIONS),
  of: of(3),
  enabled: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: sessionStep },
  { weight: 3, arbitrary: sessionStep.map((made) => ({ ...made, do: 'gone' as const })) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('provider' as const), n: of(3), enabled: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), n: of(3), enabled: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('bind' as const), n: of(ACCOUNTS), to: of(SESSIONS) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('free' as const), n: of(ACCOUNTS) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('deal' as const), n: of(ACCOUNTS) }) },
);

/** Sessions, providers and assignments in plain maps; turns a step into the changes that it makes. */
class Model {
  readonly #sessions = new Map<SessionId, { readonly of: number; readonly enabled: boolean }>();
  readonly #enabled = new Map(PROVIDERS.map((n) => [n, true]));
  readonly #bound = new Map<number, SessionId>();

  take(next: Step): Change[] {
    switch (next.do) {
      case 'session': {
        const at = PROVIDERS[next.of]!;
        this.#sessions.set(sessionId(next.n), { of: at, enabled: next.enabled });
        return [putSession(next.n, { providerId: providerId(at), enabled: next.enabled })];
      }
      case 'gone':
        this.#sessions.delete(sessionId(next.n));
        return [goneSession(next.n)];
      case 'provider': {
        const at = PROVIDERS[next.n]!;
        this.#enabled.set(at, next.enabled);
        return [putProvider(provider(at, { enabled: next.enabled }))];
      }
      case 'drop':
        return this.#drop(PROVIDERS[next.n]!, next.enabled);
      case 'bind':
        this.#bound.set(next.n, sessionId(next.to));
        return [putAssignment(next.n, next.to)];
      case 'free':
        this.#bound.delete(next.n);
        return [goneAssignment(next.n)];
      case 'deal': {
        const [to] = this.least([`account${next.n}`], null);
        if (to == null) return [];
        this.#bound.set(next.n, to);
        return [putAssignment(next.n, 0, { sessionId: to })];
      }
    }
  }

  least(accountNames: readonly string[], exclude: SessionId | null): (SessionId | null)[] {
    const counts = new Map<SessionId, number>();
    for (const [id, { of: at, enabled }] of this.#sessions) {
      if (enabled && this.#enabled.get(at) === true && id !== exclude) counts.set(id, 0);
    }
    for (const id of this.#bound.values()) if (counts.has(id)) counts.set(id, counts.get(id)! + 1);
    return leastByHand(poolId(1), counts, accountNames);
  }

  boundTo(n: number): SessionId | undefined {
    return this.#bound.get(n);
  }

  /** A provider goes with its sessions, and one with the same id comes. */
  #drop(at: number, enabled: boolean): Change[] {
    for (const [id, row] of this.#sessions) if (row.of === at) this.#sessions.delete(id);
    this.#enabled.set(at, enabled);
    return [{ kind: 'provider-gone', providerId: providerId(at) }, putProvider(provider(at, { enabled }))];
  }
}
