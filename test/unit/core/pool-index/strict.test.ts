/**
 * Sticky keys while their pool changes under them: a strict key is answered by its session
 * or not at all, never by another one as long as that lives; a soft key that must move stays
 * with the provider and country of its session when somebody there can serve, and is counted.
 */
import { expect, it } from 'vitest';
import { OPEN_POLICY, type SessionId } from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import type { Member } from '../../../../src/core/pool-index/member.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import { full } from '../../../helpers/full.ts';
import { asking, directoryOf, goneSession, poolIn, provider, providerId, putPool, putProvider, putSession, StillClock, sessionId } from './fixture.ts'; // biome-ignore format: one list

const REQUESTS = full ? 100_000 : 5_000;
const KEYS = 500;
const SESSIONS = 60;
const COUNTRIES = ['de', 'us', 'fr'];
const TARGET = 'a.test';
/** One change in so many requests. */
const CHURN = 5;
const EJECTION_MS = 2_000;

/** What a session is like, as far as a key that leaves it cares. */
interface Kin {
  readonly id: SessionId;
  readonly country: string;
  readonly provider: string;
}

/** A pool of two providers and three countries that never comes to rest. */
class Churn {
  readonly clock = new StillClock();
  readonly directory: Directory;
  readonly pool: Pool;
  #next = 0;
  #seed: number;
  readonly #live: number[] = [];

  constructor(strict: boolean, seed: number) {
    this.#seed = seed;
    // Keys never expire: whoever moves does so for what happened to its session.
    const idle = 10 ** 9;
    const policy = {
      ...OPEN_POLICY,
      strict,
      stickyIdleMs: idle,
      stickyMaxMs: idle,
      failuresToEject: 1,
      baseEjectionMs: EJECTION_MS,
      maxEjectionMs: EJECTION_MS,
    };
    this.directory = directoryOf([putPool(1, { policy }), putProvider(provider(1)), putProvider(provider(2))], {
      clock: this.clock,
      maxStickyKeys: 2 * KEYS,
    });
    this.pool = poolIn(this.directory, 1);
    for (let i = 0; i < SESSIONS; i++) this.#add();
  }

  /** A whole number below `limit`. */
  draw(limit: number): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed % limit;
  }

  /** One thing happens to the pool. */
  change(): void {
    this.clock.now += this.draw(100);
    const at = this.draw(this.#live.length);
    const n = this.#live[at]!;
    switch (this.draw(6)) {
      case 0:
        if (this.#live.length < SESSIONS) this.#add();
        break;
      case 1:
        if (this.#live.length <= SESSIONS / 2) break;
        this.#live.splice(at, 1);
        this.directory.apply(goneSession(n));
        break;
      case 2:
        this.#put(n, COUNTRIES[this.draw(3)]!, false);
        break;
      case 3:
        this.#put(n, COUNTRIES[this.draw(3)]!, true);
        break;
      case 4:
        this.pool.judge.failed(this.pool.findById(sessionId(n))!, TARGET, 'upstream_protocol', 0);
        break;
      default:
        this.clock.now += EJECTION_MS / 4;
    }
  }

  #add(): void {
    const n = this.#next++;
    this.#live.push(n);
    this.#put(n, COUNTRIES[n % 3]!, true);
  }

  #put(n: number, country: string, enabled: boolean): void {
    this.directory.apply(putSession(n, { providerId: providerId(1 + (n % 2)), labels: { country }, enabled }));
  }

  /** Those that can serve now, by a look at each. */
  serving(): Member[] {
    this.directory.advance();
    return this.#live.map((n) => this.pool.findById(sessionId(n))!).filter((member) => this.pool.serves(member));
  }
}

function kinOf(member: Member): Kin {
  return { id: member.id, country: member.labels!.labels.country!, provider: member.group.provider.state.id };
}

it('a strict key is answered by its session or with session_unavailable, whatever happens to the pool', () => {
  const churn = new Churn(true, 11);
  const { pool } = churn;
  const owners = new Map<string, SessionId>();
  let refused = 0;
  for (let i = 0; i < REQUESTS; i++) {
    if (i % CHURN === 0) churn.change();
    const key = `key-${churn.draw(KEYS)}`;
    const owner = owners.get(key);
    const given = resolve(pool, asking(key), TARGET);
    expect(pool.moved).toBe(null);
    if (typeof given !== 'string') {
      expect(given.sessionId).toBe(owner ?? given.sessionId);
      owners.set(key, given.sessionId);
      pool.judge.succeeded(pool.findById(given.sessionId)!, TARGET, pool.trial);
      continue;
    }
    expect(given).toBe('session_unavailable');
    const member = owner && pool.findById(owner);
    expect(member !== undefined && pool.serves(member)).toBe(false);
    refused++;
  }
  expect(owners.size).toBe(KEYS);
  expect(refused).toBeGreaterThan(REQUESTS / 50);
  expect(churn.directory.stickyMoves().size).toBe(0);
});

it('a soft key that moves goes to the provider and country that it had where it can, and each move is told and counted', () => {
  const churn = new Churn(false, 12);
  const { pool } = churn;
  const owners = new Map<string, Kin>();
  const reasons = new Map<string, number>();
  let alike = 0;
  for (let i = 0; i < REQUESTS; i++) {
    if (i % CHURN === 0) churn.change();
    const key = `key-${churn.draw(KEYS)}`;
    const last = owners.get(key);
    const serving = churn.serving();
    const before = last && pool.findById(last.id);
    const given = resolve(pool, asking(key), TARGET);
    if (typeof given === 'string') throw new Error(`nobody was found: ${given}`);
    const { moved } = pool;
    expect(moved?.from).toBe(last === undefined || last.id === given.sessionId ? undefined : last.id);
    const now = kinOf(pool.findById(given.sessionId)!);
    if (moved !== null) {
      reasons.set(moved.reason, (reasons.get(moved.reason) ?? 0) + 1);
      expect(before !== undefined && serving.includes(before)).toBe(false);
      expect(moved.reason).toBe(before === undefined ? 'removed' : before.eligible ? 'ejected' : 'disabled');
      // Of a session that is gone nobody knows what it was like; of one that is disabled, what it is like now.
      if (before !== undefined) alike += expectNearest(kinOf(before), now, serving.map(kinOf));
    }
    owners.set(key, now);
    pool.judge.succeeded(pool.findById(given.sessionId)!, TARGET, pool.trial);
  }
  expect(Object.fromEntries(churn.directory.stickyMoves())).toEqual(Object.fromEntries(reasons));
  expect([...reasons.keys()].sort()).toEqual(['disabled', 'ejected', 'removed']);
  expect(alike).toBeGreaterThan(0);
});

/** The successor is as near as anybody who serves; 1 when it is of the same provider and country. */
function expectNearest(from: Kin, to: Kin, serving: readonly Kin[]): number {
  const distance = ({ country, provider: of }: Kin): number =>
    (country === from.country ? 0 : 2) + (of === from.provider ? 0 : 1);
  expect(distance(to)).toBe(Math.min(...serving.map(distance)));
  return distance(to) === 0 ? 1 : 0;
}
