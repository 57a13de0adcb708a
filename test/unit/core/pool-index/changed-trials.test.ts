/** Trials of sessions that are disabled, and enabled again, while the request that is the trial is under way. */
import { describe, expect, test } from 'vitest';
import { type Change, OPEN_POLICY, type Route } from '../../../../src/core/model.ts';
import type { Directory } from '../../../../src/core/pool-index/directory.ts';
import type { Pool } from '../../../../src/core/pool-index/pool.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import { plainSelector } from '../../../../src/core/selector.ts';
import { poolOf, provider, putPool, putProvider, putSession, StillClock, sessionId } from './fixture.ts';

const TARGET = 'shop.example';
const policy = { ...OPEN_POLICY, failuresToEject: 1 };
const ANYBODY = plainSelector('pool1', null);

interface Ill {
  readonly directory: Directory;
  readonly pool: Pool;
  readonly clock: StillClock;
  /** The request that is the trial. */
  readonly route: Route;
  readonly trial: number;
}

/** Session 0 of two is half-open, and its trial under way. */
function onTrial(): Ill {
  const clock = new StillClock();
  const { directory, pool } = poolOf(2, { clock });
  directory.apply(putPool(1, { policy }));
  const named = plainSelector('pool1', 'token0');
  const first = resolve(pool, named, TARGET) as Route;
  directory.health.failed(first, TARGET, 'upstream_refused', pool.trial);
  clock.now += policy.baseEjectionMs;
  directory.advance();
  const route = resolve(pool, named, TARGET) as Route;
  const { trial } = pool;
  expect([route.sessionId, trial > 0, healthOf(pool)]).toEqual([sessionId(0), true, 'half_open']);
  return { directory, pool, clock, route, trial };
}

function healthOf(pool: Pool): string {
  return pool.judge.stateOf(pool.findById(sessionId(0))!).health;
}

/** Whether session 0 is among those that requests without a key get. */
function serves(pool: Pool): boolean {
  const routes = [1, 2, 3, 4].map(() => resolve(pool, ANYBODY, TARGET) as Route);
  return routes.some((route) => route.sessionId === sessionId(0));
}

const OFF_AND_ON: readonly [string, readonly [Change, Change]][] = [
  ['the session', [putSession(0, { enabled: false }), putSession(0)]],
  ['its provider', [putProvider(provider(1, { enabled: false })), putProvider(provider(1))]],
  ['its pool', [putPool(1, { policy, enabled: false }), putPool(1, { policy })]],
];

type Verdict = 'abandoned' | 'succeeded' | 'failed';

function tell({ directory, route, trial }: Ill, verdict: Verdict): void {
  if (verdict === 'failed') directory.health.failed(route, TARGET, 'upstream_refused', trial);
  else directory.health[verdict](route, TARGET, trial);
}

describe.each(OFF_AND_ON)('%s is disabled meanwhile, and enabled again', (what, [off, on]) => {
  test('a trial that is cut for it leaves the session half-open, for somebody else to try', () => {
    const ill = onTrial();
    ill.directory.apply(off);
    tell(ill, 'abandoned');
    ill.directory.apply(on);
    expect([healthOf(ill.pool), serves(ill.pool)]).toEqual(['half_open', true]);
  });

  test.each<[Verdict, string]>([
    ['abandoned', 'half_open'],
    // The route of a session that was disabled is another one, though it leads to the same.
    ['succeeded', what === 'the session' ? 'half_open' : 'healthy'],
    ['failed', what === 'the session' ? 'half_open' : 'ejected'],
  ])('one that goes on, and %s afterwards, leaves it %s', (verdict, health) => {
    const ill = onTrial();
    ill.directory.apply(off);
    ill.directory.apply(on);
    expect(serves(ill.pool)).toBe(false);
    tell(ill, verdict);
    expect([healthOf(ill.pool), serves(ill.pool)]).toEqual([health, health !== 'ejected']);
  });

  test('what is told of it once more says nothing of the next trial', () => {
    const ill = onTrial();
    ill.directory.apply(off);
    tell(ill, 'abandoned');
    ill.directory.apply(on);
    expect(serves(ill.pool)).toBe(true);
    for (const verdict of ['abandoned', 'succeeded', 'failed'] as const) tell(ill, verdict);
    expect([healthOf(ill.pool), serves(ill.pool)]).toEqual(['half_open', false]);
  });
});

test('a session with another credential begins anew, whatever becomes of the trial', () => {
  const { directory, pool, route, trial } = onTrial();
  directory.apply(putSession(0, { password: 'another' }));
  directory.health.failed(route, TARGET, 'upstream_refused', trial);
  expect([healthOf(pool), serves(pool)]).toEqual(['healthy', true]);
});
