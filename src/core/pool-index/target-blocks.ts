/**
 * What is held against a session for one target host alone: refusals by the upstream,
 * silence. The session stays in for everyone else. Called by `Health`.
 *
 *   counting ── failuresToEject in a row ─▶ blocked ── its time ─▶ half-open ── one trial ─▶ counting, or blocked again
 *
 * Bound: MAX_PAIRS pairs in all, least recently used first out. A pair hangs on its
 * session's condition, so a request to any other session looks at nothing, and no
 * key is built. There is no timer: a block that is due is read as half-open.
 */
import { LRUCache } from 'lru-cache';
import { ownCopy } from '../own-copy.ts';
import type { Condition } from './condition.ts';
import { Cooldown } from './cooldown.ts';
import type { HealthPolicy, PatientPool } from './patient.ts';

const MAX_PAIRS = 65_536;

/** One (session, target host). */
export class TargetBlock extends Cooldown {
  readonly owner: Condition;
  readonly host: string;
  /** Consecutive ones. */
  failures = 0;
  /** End of the block, monotonic ms; 0 while it counts only. */
  untilMs = 0;
  /** The trial under way; 0: none. */
  trial = 0;

  constructor(owner: Condition, host: string) {
    super();
    this.owner = owner;
    this.host = host;
  }

  /** Whether the session is not for this host now. */
  refuses(nowMs: number): boolean {
    return this.untilMs !== 0 && (this.trial !== 0 || this.untilMs > nowMs);
  }

  /** Whether the next request for this host would be the trial. */
  isHalfOpen(nowMs: number): boolean {
    return this.untilMs !== 0 && this.trial === 0 && this.untilMs <= nowMs;
  }
}

export class TargetBlocks {
  readonly #pairs: LRUCache<TargetBlock, true>;

  /** `onEmpty` is told of a condition that has lost its last pair. `maxPairs` is for tests. */
  constructor(onEmpty: (owner: Condition) => void, maxPairs: number = MAX_PAIRS) {
    // A bound by size, of one each: a bound by `max` would take the memory of all of them in advance.
    this.#pairs = new LRUCache({
      maxSize: maxPairs,
      sizeCalculation: () => 1,
      dispose: (_, { owner, host }) => {
        owner.targets?.delete(host);
        if (owner.targets?.size !== 0) return;
        owner.targets = null;
        onEmpty(owner);
      },
    });
  }

  /** Pairs that are remembered. */
  get size(): number {
    return this.#pairs.size;
  }

  /** The session failed for this host. */
  failed(owner: Condition, host: string, policy: HealthPolicy, nowMs: number, trial: number): void {
    const pair = owner.targets?.get(host) ?? this.#add(owner, host);
    this.#pairs.get(pair);
    const onTrial = pair.trial !== 0 && pair.trial === trial;
    // Late news of a request from before the block.
    if (pair.untilMs !== 0 && !onTrial) return;
    pair.failures++;
    if (!onTrial && pair.failures < policy.failuresToEject) return;
    pair.untilMs = pair.begin(nowMs, policy);
    pair.trial = 0;
  }

  /** The session served this host. */
  succeeded(owner: Condition, host: string, nowMs: number, trial: number): void {
    const pair = owner.targets?.get(host);
    if (pair === undefined) return;
    if (pair.untilMs !== 0) {
      if (pair.trial === 0 || pair.trial !== trial) return;
      pair.untilMs = 0;
      pair.trial = 0;
    }
    pair.failures = 0;
    pair.recover(nowMs);
    pair.lapse(nowMs);
    if (pair.ejections === 0) this.#pairs.delete(pair);
  }

  /** A trial ended and said nothing of this host. */
  undecided(owner: Condition, host: string, trial: number): void {
    const pair = owner.targets?.get(host);
    if (pair?.trial === trial) pair.trial = 0;
  }

  /** Forgets all pairs of a session. */
  forget(owner: Condition): void {
    for (const pair of owner.targets?.values() ?? []) this.#pairs.delete(pair);
  }

  /** Forgets all pairs of a pool that is gone, so that they keep none of its sessions alive: one walk over all pairs. */
  forgetPool(pool: PatientPool): void {
    for (const pair of this.#pairs.keys()) if (pair.owner.patient.group.pool === pool) this.#pairs.delete(pair);
  }

  #add(owner: Condition, host: string): TargetBlock {
    const pair = new TargetBlock(owner, ownCopy(host));
    owner.targets ??= new Map();
    owner.targets.set(pair.host, pair);
    this.#pairs.set(pair, true);
    return pair;
  }
}
