/**
 * One contract for every way to choose: whoever is chosen can serve and has what was asked
 * for, whatever came, went, was left out for its health or came back before; and each
 * selection keeps its own promise. A model without any index says what is right.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPEN_POLICY, type SelectionName, type SessionLabels } from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import type { Selector } from '../../../../src/core/selector.ts';
import { whole } from '../../../helpers/full.ts';
import { directoryOf, goneSession, pick, poolIn, provider, providerId, putPool, putProvider, putSession, sessionId } from './fixture.ts'; // biome-ignore format: one list

const SEQUENCES = whole ? 10_000 : 150;
const SELECTIONS: readonly SelectionName[] = [
  'round_robin',
  'random',
  'least_connections',
  'least_recently_used',
  'fastest',
];
const MAX_SESSIONS = 8;
const COUNTRIES = ['de', 'us'];
const TYPES = ['isp', 'mobile'];

/** What the model knows of a session. */
interface Known {
  readonly provider: number;
  readonly labels: SessionLabels;
  enabled: boolean;
  benched: boolean;
  /** When it was last chosen; 0: never since it came. */
  lastUse: number;
  inflight: number;
}

/** What a request asks for, in the model's words. */
interface Asked {
  readonly country?: readonly string[];
  readonly type?: readonly string[];
  readonly provider?: number;
}

class World {
  readonly known = new Map<number, Known>();
  readonly providers = new Map([1, 2].map((n) => [n, true]));
  readonly directory: Directory;
  readonly pool: Pool;
  uses = 0;

  constructor(selection: SelectionName) {
    // Chance that is the same in each run.
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const policy = { ...OPEN_POLICY, selection };
    const changes = [putPool(1, { policy }), putProvider(provider(1)), putProvider(provider(2))];
    this.directory = directoryOf(changes, { random });
    this.pool = poolIn(this.directory, 1);
  }

  put(n: number, enabled: boolean, labels: SessionLabels): void {
    const of = this.known.get(n)?.provider ?? 1 + (n % 2);
    this.directory.apply(putSession(n, { providerId: providerId(of), enabled, labels }));
    const before = this.known.get(n);
    // What comes back has had no turn yet; its requests under way go on. Health has nothing against it: it is only benched here.
    const isNew = before === undefined || before.enabled !== enabled || before.benched;
    const left = { benched: false, lastUse: isNew ? 0 : before.lastUse };
    this.known.set(n, { provider: of, labels, enabled, inflight: before?.inflight ?? 0, ...left });
  }

  gone(n: number): void {
    this.directory.apply(goneSession(n));
    this.known.delete(n);
  }

  bench(n: number, benched: boolean): void {
    const known = this.known.get(n);
    const member = this.pool.findById(sessionId(n));
    if (known === undefined || member === undefined || !known.enabled || known.benched === benched) return;
    this.pool.bench(member, benched);
    known.benched = benched;
    known.lastUse = 0;
  }

  provider(n: number, enabled: boolean): void {
    this.directory.apply(putProvider(provider(n, { enabled })));
    this.providers.set(n, enabled);
  }

  /** Who can serve a request that asks for this. */
  candidates({ country, type, provider: of }: Asked): number[] {
    const has = (values: readonly string[] | undefined, value: string | undefined) =>
      values === undefined || (value !== undefined && values.includes(value));
    return [...this.known]
      .filter(([, known]) => known.enabled && !known.benched && this.providers.get(known.provider))
      .filter(([, { labels }]) => has(country, labels.country) && has(type, labels.type))
      .filter(([, known]) => of === undefined || known.provider === of)
      .map(([n]) => n);
  }

  /** Makes a request; answers whom it was given. */
  pick(asked: Asked, key: string | null): number | null {
    const route = pick(this.pool, key, selectorOf(asked));
    if (route === null) return null;
    return Number.parseInt(route.sessionId.slice(-12), 16);
  }
}

function selectorOf({ country, type, provider: of }: Asked): Partial<Selector> {
  const labels = { ...(country && { country }), ...(type && { type }) };
  return {
    labels: Object.keys(labels).length === 0 ? null : labels,
    provider: of === undefined ? null : providerId(of),
  };
}

const labels: fc.Arbitrary<SessionLabels> = fc.record(
  { country: fc.constantFrom(...COUNTRIES), type: fc.constantFrom(...TYPES) },
  { requiredKeys: [] },
);
const asked: fc.Arbitrary<Asked> = fc.record(
  {
    country: fc.constantFrom(['de'], ['us'], COUNTRIES),
    type: fc.constantFrom(['isp'], TYPES),
    provider: fc.constantFrom(1, 2),
  },
  { requiredKeys: [] },
);
const n = fc.nat(MAX_SESSIONS - 1);
type Step = (world: World) => void;
const change: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(n, fc.boolean(), labels).map(([i, on, has]) => (w: World) => w.put(i, on, has)) },
  { weight: 2, arbitrary: n.map((i) => (w: World) => w.gone(i)) },
  { weight: 3, arbitrary: fc.tuple(n, fc.boolean()).map(([i, out]) => (w: World) => w.bench(i, out)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(1, 2), fc.boolean()).map(([i, on]) => (w: World) => w.provider(i, on)) },
); // biome-ignore format: one table
const steps = fc.array(fc.oneof(change, asked), { minLength: 1, maxLength: 60 });

describe.each(SELECTIONS)('%s', (selection) => {
  it('chooses only who can serve and has what was asked for, and somebody whenever there is one', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(null, 'key'), (taken, key) => {
        const world = new World(selection);
        for (const step of taken) {
          if (typeof step === 'function') {
            step(world);
            continue;
          }
          const candidates = world.candidates(step);
          const chosen = world.pick(step, key);
          if (candidates.length === 0) expect(chosen).toBe(null);
          else expect(candidates).toContain(chosen);
          expect(world.pool.size).toBe(world.candidates({}).length);
        }
      }),
      { numRuns: SEQUENCES },
    );
  });

  it('gives each of those that stay its share', () => {
    const world = new World(selection);
    const SESSIONS = 50;
    const ROUNDS = 200;
    for (let i = 0; i < SESSIONS; i++) world.put(i, true, {});
    const counts = new Map<number | null, number>();
    for (let i = 0; i < SESSIONS * ROUNDS; i++) {
      const chosen = world.pick({}, null);
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    expect(counts.size).toBe(SESSIONS);
    const share = [...counts.values()].map((count) => count / ROUNDS);
    // In turn all are equal; by chance, of 200 each, no one in fifty is off by more than 40 %.
    const inTurn = selection !== 'random' && selection !== 'fastest';
    expect(Math.min(...share)).toBeGreaterThanOrEqual(inTurn ? 1 : 0.6);
    expect(Math.max(...share)).toBeLessThanOrEqual(inTurn ? 1 : 1.4);
  });
});

describe('what each promises', () => {
  it('round robin: nobody comes again before all have come, whatever was asked for', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), asked, (taken, what) => {
        const world = new World('round_robin');
        for (const step of taken) step(world);
        const { length } = world.candidates(what);
        if (length === 0) return;
        // A round that others began is finished first.
        const first = Array.from({ length: 2 * length }, () => world.pick(what, null));
        const from = first.findIndex((_, i) => new Set(first.slice(i, i + length)).size === length);
        expect(from).toBeGreaterThanOrEqual(0);
        for (let i = 0; i < (length - ((first.length - from) % length)) % length; i++) world.pick(what, null);
        for (let round = 0; round < 3; round++) {
          expect(new Set(Array.from({ length }, () => world.pick(what, null))).size).toBe(length);
        }
      }),
      { numRuns: SEQUENCES },
    );
  });

  it('least recently used: nobody who was used later than another candidate', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(change, fc.constant('pick' as const)), { maxLength: 80 }), (taken) => {
        const world = new World('least_recently_used');
        for (const step of taken) {
          if (step !== 'pick') {
            step(world);
            continue;
          }
          const chosen = world.pick({}, null);
          if (chosen === null) continue;
          const oldest = Math.min(...world.candidates({}).map((i) => world.known.get(i)!.lastUse));
          expect(world.known.get(chosen)!.lastUse).toBe(oldest);
          world.known.get(chosen)!.lastUse = ++world.uses;
        }
      }),
      { numRuns: SEQUENCES },
    );
  });

  it('least connections: nobody who has more requests under way than another candidate', () => {
    const begin = fc.constant('begin' as const);
    const end = n.map((i) => ({ end: i }));
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 2, arbitrary: begin }, end, change), { maxLength: 80 }), (taken) => {
        const world = new World('least_connections');
        for (const step of taken) {
          if (typeof step === 'function') step(world);
          else if (step === 'begin') begins(world);
          else ends(world, step.end);
        }
      }),
      { numRuns: SEQUENCES },
    );
  });

  it.each(['least_connections', 'least_recently_used'] as const)(
    '%s: a change to another and back begins anew',
    (own) => {
      const world = new World(own);
      const select = (selection: SelectionName) =>
        world.directory.apply(putPool(1, { policy: { ...OPEN_POLICY, selection } }));
      for (let i = 0; i < 4; i++) world.put(2 * i, true, {});
      expect(world.pick({}, null)).not.toBe(null);
      select('round_robin');
      for (let i = 0; i < 2; i++) world.pick({}, null);
      const route = pick(world.pool, null)!;
      route.live!.began();
      select(own);
      const chosen = Array.from({ length: 4 }, () => world.pick({}, null));
      expect(new Set(chosen).size).toBe(4);
      const busy = Number.parseInt(route.sessionId.slice(-12), 16);
      if (own === 'least_connections') for (let i = 0; i < 8; i++) expect(world.pick({}, null)).not.toBe(busy);
    },
  );

  it('fastest: of two, the one whose dials are quicker for the load that it has', () => {
    const world = new World('fastest');
    for (let i = 0; i < 2; i++) world.put(i, true, {});
    const liveOf = (i: number) => world.pool.routeOf(world.pool.findById(sessionId(i))!)!.live!;
    liveOf(0).dialled(10);
    liveOf(1).dialled(25);
    for (let i = 0; i < 20; i++) expect(world.pick({}, null)).toBe(0);
    liveOf(0).began();
    for (let i = 0; i < 20; i++) expect(world.pick({}, null)).toBe(0);
    liveOf(0).began();
    for (let i = 0; i < 20; i++) expect(world.pick({}, null)).toBe(1);
  });
});

function begins(world: World): void {
  const route = pick(world.pool, null);
  if (route === null) return;
  const chosen = Number.parseInt(route.sessionId.slice(-12), 16);
  const least = Math.min(...world.candidates({}).map((i) => world.known.get(i)!.inflight));
  expect(world.known.get(chosen)!.inflight).toBe(least);
  world.known.get(chosen)!.inflight++;
  route.live!.began();
}

function ends(world: World, n: number): void {
  const known = world.known.get(n);
  const live = world.pool.findById(sessionId(n))?.live;
  if (known === undefined || known.inflight === 0 || !live) return;
  known.inflight--;
  live.ended();
}
