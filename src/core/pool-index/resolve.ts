/**
 * Chooses the session of one attempt: the gateway's only question to the index.
 *
 *   account           → the session it is bound to (`accounts.ts`)
 *   key = live token  → that very session
 *   key seen lately   → the session it is on (a timestamp is written, nothing moves)
 *   key otherwise     → the consistent choice, remembered until it was idle long enough
 *   neither           → the pool's selection, among those with the labels and provider asked for
 *
 * Whoever is left out for its health, or was tried, is not chosen: a soft key moves
 * then, to a session of the same provider and country if there is one; a strict one does
 * not. Synchronous, and without allocation but for the first sight of a key, a move, or a narrowed choice.
 */
import type { Cause } from '../cause.ts';
import { CompiledFilter, type LabelFilter, stickyKeyWith } from '../label-filter.ts';
import type { Route } from '../model.ts';
import type { Selector } from '../selector.ts';
import { resolveAccount } from './accounts.ts';
import { absenceOf, canServe, hand, isRefused, isStrict, isTried, membersOf, nobody, type Tried } from './choice.ts';
import { consistentChoice } from './consistent.ts';
import { NO_TRIAL } from './health.ts';
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';
import { isWanted, type Narrowing, type Scope, scopeOf } from './scope.ts';
import { next, PASSED_OVER, pass } from './selection.ts';
import { noteUse } from './usage.ts';

const UNTRIED: Tried = [];
const NOBODY: readonly Member[] = [];

/** The next session's route, or the cause for which there is none. `pool.outcome` says how it was chosen, `pool.moved` from where. */
export function resolve(pool: Pool, selector: Selector, targetHost: string, tried: Tried = UNTRIED): Route | Cause {
  pool.outcome = 'none';
  pool.moved = null;
  pool.fault = null;
  pool.trial = NO_TRIAL;
  if (!pool.state.enabled) return 'pool_disabled';
  if (pool.judge.waits) pool.judge.advance(pool.clock.monotonicMs());
  if (selector.account !== null) return resolveAccount(pool, selector, selector.account, targetHost, tried);
  if (selector.session !== null) return resolveKey(pool, selector, selector.session, targetHost, tried);
  const member = choose(pool, scopeOf(pool, selector), targetHost, tried);
  return member === null ? nobody(pool) : hand(pool, member, pool.state.policy.selection, selector, targetHost);
}

/** What a sticky key is remembered under: with labels or a provider asked for, it is another key. */
export function stickyKeyOf({ session, labels, provider }: Selector): string {
  if (labels !== null) return CompiledFilter.of(labels).stickyKey(session!, provider);
  return provider === null ? session! : stickyKeyWith(session!, null, provider);
}

function choose(pool: Pool, scope: Scope, targetHost: string, tried: Tried): Member | null {
  const { size } = scope;
  if (size === 0) return null;
  let blocked: Member | null = null;
  const draws = Math.min(size, tried.length + 1) + PASSED_OVER;
  // To ask whether one is blocked may take it out of the scope.
  for (let i = 0; i < draws && scope.size > 0; i++) {
    const member = next(pool, scope);
    pass(pool, scope);
    if (!isTried(member, tried)) {
      if (!pool.judge.blocks(member, targetHost)) return member;
      blocked ??= member;
    }
    // Where use is ordered, the next one comes only once this one was used.
    noteUse(member);
  }
  // Random draws may have met the same few; whoever is left is found by the ring.
  return blocked ?? (tried.length === 0 ? null : consistentChoice(pool, scope, targetHost, membersOf(pool, tried)));
}

function resolveKey(pool: Pool, selector: Selector, key: string, targetHost: string, tried: Tried): Route | Cause {
  const hash = pool.keyHash(key);
  // A key is no token as a rule: what is looked at next is on its way meanwhile.
  const remembered = stickyKeyOf(selector);
  const place = pool.stickyHash(remembered === key ? hash : pool.keyHash(remembered));
  pool.sticky.prefetch(place);
  const named = pool.findByToken(hash, key);
  if (named !== undefined && isWanted(named, selector)) {
    if (canServe(pool, named, tried)) return hand(pool, named, 'token', selector, targetHost);
    if (isStrict(pool, selector) || isTried(named, tried)) return 'session_unavailable';
  }
  return resolveSticky(pool, selector, { key: remembered, hash: place }, targetHost, tried);
}

/** `key`: what it is remembered under, and its place in the table. */
function resolveSticky(
  pool: Pool,
  selector: Selector,
  { key, hash }: { readonly key: string; readonly hash: number },
  targetHost: string,
  tried: Tried,
): Route | Cause {
  const { sticky } = pool;
  const held = sticky.find(hash, pool, key);
  if (held < 0) {
    const chosen = firstChoice(pool, selector, key, targetHost, tried);
    if (chosen === null) return nobody(pool);
    const route = hand(pool, chosen, 'consistent', selector, targetHost);
    if (!isRefused(route)) sticky.put(hash, pool, key, chosen, selector.ttlMs);
    return route;
  }
  const from = sticky.sessionId(held);
  const member = pool.members.get(sticky.memberSlot(held));
  const strict = isStrict(pool, selector);
  const isHeld = member !== undefined && member.id === from;
  if (isHeld && canServe(pool, member, tried) && isWanted(member, selector)) {
    sticky.touch(held, selector.ttlMs);
    if (strict || !pool.judge.blocks(member, targetHost)) return hand(pool, member, 'sticky', selector, targetHost);
    // Only this target is out of its reach: the key stays.
    const detour = consistentChoice(pool, scopeOf(pool, selector), key, [member, ...membersOf(pool, tried)]);
    return hand(pool, detour ?? member, detour === null ? 'sticky' : 'moved', selector, targetHost);
  }
  if (strict) return 'session_unavailable';
  const reason = absenceOf(member, from, isHeld && isTried(member, tried));
  const successor = successorOf(pool, selector, isHeld ? member : undefined, key, membersOf(pool, tried));
  if (successor === null) return nobody(pool);
  const route = hand(pool, successor, 'moved', selector, targetHost);
  if (isRefused(route)) return route;
  sticky.move(held, successor, reason);
  pool.moved = { from, reason };
  return route;
}

/** The consistent choice, but for one whom this target is blocked to. */
function firstChoice(pool: Pool, asked: Narrowing, key: string, targetHost: string, tried: Tried): Member | null {
  const aside = tried.length === 0 ? NOBODY : membersOf(pool, tried);
  const scope = scopeOf(pool, asked);
  const chosen = consistentChoice(pool, scope, key, aside);
  if (chosen === null || !pool.judge.blocks(chosen, targetHost)) return chosen;
  return consistentChoice(pool, scope, key, [...aside, chosen]) ?? chosen;
}

/** Who takes over from a member that cannot serve: of its provider and country, of its country, of its provider, anybody. */
export function successorOf(
  pool: Pool,
  asked: Narrowing,
  from: Member | undefined,
  key: string,
  aside: readonly Member[],
): Member | null {
  for (const wanted of likes(asked, from)) {
    const successor = consistentChoice(pool, scopeOf(pool, wanted), key, aside);
    if (successor !== null) return successor;
  }
  return null;
}

function* likes(asked: Narrowing, from: Member | undefined): Generator<Narrowing> {
  const country = from?.labels?.labels.country;
  const provider = asked.provider ?? from?.group.provider.state.id ?? null;
  if (country !== undefined) {
    const labels: LabelFilter = { ...asked.labels, country: [country] };
    yield { labels, provider };
    yield { labels, provider: asked.provider };
  }
  if (provider !== null) yield { labels: asked.labels, provider };
  yield asked;
}
