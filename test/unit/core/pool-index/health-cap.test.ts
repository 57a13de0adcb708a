import { expect, it } from 'vitest';
import { OPEN_POLICY } from '../../../../src/core/model.ts';
import {
  BASE,
  CREDENTIAL_CAUSE,
  ENDPOINT_CAUSE,
  FAILURES,
  HealthRig,
  RigPool,
  RigProvider,
  type RigSession,
  staticRig,
  TOKEN_CAUSE,
} from './health-rig.ts';

const out = (sessions: readonly RigSession[]) => sessions.flatMap(({ inRosters }, i) => (inRosters ? [] : [i]));

it.each([
  [5, 50, 2],
  [3, 34, 1],
  [3, 33, 0],
  [4, 100, 4],
  [4, 0, 0],
])('of %i sessions at most %i %% are out: %i', (total, maxEjectedPercent, expected) => {
  const { rig, pool, sessions } = staticRig(total, { maxEjectedPercent });
  for (const session of sessions) rig.eject(session);
  expect(out(sessions)).toHaveLength(expected);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: expected, halfOpen: 0 });
});

it('at the cap one that is as bad stays in, and is asked again at each failure', () => {
  const { rig, sessions } = staticRig(2);
  const [a, b] = sessions as [RigSession, RigSession];
  rig.eject(a);
  rig.eject(b);
  expect(out(sessions)).toEqual([0]);
  expect(rig.standing(b)).toBe('healthy');
  rig.pass(BASE);
  expect(rig.standing(a)).toBe('half_open failures');
  rig.request(b, TOKEN_CAUSE);
  expect(rig.standing(b)).toBe(`ejected failures ${BASE}`);
});

it('a worse one goes out for the least bad, which comes back half-open', () => {
  const { rig, sessions } = staticRig(4);
  const [a, b, c, d] = sessions as [RigSession, RigSession, RigSession, RigSession];
  // Three ejections of a, two of b and c, of whom b failed more often.
  for (const session of [a, b]) rig.eject(session);
  rig.pass(BASE);
  for (const session of [a, b]) rig.request(session, TOKEN_CAUSE);
  rig.pass(2 * BASE);
  rig.request(a, TOKEN_CAUSE);
  rig.request(b, null);
  rig.eject(c);
  expect(out(sessions)).toEqual([0, 2]);
  // Twice ejected is worse than once, three times worse than that.
  rig.eject(b);
  expect(out(sessions)).toEqual([0, 1]);
  expect(rig.standing(c)).toBe('half_open failures');
  rig.eject(d);
  expect(out(sessions)).toEqual([0, 1]);
});

it('of as many ejections, more failures in a row are worse', () => {
  const { rig, sessions } = staticRig(2);
  const [a, b] = sessions as [RigSession, RigSession];
  rig.eject(a);
  rig.pass(BASE);
  rig.request(a, null);
  rig.eject(b);
  // a was out once, as b is.
  for (let i = 0; i < FAILURES; i++) rig.request(a, TOKEN_CAUSE);
  expect(out(sessions)).toEqual([1]);
  rig.request(a, TOKEN_CAUSE);
  expect(out(sessions)).toEqual([0]);
  expect(rig.standing(b)).toBe('half_open failures');
  expect(rig.standing(a)).toBe(`ejected failures ${2 * BASE}`);
});

it('a trial that fails at the cap leaves its session in', () => {
  const { rig, sessions } = staticRig(2);
  const [a, b] = sessions as [RigSession, RigSession];
  rig.eject(a);
  rig.pass(BASE);
  rig.request(a, TOKEN_CAUSE);
  rig.pass(2 * BASE);
  rig.eject(b);
  rig.pass(BASE);
  rig.request(b, TOKEN_CAUSE);
  expect(rig.standing(b)).toBe(`ejected failures ${2 * BASE}`);
  // b was out twice, as a was; b failed four times in a row, a now five.
  rig.request(a, TOKEN_CAUSE);
  expect(rig.standing(a)).toBe(`ejected failures ${4 * BASE}`);
  expect(rig.standing(b)).toBe('half_open failures');
  rig.request(b, TOKEN_CAUSE);
  expect(rig.standing(b)).toBe('healthy');
  expect(b.inRosters).toBe(true);
});

it('one that the cap keeps in is not well: no time in rosters forgives its ejections before a success', () => {
  const { rig, pool, sessions } = staticRig(2);
  const [a, b] = sessions as [RigSession, RigSession];
  rig.eject(a);
  rig.pass(BASE);
  pool.state = { policy: { ...OPEN_POLICY, maxEjectedPercent: 0 } };
  rig.health.resized(pool);
  rig.request(a, TOKEN_CAUSE);
  rig.pass(10 * BASE);
  pool.state = { policy: OPEN_POLICY };
  rig.health.resized(pool);
  rig.request(a, TOKEN_CAUSE);
  expect(rig.standing(a)).toBe(`ejected failures ${2 * BASE}`);
  expect(rig.serves(b)).toBe(true);
});

it('a refused credential asks for the cap, too', () => {
  const { rig, sessions } = staticRig(2);
  rig.request(sessions[0]!, CREDENTIAL_CAUSE);
  rig.request(sessions[1]!, CREDENTIAL_CAUSE);
  expect(out(sessions)).toEqual([0]);
});

it('a pool that shrinks takes the least bad back', () => {
  const { rig, pool, sessions } = staticRig(6);
  for (const session of sessions.slice(0, 3)) rig.eject(session);
  expect(out(sessions)).toEqual([0, 1, 2]);
  rig.remove(sessions[5]!);
  expect(out(sessions.slice(0, 5))).toEqual([1, 2]);
  expect(rig.standing(sessions[0]!)).toBe('half_open failures');
  rig.remove(sessions[1]!);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 1, halfOpen: 1 });
});

it('a narrower policy takes the least bad back in slices', () => {
  const { rig, pool, sessions } = staticRig(1_000);
  for (const session of sessions.slice(0, 500)) rig.eject(session);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 500, halfOpen: 0 });
  pool.state = { policy: { ...OPEN_POLICY, maxEjectedPercent: 10 } };
  rig.health.resized(pool);
  expect(rig.health.countsOf(pool).ejected).toBeGreaterThan(400);
  expect(rig.health.advance(rig.clock.now)).toBe(true);
  rig.pass(0);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 100, halfOpen: 400 });
});

it('a pool that is gone keeps nobody waiting to come back', () => {
  const { rig, pool, sessions } = staticRig(1_000);
  for (const session of sessions.slice(0, 500)) rig.eject(session);
  rig.request(sessions[999]!, 'upstream_denied_target');
  rig.health.closed(pool);
  rig.pass(0);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 0, halfOpen: 0 });
  expect(sessions.every(({ condition }) => condition === null)).toBe(true);
  // Nothing is due any more: nobody is put back into a pool that is gone.
  rig.pass(BASE);
  expect(out(sessions)).toHaveLength(500);
});

it('a suspended group counts with all of its sessions, and once', () => {
  const rig = new HealthRig();
  const pool = new RigPool({});
  const own = rig.add(pool, new RigProvider(1, 'static'), 6);
  const rotating = rig.add(pool, new RigProvider(2, 'gateway'), 4);
  rig.eject(rotating[0]!);
  for (const session of rotating.slice(1)) rig.request(session, ENDPOINT_CAUSE);
  expect(rig.health.isSuspended(rotating[0]!.group)).toBe(true);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 4, halfOpen: 0 });
  // One more is the cap, whoever of the suspended ones is the least bad.
  rig.eject(own[0]!);
  rig.eject(own[1]!);
  expect(out(own)).toEqual([0]);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 5, halfOpen: 0 });
});

it('a group whose suspension the pool cannot bear any more serves again', () => {
  const rig = new HealthRig();
  const pool = new RigPool({});
  const own = rig.add(pool, new RigProvider(1, 'static'), 3);
  const rotating = rig.add(pool, new RigProvider(2, 'gateway'), 3);
  for (const session of rotating) rig.request(session, ENDPOINT_CAUSE);
  expect(rotating[0]!.group.suspended).toBe(true);
  rig.remove(own[0]!);
  expect(rotating[0]!.group.suspended).toBe(false);
  expect(rig.health.countsOf(pool)).toEqual({ ejected: 0, halfOpen: 0 });
});
