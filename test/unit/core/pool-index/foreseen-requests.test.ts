/**
 * What is foreseen is what happens: in random worlds, whatever the pool's policies, what
 * failed in it and what a request asks for, `foresee` tells the session, the way or the
 * cause that `resolve` then gives at its first attempt, and a census leaves nobody out.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../../../src/core/cause.ts';
import {
  type Change,
  OPEN_POLICY,
  type PoolPolicyState,
  type Route,
  type SessionState,
} from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import { censusOf, foresee } from '../../../../src/core/pool-index/foresee.ts';
import type { Member } from '../../../../src/core/pool-index/member.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import type { Selector } from '../../../../src/core/selector.ts';
import { full } from '../../../helpers/full.ts';
import { asking, directoryOf, gateway, goneAssignment, goneSession, poolIn, provider, providerId, putAssignment, putPool, putProvider, putSession, StillClock, sessionId } from './fixture.ts'; // biome-ignore format: one list

const CASES = full ? 10_000 : 500;
const MAX_SESSIONS = 10;
const POLICY: PoolPolicyState = {
  ...OPEN_POLICY,
  failuresToEject: 2,
  baseEjectionMs: 1_000,
  stickyIdleMs: 5_000,
  stickyMaxMs: 20_000,
};
const WAYS = [
  ...['round_robin', 'random', 'least_connections', 'least_recently_used', 'fastest', 'token', 'sticky', 'consistent'],
  ...['moved', 'account', 'assigned', 'pool_disabled', 'pool_empty', 'pool_unhealthy', 'session_unavailable'],
];
const HOSTS = ['a.test', 'b.test'];

/** A pool with two providers, one of which has an endpoint for all its sessions. */
class World {
  readonly clock = new StillClock();
  readonly pool: Pool;
  readonly #directory: Directory;
  /** Requests that did not end yet. */
  readonly #open: { route: Route; host: string; trial: number }[] = [];
  #seed = 7;

  constructor() {
    const random = (): number => {
      this.#seed = (Math.imul(this.#seed, 48_271) >>> 0) % 2_147_483_647;
      return this.#seed / 2_147_483_647;
    };
    this.#directory = directoryOf(
      [putPool(1, { policy: POLICY }), putProvider(provider(1)), putProvider(gateway(2, { name: 'resi' }))],
      { clock: this.clock, random, maxStickyKeys: 64 },
    );
    this.pool = poolIn(this.#directory, 1);
  }

  apply(change: Change): void {
    this.#directory.apply(change);
  }

  /** Foresees, asks and compares; what the request was given stays open. */
  request(selector: Selector, host: string): string {
    const { pool } = this;
    const seen = foresee(pool, selector, host);
    const { eligibleCount, exclusions } = censusOf(pool, selector);
    expect(exclusions.reduce((sum, { count }) => sum + count, eligibleCount)).toBe(pool.total);
    expect(eligibleCount).toBe(this.eligible(selector).length);
    const given = resolve(pool, selector, host);
    if (typeof given === 'string') {
      expect(seen).toBe(given);
      return given;
    }
    expect(typeof seen === 'string' ? seen : { id: seen.member.id, outcome: seen.outcome }).toEqual({
      id: given.sessionId,
      outcome: pool.outcome,
    });
    given.live?.began();
    this.#open.push({ route: given, host, trial: pool.trial });
    return pool.outcome;
  }

  /** One of the open requests ends: served, with a cause, or without a word. */
  end(which: number, how: Cause | 'served' | 'abandoned'): void {
    const [ended] = this.#open.splice(which % Math.max(1, this.#open.length), 1);
    if (ended === undefined) return;
    const { route, host, trial } = ended;
    const { health } = this.#directory;
    route.live?.ended();
    if (how === 'served') health.succeeded(route, host, trial);
    else if (how === 'abandoned') health.abandoned(route, host, trial);
    else health.failed(route, host, how, trial);
  }

  /** A failure that no request of ours met. */
  fail(n: number, host: string, cause: Cause): void {
    const member = this.pool.findById(sessionId(n));
    if (member !== undefined) this.pool.judge.failed(member, host, cause, 0);
  }

  /** The session fails for this target as often as it takes to be blocked for it. */
  blockFor(n: number, host: string): void {
    for (let i = 0; i < POLICY.failuresToEject; i++) this.fail(n, host, 'target_unreachable');
  }

  /** Several fail once, as when what they connect to is down. */
  outage(several: readonly number[]): void {
    for (const n of several) this.fail(n, HOSTS[0]!, 'upstream_refused');
  }

  /** Who can serve such a request, by a look at every session. */
  eligible({ labels, provider: of }: Selector): Member[] {
    return Array.from({ length: MAX_SESSIONS }, (_, n) => this.pool.findById(sessionId(n))).filter((member) => {
      if (member === undefined || !this.pool.serves(member)) return false;
      const { state } = member.group.provider;
      const has = member.labels?.labels ?? {};
      const fits = Object.entries(labels ?? {}).every(([key, values]) => values.includes(has[key as 'country'] ?? ''));
      return fits && (of === null || of === state.id || of === state.name);
    }) as Member[];
  }
}

type Step = (world: World) => void;
const n = fc.nat(MAX_SESSIONS - 1);
const host = fc.constantFrom(...HOSTS);
const causes: readonly Cause[] = [
  'upstream_refused',
  'upstream_auth_failed',
  'upstream_protocol',
  'upstream_denied_target',
  'target_unreachable',
  'client_gone',
];
const cause = fc.constantFrom(...causes);
const labels = fc.record(
  { country: fc.constantFrom('de', 'us', 'fr'), city: fc.constantFrom('berlin', 'paris') },
  { requiredKeys: [] },
);
const put: fc.Arbitrary<Step> = fc
  .record({ i: n, labels, enabled: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()), near: fc.nat(1) })
  .map(({ i, near, ...over }) => {
    const state: Partial<SessionState> = { ...over, providerId: providerId(i % 3 === 0 ? 2 : 1) };
    // Two endpoints for all of the first provider: what refuses connections there suspends several at once.
    const endpoint = i % 3 === 0 ? null : { scheme: 'http' as const, host: `10.0.0.${near}`, port: 8_080 };
    return (world: World) => world.apply(putSession(i, { ...state, endpoint }));
  }); // biome-ignore format: one table
const policy: fc.Arbitrary<Step> = fc
  .record({
    selection: fc.constantFrom('round_robin', 'random', 'least_connections', 'least_recently_used', 'fastest'),
    strict: fc.boolean(),
    rotateUnhealthy: fc.boolean(),
    rotateAgeMs: fc.constantFrom(null, 3_000),
    maxEjectedPercent: fc.constantFrom(50, 100),
  })
  .map((over) => (world: World) => world.apply(putPool(1, { policy: { ...POLICY, ...over } })));
const change: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: put },
  { weight: 2, arbitrary: n.map((i) => (w: World) => w.apply(goneSession(i))) },
  { weight: 2, arbitrary: policy },
  { weight: 1, arbitrary: fc.nat(5).map((on) => (w: World) => w.apply(putProvider(provider(1, { enabled: on > 0 })))) },
  { weight: 1, arbitrary: fc.nat(5).map((on) => (w: World) => w.apply(putProvider(gateway(2, { name: 'resi', enabled: on > 0 })))) },
  { weight: 1, arbitrary: fc.nat(15).map((on) => (w: World) => w.apply(putPool(1, { policy: w.pool.state.policy, enabled: on > 0 }))) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(2), n, fc.boolean()).map(([account, to, pinned]) => (w: World) => w.apply(putAssignment(account, to, { pinned, boundAtMs: w.clock.nowMs() }))) },
  { weight: 1, arbitrary: fc.nat(2).map((account) => (w: World) => w.apply(goneAssignment(account))) },
); // biome-ignore format: one table
const event: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(n, host).map(([i, at]) => (w: World) => w.blockFor(i, at)) },
  { weight: 1, arbitrary: fc.uniqueArray(n, { minLength: 4, maxLength: 6 }).map((several) => (w: World) => w.outage(several)) },
  { weight: 4, arbitrary: fc.tuple(n, host, cause).map(([i, at, how]) => (w: World) => w.fail(i, at, how)) },
  { weight: 4, arbitrary: fc.tuple(fc.nat(20), fc.oneof(cause, fc.constantFrom('served', 'abandoned'))).map(([i, how]) => (w: World) => w.end(i, how)) },
  { weight: 2, arbitrary: fc.constantFrom(1, 600, 1_000, 2_500, 6_000).map((ms) => (w: World) => { w.clock.now += ms; }) },
  { weight: 1, arbitrary: fc.tuple(n, fc.nat(90)).map(([i, ms]) => (w: World) => w.pool.findById(sessionId(i))?.live?.dialled(ms)) },
); // biome-ignore format: one table
/** What requests ask for: an account, a sticky key or a token, or nothing; and of it whatever. */
const asked: fc.Arbitrary<Selector> = fc
  .record({
    who: fc.oneof(
      fc.constant({}),
      fc.nat(2).map((i) => ({ account: `account${i}` })),
      fc.nat(2).map((i) => ({ session: `key-${i}` })),
      n.map((i) => ({ session: `token${i}` })),
    ),
    labels: fc.oneof(
      { weight: 5, arbitrary: fc.constant(null) },
      fc.constantFrom({ country: ['de'] }, { country: ['de', 'us'] }, { city: ['paris'] }, { country: ['de'], city: ['berlin'] }),
    ),
    provider: fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.constantFrom('resi', providerId(1), 'nobody')),
    ttlMs: fc.constantFrom(null, null, 500, 60_000),
    strict: fc.constantFrom(null, null, true, false),
  })
  .map(({ who, ...what }) => asking(null, { ...what, ...who })); // biome-ignore format: one table
const request = fc.record({ selector: asked, host });
/** Each kind as often as it takes for sessions to be there, to fail, and to be asked for again. */
const step = fc.oneof(
  { weight: 2, arbitrary: change },
  { weight: 4, arbitrary: event },
  { weight: 5, arbitrary: request },
);
const few = fc.array(put, { minLength: 6, maxLength: 16, size: 'max' });
const steps = fc.array(step, { minLength: 20, maxLength: 80, size: 'max' });

describe('a request that was foreseen', () => {
  it('goes to the session that was told, in the way that was told, or ends with the cause that was told', () => {
    const ways = new Map<string, number>();
    fc.assert(
      fc.property(few, policy, steps, request, (puts, how, taken, last) => {
        const world = new World();
        for (const step of [...puts, how]) step(world);
        for (const step of [...taken, last]) {
          if (typeof step === 'function') {
            step(world);
            continue;
          }
          const way = world.request(step.selector, step.host);
          ways.set(way, (ways.get(way) ?? 0) + 1);
        }
      }),
      { numRuns: CASES },
    ); // biome-ignore format: one list of arguments
    // The worlds meet every way and every cause that there is.
    expect([...ways.keys()].sort()).toEqual([...WAYS].sort());
  });
});
