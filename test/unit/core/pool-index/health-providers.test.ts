import { describe, expect, it } from 'vitest';
import { OPEN_POLICY } from '../../../../src/core/model.ts';
import { DueTimes } from '../../../../src/core/pool-index/due-times.ts';
import { Endpoints } from '../../../../src/core/pool-index/endpoints.ts';
import { sessionId } from './fixture.ts';
import {
  BASE,
  CREDENTIAL_CAUSE,
  ENDPOINT_CAUSE,
  FAILURES,
  HARMLESS_CAUSE,
  HealthRig,
  RigPool,
  RigProvider,
  type RigSession,
  TARGET,
  TARGET_CAUSE,
  TOKEN_CAUSE,
} from './health-rig.ts';

/** A rotating provider with four sessions in each of two pools, beside STATIC ones. */
function rotatingRig() {
  const rig = new HealthRig();
  const [one, two] = [new RigPool({}), new RigPool({})];
  const provider = new RigProvider(2, 'gateway');
  const others = rig.add(one, new RigProvider(1, 'static'), 6);
  rig.add(two, new RigProvider(3, 'static'), 6);
  const here = rig.add(one, provider, 4);
  const there = rig.add(two, provider, 4);
  const suspended = () => [here[0]!.group.suspended, there[0]!.group.suspended];
  const suspend = () => {
    for (const session of here.slice(0, 3)) rig.request(session, ENDPOINT_CAUSE);
  };
  return { rig, one, two, provider, others, here, there, suspended, suspend };
}

describe('the account of a rotating provider', () => {
  it('is suspended in all pools by refusals in a row, and no token is blamed', () => {
    const { rig, one, here, there, suspended } = rotatingRig();
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    expect(suspended()).toEqual([false, false]);
    rig.request(there[0]!, CREDENTIAL_CAUSE);
    expect(suspended()).toEqual([true, true]);
    expect(rig.standing(there[3]!)).toBe(`ejected provider ${BASE}`);
    expect(here[0]!.condition).toBeNull();
    expect(rig.health.countsOf(one)).toEqual({ ejected: 4, halfOpen: 0 });
  });

  it('counts anew after a success of any of its sessions', () => {
    const { rig, here, there, suspended } = rotatingRig();
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    rig.request(there[3]!, null);
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    rig.request(here[0]!, CREDENTIAL_CAUSE);
    expect(suspended()).toEqual([false, false]);
  });
});

describe('the endpoint of a rotating provider', () => {
  it('suspends it after three different sessions within ten seconds', () => {
    const { rig, here, suspended, others } = rotatingRig();
    rig.request(here[0]!, ENDPOINT_CAUSE);
    rig.request(here[0]!, ENDPOINT_CAUSE);
    rig.pass(4_000);
    rig.request(here[1]!, ENDPOINT_CAUSE);
    rig.pass(6_000);
    expect(suspended()).toEqual([false, false]);
    rig.request(here[2]!, ENDPOINT_CAUSE);
    expect(suspended()).toEqual([true, true]);
    expect(rig.standing(others[0]!)).toBe('healthy');
  });

  it('does not when the first of them is longer ago', () => {
    const { rig, here, suspended } = rotatingRig();
    rig.request(here[0]!, ENDPOINT_CAUSE);
    rig.pass(5_000);
    rig.request(here[1]!, ENDPOINT_CAUSE);
    rig.pass(5_001);
    rig.request(here[2]!, ENDPOINT_CAUSE);
    expect(suspended()).toEqual([false, false]);
    rig.request(here[3]!, ENDPOINT_CAUSE);
    expect(suspended()).toEqual([true, true]);
  });

  it('is not judged by failures of tokens', () => {
    const { rig, here, suspended } = rotatingRig();
    for (const session of here) rig.request(session, TOKEN_CAUSE);
    expect(suspended()).toEqual([false, false]);
  });

  it('counts for the session as well', () => {
    const { rig, here } = rotatingRig();
    for (let i = 0; i < FAILURES; i++) rig.request(here[0]!, ENDPOINT_CAUSE);
    expect(rig.standing(here[0]!)).toBe(`ejected failures ${BASE}`);
  });
});

describe('a suspended provider', () => {
  it('serves again in all pools when its time is over, until one request tries it', () => {
    const { rig, one, here, there, suspended, suspend } = rotatingRig();
    suspend();
    rig.pass(BASE - 1);
    expect(suspended()).toEqual([true, true]);
    rig.pass(1);
    expect(suspended()).toEqual([false, false]);
    expect(rig.standing(here[3]!)).toBe('half_open provider');
    expect(rig.health.countsOf(one)).toEqual({ ejected: 0, halfOpen: 4 });
    expect(rig.choose(there[1]!)).not.toBe(0);
    expect(suspended()).toEqual([true, true]);
    expect(rig.standing(here[3]!)).toBe('ejected provider');
  });

  it('is restored by the success of its trial', () => {
    const { rig, here, there, suspended, suspend } = rotatingRig();
    suspend();
    rig.pass(BASE);
    rig.request(there[1]!, null);
    expect(suspended()).toEqual([false, false]);
    expect(rig.standing(here[3]!)).toBe('healthy');
    expect(rig.choose(here[3]!)).toBe(0);
  });

  it.each([ENDPOINT_CAUSE, CREDENTIAL_CAUSE])('is out for twice as long when its trial ends in %s', (cause) => {
    const { rig, here, there, suspended, suspend } = rotatingRig();
    suspend();
    rig.pass(BASE);
    rig.request(there[1]!, cause);
    expect(suspended()).toEqual([true, true]);
    expect(rig.standing(here[3]!)).toBe(`ejected provider ${2 * BASE}`);
  });

  it.each([TOKEN_CAUSE, TARGET_CAUSE, HARMLESS_CAUSE])('is tried anew when its trial ends in %s', (cause) => {
    const { rig, there, suspended, suspend } = rotatingRig();
    suspend();
    rig.pass(BASE);
    rig.request(there[1]!, cause);
    expect(suspended()).toEqual([false, false]);
    expect(rig.choose(there[2]!)).not.toBe(0);
  });

  it('is tried anew when the session of its trial is removed', () => {
    const { rig, here, there, suspended, suspend } = rotatingRig();
    suspend();
    rig.pass(BASE);
    rig.choose(there[1]!);
    rig.remove(there[1]!);
    expect(suspended()).toEqual([false, false]);
    expect(rig.choose(here[3]!)).not.toBe(0);
  });

  it('is not judged by late news of requests from before its trial', () => {
    const { rig, here, there, suspended, suspend } = rotatingRig();
    const late = rig.choose(here[3]!);
    suspend();
    rig.pass(BASE);
    const trial = rig.choose(there[1]!);
    rig.health.succeeded(here[3]!, TARGET, late);
    expect(suspended()).toEqual([true, true]);
    rig.health.succeeded(there[1]!, TARGET, trial);
    rig.health.failed(here[3]!, TARGET, CREDENTIAL_CAUSE, late);
    expect(suspended()).toEqual([false, false]);
  });

  it('starts anew with another endpoint or credential', () => {
    const { rig, provider, here, suspended, suspend } = rotatingRig();
    suspend();
    rig.health.renewed(provider);
    expect(suspended()).toEqual([false, false]);
    rig.pass(BASE);
    expect(rig.choose(here[3]!)).toBe(0);
    suspend();
    expect(rig.standing(here[3]!)).toBe(`ejected provider ${BASE}`);
  });

  it('is suspended in a pool that gets a session of it only now, too', () => {
    const { rig, two, here, suspend } = rotatingRig();
    suspend();
    const third = new RigPool({ maxEjectedPercent: 100 });
    const [late] = rig.add(third, here[0]!.group.provider, 1);
    expect(rig.standing(late!)).toBe(`ejected provider ${BASE}`);
    expect(late!.group.suspended).toBe(true);
    expect(rig.health.countsOf(two)).toEqual({ ejected: 4, halfOpen: 0 });
    rig.pass(BASE);
    expect(late!.group.suspended).toBe(false);
  });

  it('goes on serving in a pool that cannot do without it', () => {
    const { rig, two, here, suspended, suspend } = rotatingRig();
    const third = new RigPool({});
    const alone = rig.add(third, here[0]!.group.provider, 4);
    two.state = { policy: { ...OPEN_POLICY, maxEjectedPercent: 39 } };
    suspend();
    expect(suspended()).toEqual([true, false]);
    expect(rig.serves(alone[0]!)).toBe(true);
    expect(rig.standing(alone[0]!)).toBe('healthy');
  });
});

describe('an endpoint that STATIC sessions share', () => {
  const SHARED = { host: 'proxies.example', port: 9_000 };

  function sharedRig() {
    const rig = new HealthRig();
    const pool = new RigPool({});
    const provider = new RigProvider(1, 'static');
    const shared = rig.add(pool, provider, 5, SHARED);
    const elsewhere = rig.add(pool, provider, 7);
    const suspend = () => {
      for (const session of shared.slice(0, 3)) rig.request(session, ENDPOINT_CAUSE);
    };
    return { rig, pool, provider, shared, elsewhere, suspend };
  }

  it('takes each of its sessions out when a request comes upon it', () => {
    const { rig, pool, shared, elsewhere, suspend } = sharedRig();
    suspend();
    for (const session of shared) expect(rig.standing(session)).toBe(`ejected endpoint ${BASE}`);
    // The third failure was one: nobody came upon the others yet.
    expect(rig.health.countsOf(pool)).toEqual({ ejected: 1, halfOpen: 0 });
    expect(rig.health.blocks(shared[4]!, TARGET)).toBe(true);
    expect(shared[4]!.inRosters).toBe(false);
    expect(rig.health.countsOf(pool)).toEqual({ ejected: 2, halfOpen: 0 });
    expect(rig.serves(elsewhere[0]!)).toBe(true);
  });

  it('lets each of them have a trial when its time is over', () => {
    const { rig, shared, suspend } = sharedRig();
    suspend();
    expect(rig.health.blocks(shared[3]!, TARGET)).toBe(true);
    rig.pass(BASE - 1);
    expect(rig.health.blocks(shared[4]!, TARGET)).toBe(true);
    rig.pass(1);
    for (const session of shared.slice(2)) expect(rig.choose(session)).not.toBe(0);
    expect(rig.choose(shared[0]!)).toBe(0);
  });

  it('is suspended for twice as long when three fail again', () => {
    const { rig, shared, suspend } = sharedRig();
    suspend();
    rig.pass(BASE);
    for (const session of [shared[0]!, shared[3]!, shared[4]!]) rig.request(session, ENDPOINT_CAUSE);
    expect(rig.standing(shared[3]!)).toBe(`ejected endpoint ${2 * BASE}`);
  });

  it('starts at base again after it was open for as long as it was suspended', () => {
    const { rig, shared, suspend } = sharedRig();
    suspend();
    rig.pass(2 * BASE);
    for (const session of [shared[0]!, shared[3]!, shared[4]!]) rig.request(session, ENDPOINT_CAUSE);
    expect(rig.standing(shared[3]!)).toBe(`ejected endpoint ${BASE}`);
  });

  it('is no other port, no other host and no other provider', () => {
    const { rig, pool, provider } = sharedRig();
    const others: RigSession[] = [
      ...rig.add(pool, provider, 1, SHARED),
      ...rig.add(pool, provider, 1, { ...SHARED, port: 9_001 }),
      ...rig.add(pool, provider, 1, { ...SHARED, host: 'other.example' }),
      ...rig.add(pool, new RigProvider(2, 'static'), 1, SHARED),
    ];
    for (const session of others) for (let i = 0; i < 2; i++) rig.request(session, ENDPOINT_CAUSE);
    for (const session of others) expect(rig.standing(session)).toBe('healthy');
  });

  it('leaves those in that the cap keeps', () => {
    const rig = new HealthRig();
    const pool = new RigPool({});
    const sessions = rig.add(pool, new RigProvider(1, 'static'), 4, SHARED);
    for (const session of sessions.slice(0, 3)) rig.request(session, ENDPOINT_CAUSE);
    expect(sessions.filter((session) => rig.serves(session))).toHaveLength(2);
    expect(sessions.map((session) => rig.health.stateOf(session).health)).toEqual(
      sessions.map(({ inRosters }) => (inRosters ? 'healthy' : 'ejected')),
    );
  });

  it('is forgotten, and open again, when too many others fail', () => {
    const due = new DueTimes();
    const endpoints = new Endpoints(due, 2);
    const provider = new RigProvider(1, 'static');
    const fail = (host: string, n: number) =>
      endpoints.failed(provider, { host, port: 80 }, sessionId(n), OPEN_POLICY, 1_000);
    expect([fail('a', 1), fail('a', 2), fail('a', 3)]).toEqual([false, false, true]);
    expect(endpoints.suspendedUntilMs(provider, 'a', 80)).toBe(1_000 + BASE);
    fail('b', 1);
    fail('c', 1);
    expect(endpoints.size).toBe(2);
    expect(endpoints.suspendedUntilMs(provider, 'a', 80)).toBe(0);
    expect([endpoints.anySuspended, due.size, due.nextMs]).toEqual([false, 0, Number.POSITIVE_INFINITY]);
  });
});
