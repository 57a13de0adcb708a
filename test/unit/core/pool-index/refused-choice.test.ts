import { beforeEach, describe, expect, it } from 'vitest';
import type { AccountBinding } from '../../../../src/core/account-binding.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { resolve, stickyKeyOf } from '../../../../src/core/pool-index/resolve.ts';
import type { Selector } from '../../../../src/core/selector.ts';
import {
  asking,
  directoryOf,
  gateway,
  pick,
  poolIn,
  provider,
  providerId,
  putAssignment,
  putPool,
  putProvider,
  putSession,
  sessionId,
} from './fixture.ts';

/** Session 1 is a STATIC one in Bonn; session 2 belongs to a rotating provider that takes cities of three letters. */
const city = { placeholder: 'city', format: '[a-z]{3}' } as const;
const rotating = gateway(2, { usernameTemplate: 'u[-{city}]-{token}', mintTokens: true, parameters: [city] });
const BONN: Partial<Selector> = { labels: { city: ['bonn'] } };

describe('a choice whose provider cannot spell what is asked for', () => {
  let directory: Directory;
  let pool: Pool;
  let bindings: AccountBinding[];
  beforeEach(() => {
    const sessions = [putSession(1, { labels: { city: 'bonn' } }), putSession(2, { providerId: providerId(2) })];
    directory = directoryOf([putPool(1), putProvider(provider(1)), putProvider(rotating), ...sessions]);
    pool = poolIn(directory, 1);
    bindings = [];
    directory.onBind = (binding) => void bindings.push(binding);
  });

  const refusalOf = (selector: Selector): unknown => {
    const answer = resolve(pool, selector, 'a.test');
    return [answer, pool.fault, pool.outcome, pool.moved];
  };
  const REFUSED = ['selector_invalid', { fault: 'invalid', key: 'city' }, 'none', null];

  const disable = (n: number, enabled: boolean): void =>
    directory.apply(putSession(n, { enabled, labels: { city: 'bonn' } }));
  const heldBy = (selector: Selector): unknown => {
    const key = stickyKeyOf(selector);
    const held = pool.sticky.peek(pool.stickyHash(pool.keyHash(key)), pool, key);
    return held < 0 ? null : pool.sticky.sessionId(held);
  };

  it('binds no account', () => {
    disable(1, false);
    expect(refusalOf(asking(null, { ...BONN, account: 'account7' }))).toEqual(REFUSED);
    expect([bindings, directory.findAssignment(pool.state.id, 'account7')]).toEqual([[], undefined]);
    expect(pick(pool, null, { account: 'account7' })?.sessionId).toBe(sessionId(2));
    expect(bindings).toHaveLength(1);
  });

  it('moves no account', () => {
    directory.apply(putAssignment(7, 1));
    disable(1, false);
    expect(refusalOf(asking(null, { ...BONN, account: 'account7' }))).toEqual(REFUSED);
    expect([bindings, directory.findAssignment(pool.state.id, 'account7')?.sessionId]).toEqual([[], sessionId(1)]);
  });

  it('is no sticky key’s', () => {
    disable(1, false);
    const selector = asking('k', BONN);
    expect(refusalOf(selector)).toEqual(REFUSED);
    expect(heldBy(selector)).toBeNull();
  });

  it('takes no sticky key over: it is served again once its session is back', () => {
    const key = Array.from({ length: 99 }, (_, i) => `k${i}`).find(
      (k) => pick(pool, k, BONN)?.sessionId === sessionId(1),
    )!;
    const selector = asking(key, BONN);
    expect(heldBy(selector)).toBe(sessionId(1));
    disable(1, false);
    expect(refusalOf(selector)).toEqual(REFUSED);
    expect([heldBy(selector), directory.stickyMoves().size]).toEqual([sessionId(1), 0]);
    disable(1, true);
    expect(pick(pool, key, BONN)?.sessionId).toBe(sessionId(1));
  });
});
