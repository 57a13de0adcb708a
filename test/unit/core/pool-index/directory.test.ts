import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AssignmentState, Change, SessionId } from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import {
  choice,
  collidingSessions,
  directoryOf,
  gateway,
  goneAssignment,
  goneSession,
  leastByHand,
  listen,
  pick,
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
  WORKSPACE,
} from './fixture.ts';

describe('a route', () => {
  it('is retired exactly when endpoint, credentials or address change, and not when nothing does', () => {
    const { directory, pool } = poolOf(1);
    const heard = listen(directory);
    const first = pick(pool, null)!;
    directory.apply(putSession(0));
    expect(pick(pool, null)).toBe(first);
    directory.apply(putSession(0, { token: 'other' }));
    expect(pick(pool, null)).toBe(first);
    expect(heard.routes).toEqual([]);
    let current = first;
    for (const over of [{ password: 'new' }, { username: 'new' }, { localAddress: '192.0.2.1' }, { endpoint: null }]) {
      directory.apply(putSession(0, over));
      expect(heard.routes.at(-1)).toBe(current);
      expect(directory.isCurrent(current)).toBe(false);
      const next = pick(pool, null);
      if (next === null) break;
      expect(directory.isCurrent(next)).toBe(true);
      current = next;
    }
    expect(heard.routes).toHaveLength(4);
    expect(pool.size).toBe(0);
    directory.apply(putSession(0));
    expect(pick(pool, null)!.host).toBe(first.host);
  });

  it('of a session that was disabled or deleted never comes back', () => {
    const { directory, pool } = poolOf(1);
    const heard = listen(directory);
    const first = pick(pool, null)!;
    directory.apply(putSession(0, { enabled: false }));
    expect(heard.routes).toEqual([first]);
    expect(pick(pool, null)).toBeNull();
    directory.apply(putSession(0));
    const second = pick(pool, null)!;
    expect(second).toEqual(first);
    expect(second).not.toBe(first);
    directory.apply(goneSession(0));
    directory.apply(goneSession(0));
    expect(heard.routes).toEqual([first, second]);
    expect(directory.isCurrent(second)).toBe(false);
  });

  it.each([
    ['pool', putPool(1, { enabled: false }), putPool(1), { poolId: poolId(1) }],
    ['provider', putProvider(provider(1, { enabled: false })), putProvider(provider(1)), { providerId: providerId(1) }],
  ])(
    'of a disabled %s stops at once, is announced once as a whole, and is a new one afterwards',
    (_, off, on, scope) => {
      const { directory, pool } = poolOf(3);
      const heard = listen(directory);
      const before = [0, 1, 2].map(() => pick(pool, null)!);
      directory.apply(off);
      directory.apply(off);
      expect(heard.scopes).toEqual([scope]);
      expect(pick(pool, null)).toBeNull();
      expect(pick(pool, 'token1')).toBeNull();
      expect(pick(pool, 'key')).toBeNull();
      expect(before.some((route) => directory.isCurrent(route))).toBe(false);
      // A write to a session meanwhile does not bring the retired route back either.
      directory.apply(putSession(1));
      directory.apply(on);
      const after = [0, 1, 2].map(() => pick(pool, null)!);
      for (const route of after) {
        const same = before.find(({ sessionId: id }) => id === route.sessionId);
        expect(route).toEqual(same);
        expect(route).not.toBe(same);
        expect(directory.isCurrent(route)).toBe(true);
      }
      expect(before.some((route) => directory.isCurrent(route))).toBe(false);
    },
  );

  it("of a rotating provider follows the provider's changes, and stays where they make no difference to it", () => {
    const directory = directoryOf([putPool(1), putProvider(gateway(1)), putSession(1), putSession(2)]);
    const pool = poolIn(directory, 1);
    const heard = listen(directory);
    const first = pick(pool, 'token1')!;
    directory.apply(putProvider(gateway(1)));
    expect(heard.scopes).toEqual([]);
    directory.apply(putProvider(gateway(1, { usernameTemplate: 'customer-{token}{country}' })));
    expect(heard.scopes).toEqual([{ providerId: providerId(1) }]);
    expect(pick(pool, 'token1')).toBe(first);
    expect(directory.isCurrent(first)).toBe(true);
    directory.apply(putProvider(gateway(1, { endpoint: { scheme: 'https', host: 'gw2.example', port: 1 } })));
    expect(directory.isCurrent(first)).toBe(false);
    expect(pick(pool, 'token1')).toMatchObject({ scheme: 'https', host: 'gw2.example', port: 1 });
    directory.apply(putProvider(gateway(1, { endpoint: null })));
    expect(pick(pool, 'token1')).toBeNull();
    expect(pool.size).toBe(0);
    expect(heard.scopes).toHaveLength(3);
  });
});

describe('a deleted provider', () => {
  it('stops its sessions at once, frees their tokens, and is cleared in slices', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))]);
    for (let n = 0; n < 1_000; n++) directory.apply(putSession(n, { enabled: n % 3 > 0 }));
    const pool = poolIn(directory, 1);
    const route = pick(pool, 'token1')!;
    directory.apply({ kind: 'provider-gone', providerId: providerId(1) });
    expect([pool.size, pool.total, pick(pool, 'token1'), directory.isCurrent(route)]).toEqual([0, 0, null, false]);
    directory.apply(putSession(1, { id: sessionId(5_000), providerId: providerId(2) }));
    expect(pick(pool, 'token1')!.sessionId).toBe(sessionId(5_000));
    expect(pool.members.used).toBeGreaterThan(900);
    let steps = 1;
    while (directory.step()) steps++;
    expect(steps).toBeGreaterThan(2);
    expect(pool.members.used).toBe(1);
    expect(pick(pool, 'token1')!.sessionId).toBe(sessionId(5_000));
    expect(pick(pool, null)!.sessionId).toBe(sessionId(5_000));
  });

  it('is cleared even when its pool goes meanwhile', () => {
    const { directory } = poolOf(1_000);
    directory.apply({ kind: 'provider-gone', providerId: providerId(1) });
    directory.apply({ kind: 'pool-gone', poolId: poolId(1) });
    expect(directory.step()).toBe(false);
    expect(directory.findPoolById(poolId(1))).toBeUndefined();
    expect(directory.findPool(WORKSPACE, 'pool1')).toBeUndefined();
  });
});

describe('the directory', () => {
  it('finds keys by hash and pools by workspace and name, through renames and exchanged names', () => {
    const directory = directoryOf([putPool(1), putPool(2)]);
    directory.apply(putPool(1, { name: 'pool2' }));
    directory.apply(putPool(2, { name: 'pool1' }));
    expect(directory.findPool(WORKSPACE, 'pool1')!.state.id).toBe(poolId(2));
    expect(directory.findPool(WORKSPACE, 'pool2')!.state.id).toBe(poolId(1));
    expect(directory.findPool('other' as typeof WORKSPACE, 'pool1')).toBeUndefined();
    const key = { id: 'k', workspaceId: WORKSPACE, hash: 'ab', mayUseGateway: true, expiresAtMs: null };
    directory.apply({ kind: 'key-put', key: key as Extract<Change, { kind: 'key-put' }>['key'] });
    expect(directory.findKey('ab')).toEqual(key);
    directory.apply({ kind: 'key-gone', hash: 'ab' });
    expect(directory.findKey('ab')).toBeUndefined();
  });

  it('refuses a session of an unknown pool or provider by id, without a byte of its secrets', () => {
    const directory = directoryOf([putPool(1), putProvider(provider(1))]);
    for (const over of [{ poolId: poolId(9) }, { providerId: providerId(9) }]) {
      expect(() => directory.apply(putSession(1, over))).toThrow(sessionId(1));
      expect(() => directory.apply(putSession(1, over))).not.toThrow(/planted-secret|user1/);
    }
    const retyped = gateway(1, { password: 'planted-secret' });
    expect(() => directory.apply(putProvider(retyped))).toThrow('type');
    expect(() => directory.apply(putProvider(retyped))).not.toThrow(/planted/);
  });

  it('decides between sessions with equal hashes by id, whoever came first', () => {
    const [a, b] = collidingSessions();
    const orders = [
      [a, b],
      [b, a],
    ].map((order) => directoryOf([putPool(1), putProvider(provider(1)), ...order.map((n) => putSession(n))]));
    const split = directoryOf([putPool(1), putProvider(provider(1)), putProvider(provider(2))]);
    split.apply(putSession(a, { providerId: providerId(2) }));
    split.apply(putSession(b));
    for (const directory of [...orders, split]) {
      const pool = poolIn(directory, 1);
      expect(choice(pool, 'any')!.id).toBe(sessionId(Math.min(a, b)));
      expect(pool.findById(sessionId(a))!.id).toBe(sessionId(a));
      expect(pool.findById(sessionId(b))!.id).toBe(sessionId(b));
      directory.apply(goneSession(Math.min(a, b)));
      expect(choice(pool, 'any')!.id).toBe(sessionId(Math.max(a, b)));
    }
  });

  it('equals a fresh load after any changes', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120, size: 'max' }), fc.nat({ max: 3 }), (changes, steps) => {
        const live = directoryOf([]);
        const naive = new NaiveStore();
        for (const next of changes) {
          if (!naive.accepts(next)) continue;
          naive.apply(next);
          live.apply(next);
          // Turns are taken meanwhile: a change finds each pool somewhere within a round.
          for (const n of POOLS) {
            const pool = live.findPoolById(poolId(n));
            const route = pool === undefined ? null : pick(pool, null);
            if (route !== null) expect(live.isCurrent(route)).toBe(true);
          }
        }
        for (let i = 0; i < steps; i++) live.step(3);
        expect(portrait(live)).toEqual(portrait(directoryOf(naive.load())));
        expect(portrait(live)).toEqual(naive.portrait());
      }),
      { numRuns: 100 },
    );
  });
});

const POOLS = [1, 2];
const PROVIDERS = [1, 2, 3];
const SESSIONS = 12;
const ACCOUNTS = 10;
const NEWCOMERS = Array.from({ length: 15 }, (_, n) => `new${n}`);

const providerOf = (n: number, enabled: boolean, template: number): Change =>
  putProvider(
    (n === 3 ? gateway : provider)(n, { enabled, ...(n === 3 && { usernameTemplate: `t${template}-{token}` }) }),
  );

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...POOLS), fc.boolean()).map(([n, enabled]) => putPool(n, { enabled })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...PROVIDERS), fc.boolean(), fc.nat({ max: 1 }))
      .map(([n, enabled, template]) => providerOf(n, enabled, template)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...POOLS).map((n): Change => ({ kind: 'pool-gone', poolId: poolId(n) })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...PROVIDERS).map((n): Change => ({ kind: 'provider-gone', providerId: providerId(n) })),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.nat({ max: SESSIONS - 1 }), fc.constantFrom(...PROVIDERS), fc.boolean(), fc.nat({ max: 2 }))
      .map(([n, of, enabled, version]) =>
        putSession(n, {
          poolId: poolId(POOLS[n % 2]!),
          providerId: providerId(of),
          token: `token${n}-${version}`,
          password: `planted-secret-${version}`,
          enabled,
        }),
      ),
  },
  { weight: 4, arbitrary: fc.nat({ max: SESSIONS - 1 }).map((n) => goneSession(n, POOLS[n % 2]!)) },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat({ max: ACCOUNTS - 1 }), fc.nat({ max: SESSIONS - 1 }), fc.boolean())
      .map(([n, to, pinned]) => putAssignment(n, to, { poolId: poolId(POOLS[to % 2]!), pinned })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat({ max: ACCOUNTS - 1 }), fc.constantFrom(...POOLS))
      .map(([n, of]) => goneAssignment(n, of)),
  },
);

/** The natural key of an assignment. */
const boundKey = (of: { readonly poolId: string; readonly accountName: string }): string =>
  `${of.poolId} ${of.accountName}`;

const boundText = ({ id, accountName, sessionId: to, pinned }: AssignmentState): string =>
  `${id} ${accountName} ${to} ${pinned}`;

/** What the control plane's tables would hold: maps, cascades, nothing clever. */
class NaiveStore {
  readonly #rows = new Map<string, Change>();

  accepts(next: Change): boolean {
    if (next.kind === 'assignment-put') return this.#rows.has(next.assignment.poolId);
    if (next.kind !== 'session-put') return true;
    return this.#rows.has(next.session.poolId) && this.#rows.has(next.session.providerId);
  }

  apply(next: Change): void {
    if (next.kind === 'pool-put') this.#rows.set(next.pool.id, next);
    else if (next.kind === 'provider-put') this.#rows.set(next.provider.id, next);
    else if (next.kind === 'session-put') this.#rows.set(next.session.id, next);
    else if (next.kind === 'session-gone') this.#rows.delete(next.sessionId);
    else if (next.kind === 'assignment-put') this.#rows.set(boundKey(next.assignment), next);
    else if (next.kind === 'assignment-gone') this.#rows.delete(boundKey(next));
    else if (next.kind === 'pool-gone') this.#drop(next.poolId);
    else if (next.kind === 'provider-gone') this.#drop(next.providerId);
  }

  /** Everything in the order of a start: pools, providers, sessions, assignments. */
  load(): Change[] {
    const order = ['pool-put', 'provider-put', 'session-put', 'assignment-put'];
    return [...this.#rows.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  }

  portrait(): ReturnType<typeof portrait> {
    return POOLS.map((n) => {
      const row = this.#rows.get(poolId(n));
      if (row?.kind !== 'pool-put') return null;
      const all = [...this.#rows.values()].flatMap((s) =>
        s.kind === 'session-put' && s.session.poolId === poolId(n) ? [s.session] : [],
      );
      const able = all.filter((s) => {
        const of = this.#rows.get(s.providerId);
        return s.enabled && of?.kind === 'provider-put' && of.provider.enabled;
      });
      const secrets = able.map((s) => {
        const of = this.#rows.get(s.providerId);
        const state = of?.kind === 'provider-put' ? of.provider : undefined;
        const text =
          state?.type === 'gateway'
            ? `${state.usernameTemplate!.replace('{token}', s.token)}:pw`
            : `${s.username}:${s.password}`;
        return `${s.id} ${s.token} Basic ${Buffer.from(text).toString('base64')}`;
      });
      const serves = row.pool.enabled;
      const turn = serves ? secrets.sort() : [];
      return {
        size: able.length,
        total: all.length,
        turn,
        sticky: this.#sticky(n),
        ...this.#bound(n, serves ? able : []),
      };
    });
  }

  /** The consistent choice has no simpler model than a directory that saw nothing else. */
  #sticky(n: number): (string | undefined)[] {
    return stickyChoices(directoryOf(this.load()), n);
  }

  /** What is bound to what, and to whom new accounts would go: those with the smallest count, by a plain look at all. */
  #bound(n: number, able: readonly { readonly id: SessionId }[]) {
    const rows = [...this.#rows.values()].flatMap((row) =>
      row.kind === 'assignment-put' && row.assignment.poolId === poolId(n) ? [row.assignment] : [],
    );
    const counts = new Map(able.map(({ id }) => [id, rows.filter(({ sessionId: to }) => to === id).length]));
    return { bound: rows.map(boundText).sort(), next: leastByHand(poolId(n), counts, NEWCOMERS) };
  }

  #drop(id: string): void {
    this.#rows.delete(id);
    for (const [key, row] of this.#rows) {
      if (row.kind === 'session-put' && (row.session.poolId === id || row.session.providerId === id))
        this.#rows.delete(key);
      if (row.kind === 'assignment-put' && row.assignment.poolId === id) this.#rows.delete(key);
    }
  }
}

/** Everything that can be seen of a directory, apart from the order of turns. */
function portrait(directory: Directory) {
  return POOLS.map((n) => {
    const pool = directory.findPoolById(poolId(n));
    if (pool === undefined) return null;
    const turn: string[] = [];
    for (let i = 0; i < (pool.state.enabled ? pool.size : 0); i++) {
      const route = pick(pool, null)!;
      const token = pool.findById(route.sessionId)!.token;
      expect(directory.isCurrent(route)).toBe(true);
      expect(pick(pool, token)).toBe(route);
      expect(pool.outcome).toBe('token');
      turn.push(`${route.sessionId} ${token} ${route.authorization}`);
    }
    const bound = Array.from({ length: ACCOUNTS }, (_, m) => directory.findAssignment(poolId(n), `account${m}`));
    return {
      size: pool.size,
      total: pool.total,
      turn: turn.sort(),
      sticky: stickyChoices(directory, n),
      bound: bound.flatMap((assignment) => (assignment === undefined ? [] : boundText(assignment))).sort(),
      next: directory.leastAssigned({ poolId: poolId(n), accountNames: NEWCOMERS, exclude: null }),
    };
  });
}

function stickyChoices(directory: Directory, n: number): (string | undefined)[] {
  return ['a', 'b', 'c', 'd'].map((key) => choice(poolIn(directory, n), key)?.id);
}
