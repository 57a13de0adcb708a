/**
 * Which session each live sticky key is on: one bounded table for all pools. The
 * consistent choice alone would hand a share of the keys to every newcomer; with
 * the table a key in use stays where it is until its session cannot serve.
 *
 * A hit writes a timestamp and moves nothing. Expired keys are swept two slots a
 * new key; at capacity the least recently used of the next 16 slots makes room,
 * and a key so lost falls on its consistent choice. Entries name sessions by id
 * and slot: they keep no route, and so no secret, alive.
 */
import type { Clock } from '../clock.ts';
import type { SessionId } from '../model.ts';
import type { MoveReason } from './choice.ts';
import type { Member } from './member.ts';
import { PointTable } from './point-table.ts';
import type { Pool } from './pool.ts';
import { Slots } from './slots.ts';

/** Keys remembered in all. */
export const MAX_STICKY_KEYS = 1_000_000;

const SWEEP_PER_PUT = 2;
const EVICTION_SAMPLE = 16;

interface Entry {
  readonly pool: Pool;
  readonly key: string;
  readonly hash: number;
  /** What its client asked for in place of the pool's idle life; null: nothing. */
  ttlMs: number | null;
  sessionId: SessionId;
  memberSlot: number;
}

/** A live key, as `live()` lists it; `expiresAtMs` is monotonic time. */
export interface LiveKey {
  readonly pool: Pool;
  readonly key: string;
  readonly sessionId: SessionId;
  readonly expiresAtMs: number;
}

export class StickyTable {
  /** Keys moved since the start, by reason. */
  readonly moves = new Map<MoveReason, number>();
  readonly #table = new PointTable();
  readonly #entries = new Slots<Entry>();
  /** [last used, first seen] of each slot, side by side: one cache line a use. */
  readonly #times: Float64Array;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  #now = 0;
  #hand = 0;

  constructor(clock: Clock, maxKeys: number) {
    this.#clock = clock;
    this.#maxKeys = maxKeys;
    this.#times = new Float64Array(2 * maxKeys);
  }

  /** Keys held now, expired ones that are not swept yet included. */
  get size(): number {
    return this.#entries.used;
  }

  /** What is looked at for a key with this hash comes into the cache while other things are done. */
  prefetch(hash: number): void {
    this.#table.prefetch(hash);
  }

  /** The slot of a live key, or −1. Reads the clock for the calls that follow in this turn. */
  find(hash: number, pool: Pool, key: string): number {
    this.#now = this.#clock.monotonicMs();
    const slot = this.#seek(hash, pool, key);
    if (slot < 0 || !this.#expired(slot)) return slot;
    this.#delete(slot);
    return -1;
  }

  /** As `find`, but leaves everything as it is. */
  peek(hash: number, pool: Pool, key: string): number {
    this.#now = this.#clock.monotonicMs();
    const slot = this.#seek(hash, pool, key);
    return slot < 0 || this.#expired(slot) ? -1 : slot;
  }

  sessionId(slot: number): SessionId {
    return this.#entries.get(slot)!.sessionId;
  }

  /** The slot, in its pool's members, of the session that the key is on. */
  memberSlot(slot: number): number {
    return this.#entries.get(slot)!.memberSlot;
  }

  /** Until when the key stays where it is unless it is used, monotonic ms. */
  expiresAt(slot: number): number {
    const { pool, ttlMs } = this.#entries.get(slot)!;
    const { stickyMaxMs, stickyIdleMs } = pool.state.policy;
    const idleMs = Math.min(ttlMs ?? stickyIdleMs, stickyMaxMs);
    return Math.min(this.#times[2 * slot]! + idleMs, this.#times[2 * slot + 1]! + stickyMaxMs);
  }

  /** The key was used now, by a client that asks for this idle life (null: the pool's). */
  touch(slot: number, ttlMs: number | null): void {
    this.#times[2 * slot] = this.#now;
    const entry = this.#entries.get(slot)!;
    if (entry.ttlMs !== ttlMs) entry.ttlMs = ttlMs;
  }

  /** Puts a key that cannot stay on another session, and counts why. */
  move(slot: number, member: Member, reason: MoveReason): void {
    const entry = this.#entries.get(slot)!;
    entry.sessionId = member.id;
    entry.memberSlot = member.slot;
    this.moves.set(reason, (this.moves.get(reason) ?? 0) + 1);
    this.#times[2 * slot] = this.#now;
  }

  /** Remembers a key that `find` has just not found. */
  put(hash: number, pool: Pool, key: string, member: Member, ttlMs: number | null): void {
    if (this.#maxKeys < 1) return;
    this.#sweep();
    if (this.#entries.used >= this.#maxKeys) this.#evict();
    const slot = this.#entries.add({ pool, key, hash, ttlMs, sessionId: member.id, memberSlot: member.slot });
    this.#table.insert(hash, slot);
    this.#times[2 * slot] = this.#now;
    this.#times[2 * slot + 1] = this.#now;
  }

  /** Remembers a key from an earlier run, with `leftMs` to go unless it is used. */
  restore(hash: number, pool: Pool, key: string, member: Member, leftMs: number): void {
    const held = this.find(hash, pool, key);
    if (held >= 0) this.#delete(held);
    this.put(hash, pool, key, member, null);
    const slot = this.#seek(hash, pool, key);
    if (slot >= 0) this.#times[2 * slot]! -= Math.max(0, this.expiresAt(slot) - this.#now - leftMs);
  }

  /** Every key that is not expired. */
  *live(): Generator<LiveKey> {
    for (let slot = 0; slot < this.#entries.end; slot++) {
      const entry = this.#entries.get(slot);
      this.#now = this.#clock.monotonicMs();
      if (entry === undefined || this.#expired(slot)) continue;
      const expiresAtMs = this.expiresAt(slot);
      yield { pool: entry.pool, key: entry.key, sessionId: entry.sessionId, expiresAtMs };
    }
  }

  #seek(hash: number, pool: Pool, key: string): number {
    const table = this.#table;
    for (let at = table.seek(hash); at >= 0; at = table.next(hash, at)) {
      const slot = table.slotAt(hash, at);
      const entry = this.#entries.get(slot)!;
      if (entry.pool === pool && entry.key === key) return slot;
    }
    return -1;
  }

  #expired(slot: number): boolean {
    return this.#now >= this.expiresAt(slot);
  }

  #delete(slot: number): void {
    this.#table.remove(this.#entries.get(slot)!.hash, slot);
    this.#entries.free(slot);
  }

  #sweep(): void {
    for (let i = 0; i < SWEEP_PER_PUT && this.#entries.end > 0; i++) {
      const slot = this.#advance();
      if (this.#entries.get(slot) !== undefined && this.#expired(slot)) this.#delete(slot);
    }
  }

  #evict(): void {
    let oldest = -1;
    for (let i = 0; i < EVICTION_SAMPLE; i++) {
      const slot = this.#advance();
      if (oldest < 0 || this.#times[2 * slot]! < this.#times[2 * oldest]!) oldest = slot;
    }
    this.#delete(oldest);
  }

  #advance(): number {
    this.#hand = this.#hand + 1 < this.#entries.end ? this.#hand + 1 : 0;
    return this.#hand;
  }
}
