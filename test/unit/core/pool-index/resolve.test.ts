/** Resolving where nobody is well: the least bad serve, and who is told what when nobody does. */
import { expect, test } from 'vitest';
import { OPEN_POLICY, type Route } from '../../../../src/core/model.ts';
import { resolve } from '../../../../src/core/pool-index/resolve.ts';
import { asking, directoryOf, gateway, poolIn, provider, providerId, putPool, putProvider, putSession, StillClock } from './fixture.ts'; // biome-ignore format: one list

const TARGET = 'a.test';
const NO_TRIAL = 0;
const policy = { ...OPEN_POLICY, maxEjectedPercent: 100 };

test('sessions of one endpoint that three failed on are left by being asked about, and the least bad of them serves', () => {
  const clock = new StillClock();
  const directory = directoryOf([putPool(1, { policy }), putProvider(provider(1))], { clock });
  const endpoint = { scheme: 'http', host: '10.9.9.9', port: 8_080 } as const;
  for (let n = 0; n < 3; n++) directory.apply(putSession(n, { endpoint }));
  const pool = poolIn(directory, 1);
  for (let n = 0; n < 3; n++) {
    const route = resolve(pool, asking(null), TARGET) as Route;
    directory.health.failed(route, TARGET, 'upstream_refused', NO_TRIAL);
  }
  const last = resolve(pool, asking(null), TARGET);
  expect(last).toMatchObject({ host: '10.9.9.9' });
  expect(resolve(pool, asking(null), TARGET)).toBe('pool_unhealthy');
  clock.now += policy.baseEjectionMs;
  expect(resolve(pool, asking(null), TARGET)).toMatchObject({ host: '10.9.9.9' });
});

test('a pool whose only provider is suspended is unhealthy, not empty, and one trial brings it back', () => {
  const clock = new StillClock();
  const directory = directoryOf([putPool(1, { policy }), putProvider(gateway(1))], { clock });
  for (let n = 0; n < 4; n++) directory.apply(putSession(n, { providerId: providerId(1), endpoint: null }));
  const pool = poolIn(directory, 1);
  for (let n = 0; n < policy.failuresToEject; n++) {
    const route = resolve(pool, asking(null), TARGET) as Route;
    directory.health.failed(route, TARGET, 'upstream_auth_failed', pool.trial);
  }
  expect(resolve(pool, asking(null), TARGET)).toBe('pool_unhealthy');
  expect(directory.stats()).toMatchObject([{ eligible: 0, ejected: 4, disabled: 0 }]);
  clock.now += policy.baseEjectionMs;
  const trial = resolve(pool, asking(null), TARGET) as Route;
  expect(trial).toMatchObject({ host: 'gw.example' });
  // One trial over the provider: nobody else meanwhile.
  expect(resolve(pool, asking(null), TARGET)).toBe('pool_unhealthy');
  directory.health.succeeded(trial, TARGET, 1);
  expect(directory.stats()).toMatchObject([{ eligible: 4, ejected: 0 }]);
});

test('an empty pool is empty', () => {
  const pool = poolIn(directoryOf([putPool(1), putProvider(provider(1))]), 1);
  expect(resolve(pool, asking(null), TARGET)).toBe('pool_empty');
  expect(resolve(pool, asking('key'), TARGET)).toBe('pool_empty');
  expect(resolve(pool, asking(null, { account: 'a' }), TARGET)).toBe('pool_empty');
});
