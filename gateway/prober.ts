/**
 * Who is probed when: the pools whose policy asks for it, each with its walk over its
 * sessions, on one coarse tick that runs only while there is such a pool. Made by
 * `assemble.ts`; `server.ts` starts it, tells it of changes, and closes it.
 *
 *   tick ─▶ load, room? ─▶ pool after pool: whose turn is it? ─▶ a dial's slot ─▶ a trial? ─▶ `Probe`
 *
 * Invariants: at most `maxProbes` are under way, one a session; what is retired is cut in
 * the same turn; clients come first: no probe where there is no room for a dial.
 */
import type { PoolId, ProbePolicy, Route } from '../src/core/model.ts';
import type { Member } from '../src/core/pool-index/member.ts';
import type { Pool } from '../src/core/pool-index/pool.ts';
import {
  ProbeWalk,
  probeRouteOf,
  type SlotBudget,
  sameProbe,
  targetHostOf,
} from '../src/core/pool-index/probe-walk.ts';
import { baseOf } from '../src/core/pool-index/request-route.ts';
import type { GatewayContext } from './context.ts';
import { NORMAL } from './load.ts';
import { Probe } from './probe.ts';

const TICK_MS = 100;
/** Looked at in one tick, over all pools: less than a millisecond, if none is probed. A million come round in 25 s. */
const SLOTS_A_TICK = 4_096;
/** Pools that come to their turn in one tick. */
const POOLS_A_TICK = 256;

export class Prober {
  readonly #context: GatewayContext;
  readonly #random: () => number;
  readonly #walks = new Map<PoolId, ProbeWalk>();
  /** The same, as a ring, and whose turn it is there. */
  readonly #ring: ProbeWalk[] = [];
  #turn = 0;
  /** By the sessions' own routes. */
  readonly #underWay = new Map<Route, Probe>();
  #timer: NodeJS.Timeout | null = null;
  #started = false;
  #closed = false;

  /** `random`: at least 0, below 1. */
  constructor(context: GatewayContext, random: () => number) {
    this.#context = context;
    this.#random = random;
  }

  /** Probes under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Whether it ticks: something may come to be probed. */
  get ticks(): boolean {
    return this.#timer !== null;
  }

  /** The sessions are loaded. */
  start(): void {
    this.#started = true;
    this.#wind();
  }

  /** No more probes; those under way are cut. */
  close(): void {
    this.#closed = true;
    this.#wind();
    for (const probe of [...this.#underWay.values()]) probe.cut();
  }

  /** A pool was put, or is gone: what it asks for now holds from here on. */
  heed(poolId: PoolId): void {
    const pool = this.#context.directory.findPoolById(poolId);
    const policy = pool?.state.enabled ? pool.state.policy.probe : null;
    const known = this.#walks.get(poolId);
    if (known !== undefined && known.pool === pool && policy !== null && sameProbe(known.policy, policy)) return;
    if (known !== undefined) this.#forget(known);
    if (pool !== undefined && policy !== null) this.#add(pool, policy);
    this.#wind();
  }

  /** A session's route is no longer valid. */
  retire(route: Route): void {
    this.#underWay.get(baseOf(route))?.cut();
  }

  /** A pool or provider stopped or changed as a whole. */
  retireStale(): void {
    const { directory } = this.#context;
    for (const probe of [...this.#underWay.values()]) if (!directory.isCurrent(probe.route)) probe.cut();
  }

  /** One tick; called by the interval, and by tests in place of time. */
  step(): void {
    const { load, directory, clock } = this.#context;
    if (this.#closed || load.level !== NORMAL) return;
    // Without traffic nobody else lets those come back whose time is over.
    directory.advance();
    const nowMs = clock.monotonicMs();
    const budget = { left: SLOTS_A_TICK };
    for (let looks = Math.min(this.#ring.length, POOLS_A_TICK); looks > 0 && budget.left > 0; looks--) {
      // The next tick goes on here: a pool that fills all places is not the first again.
      if (this.#isFull) return;
      if (this.#turn >= this.#ring.length) this.#turn = 0;
      const walk = this.#ring[this.#turn++]!;
      walk.earn(nowMs);
      for (let member = this.#next(walk, budget); member !== null; member = this.#next(walk, budget)) {
        if (this.#begin(walk, member)) continue;
        walk.putOff();
        return;
      }
    }
  }

  get #isFull(): boolean {
    return this.#underWay.size >= this.#context.limits.maxProbes;
  }

  #next(walk: ProbeWalk, budget: SlotBudget): Member | null {
    return this.#isFull ? null : walk.next(budget);
  }

  /** Probes the session, unless it has no room of its own for that; false: nobody else has room either. */
  #begin({ pool, policy }: ProbeWalk, member: Member): boolean {
    const { caps } = this.#context;
    const route = probeRouteOf(pool, member);
    if (route === null || this.#underWay.has(baseOf(route))) return true;
    // A kept connection gives way to a client's, and to no probe.
    if (!caps.hasSockets(route)) return false;
    const full = caps.beginDial(route.live!, pool.state.policy);
    if (full !== null) return full === 'limit_reached';
    const trial = pool.judge.chosen(member, targetHostOf(policy));
    const probe = new Probe(this.#context, pool.state, policy, route, trial, (over) => {
      this.#underWay.delete(baseOf(over.route));
    });
    this.#underWay.set(baseOf(route), probe);
    probe.start();
    return true;
  }

  #add(pool: Pool, policy: ProbePolicy): void {
    const walk = new ProbeWalk(pool, policy, this.#random, this.#context.clock.monotonicMs());
    this.#walks.set(pool.state.id, walk);
    this.#ring.push(walk);
  }

  #forget(walk: ProbeWalk): void {
    const poolId = walk.pool.state.id;
    this.#walks.delete(poolId);
    this.#ring.splice(this.#ring.indexOf(walk), 1);
    for (const probe of [...this.#underWay.values()]) if (probe.pool.id === poolId) probe.cut();
  }

  #wind(): void {
    const wanted = this.#started && !this.#closed && this.#ring.length > 0;
    if (wanted) this.#timer ??= setInterval(() => this.step(), TICK_MS).unref();
    else if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
