/** Until when a request's next one gets the same session: for the page that tells a client who it is. */
import type { Selector } from '../selector.ts';
import type { Pool } from './pool.ts';
import { stickyKeyOf } from './resolve.ts';

/**
 * Milliseconds since the epoch: when a sticky key is forgotten unless it is used again, or an account is due to move. null:
 * never (a token's or a pinned account's own session), or nothing is kept.
 */
export function keptUntil(pool: Pool, selector: Selector): number | null {
  const { clock, sticky, state } = pool;
  if (selector.account !== null) {
    const bound = pool.assignments?.find(selector.account);
    const { rotateAgeMs } = state.policy;
    return bound === undefined || bound.pinned || rotateAgeMs === null ? null : bound.boundAtMs + rotateAgeMs;
  }
  if (selector.session === null) return null;
  const key = stickyKeyOf(selector);
  const held = sticky.peek(pool.stickyHash(pool.keyHash(key)), pool, key);
  return held < 0 ? null : clock.nowMs() + sticky.expiresAt(held) - clock.monotonicMs();
}
