/**
 * Chooses the session of one request: the gateway's only question to the index.
 *
 *   no key            → round robin
 *   key = live token  → that very session
 *   key seen lately   → the session it is on (a timestamp is written, nothing moves)
 *   key otherwise     → the consistent choice, remembered until it was idle long enough
 *
 * Synchronous, and without allocation but for the first sight of a key.
 */
import type { Route } from '../model.ts';
import { consistentChoice } from './consistent.ts';
import type { Pool } from './pool.ts';

/**
 * The next session's route, or null when no session of the pool can serve (or
 * the pool is disabled). `pool.outcome` says how it was chosen.
 */
export function resolve(pool: Pool, stickyKey: string | null): Route | null {
  if (!pool.state.enabled || pool.size === 0) {
    pool.outcome = 'none';
    return null;
  }
  if (stickyKey === null) {
    pool.outcome = 'round_robin';
    return pool.routeOf(pool.next());
  }
  const keyHash = pool.keyHash(stickyKey);
  const named = pool.findByToken(keyHash, stickyKey);
  if (named !== undefined && pool.serves(named)) {
    pool.outcome = 'token';
    return pool.routeOf(named);
  }
  return resolveSticky(pool, stickyKey, pool.stickyHash(keyHash));
}

function resolveSticky(pool: Pool, key: string, hash: number): Route | null {
  const { sticky } = pool;
  const held = sticky.find(hash, pool, key);
  if (held >= 0) {
    const member = pool.members.get(sticky.memberSlot(held));
    if (member !== undefined && member.id === sticky.sessionId(held) && pool.serves(member)) {
      sticky.touch(held);
      pool.outcome = 'sticky';
      return pool.routeOf(member);
    }
    const next = consistentChoice(pool, key);
    if (next === null) return null;
    sticky.move(held, next, pool.absence(member, sticky.sessionId(held)));
    pool.outcome = 'moved';
    return pool.routeOf(next);
  }
  const chosen = consistentChoice(pool, key);
  if (chosen === null) return null;
  sticky.put(hash, pool, key, chosen);
  pool.outcome = 'consistent';
  return pool.routeOf(chosen);
}
