import { describe, expect, it } from 'vitest';
import { CAUSES, type Cause } from '../../../../src/core/cause.ts';
import {
  BASE,
  CREDENTIAL_CAUSE,
  ENDPOINT_CAUSE,
  FAILURES,
  HARMLESS_CAUSE,
  LONGEST,
  staticRig,
  TARGET,
  TARGET_CAUSE,
  TOKEN_CAUSE,
} from './health-rig.ts';

describe('a session', () => {
  it('is ejected by so many failures in a row, of its token or of its endpoint', () => {
    const { rig, sessions } = staticRig(4);
    const [session] = sessions as [(typeof sessions)[0]];
    rig.request(session, TOKEN_CAUSE);
    rig.request(session, ENDPOINT_CAUSE);
    expect(rig.standing(session)).toBe('healthy');
    expect(session.inRosters).toBe(true);
    rig.request(session, TOKEN_CAUSE);
    expect(rig.standing(session)).toBe(`ejected failures ${BASE}`);
    expect(session.inRosters).toBe(false);
  });

  it('counts anew after a success', () => {
    const { rig, sessions } = staticRig(4);
    const session = sessions[0]!;
    for (const cause of [TOKEN_CAUSE, TOKEN_CAUSE, null, TOKEN_CAUSE, TOKEN_CAUSE]) rig.request(session, cause);
    expect(rig.standing(session)).toBe('healthy');
    rig.request(session, TOKEN_CAUSE);
    expect(rig.standing(session)).toBe(`ejected failures ${BASE}`);
  });

  it('is ejected by one refused credential when it has its own', () => {
    const { rig, sessions } = staticRig(4);
    rig.request(sessions[0]!, CREDENTIAL_CAUSE);
    expect(rig.standing(sessions[0]!)).toBe(`ejected credential ${BASE}`);
  });

  it('is not judged by causes that harm nobody', () => {
    const harmless = (Object.keys(CAUSES) as Cause[]).filter((cause) => CAUSES[cause].harms === null);
    expect(harmless.length).toBeGreaterThan(10);
    const { rig, sessions } = staticRig(4);
    for (const cause of harmless) for (let i = 0; i < FAILURES; i++) rig.request(sessions[0]!, cause);
    expect(rig.standing(sessions[0]!)).toBe('healthy');
    expect(sessions[0]!.condition).toBeNull();
  });

  it('keeps nothing of failures that a success made up for', () => {
    const { rig, sessions } = staticRig(4);
    rig.request(sessions[0]!, TOKEN_CAUSE);
    rig.request(sessions[0]!, TARGET_CAUSE);
    expect(sessions[0]!.condition).not.toBeNull();
    rig.request(sessions[0]!, null);
    expect(sessions[0]!.condition).toBeNull();
  });

  it('is half-open when its time is over, and not before', () => {
    const { rig, sessions } = staticRig(4);
    rig.eject(sessions[0]!);
    rig.pass(BASE - 1);
    expect(rig.standing(sessions[0]!)).toBe('ejected failures 1');
    rig.pass(1);
    expect(rig.standing(sessions[0]!)).toBe('half_open failures');
    expect(sessions[0]!.inRosters).toBe(true);
  });

  it('leaves its rosters for one trial, and is restored by its success', () => {
    const { rig, sessions } = staticRig(4);
    const session = sessions[0]!;
    rig.eject(session);
    rig.pass(BASE);
    const trial = rig.choose(session);
    expect(trial).not.toBe(0);
    expect(session.inRosters).toBe(false);
    expect(rig.standing(session)).toBe('half_open failures');
    rig.health.succeeded(session, TARGET, trial);
    expect(rig.standing(session)).toBe('healthy');
    expect(session.inRosters).toBe(true);
    rig.request(session, TOKEN_CAUSE);
    expect(rig.standing(session)).toBe('healthy');
  });

  it('is out for twice as long after each failed trial, up to the longest', () => {
    const { rig, sessions } = staticRig(4);
    const lengths = [BASE, 2 * BASE, 4 * BASE, 8 * BASE, 16 * BASE, LONGEST, LONGEST];
    rig.eject(sessions[0]!);
    for (const length of lengths) {
      expect(rig.standing(sessions[0]!)).toBe(`ejected failures ${length}`);
      rig.pass(length);
      rig.request(sessions[0]!, ENDPOINT_CAUSE);
    }
  });

  it.each([HARMLESS_CAUSE, TARGET_CAUSE, null])('is half-open again after a trial without a verdict (%s)', (cause) => {
    const { rig, sessions } = staticRig(4);
    const session = sessions[0]!;
    rig.eject(session);
    rig.pass(BASE);
    const trial = rig.choose(session);
    if (cause === null) rig.health.abandoned(session, TARGET, trial);
    else rig.health.failed(session, TARGET, cause, trial);
    expect(rig.standing(session)).toBe('half_open failures');
    expect(session.inRosters).toBe(true);
    expect(rig.choose(session)).toBeGreaterThan(trial);
  });

  it('is not judged by a trial that has ended', () => {
    const { rig, sessions } = staticRig(4);
    rig.eject(sessions[0]!);
    rig.pass(BASE);
    const trial = rig.choose(sessions[0]!);
    rig.health.abandoned(sessions[0]!, TARGET, trial);
    rig.health.succeeded(sessions[0]!, TARGET, trial);
    expect(rig.standing(sessions[0]!)).toBe('half_open failures');
  });

  it('is not judged by late news of requests from before its trial', () => {
    const { rig, sessions } = staticRig(4);
    const session = sessions[0]!;
    const late = [rig.choose(session), rig.choose(session), rig.choose(session)];
    rig.eject(session);
    rig.health.failed(session, TARGET, TOKEN_CAUSE, late[0]!);
    rig.health.succeeded(session, TARGET, late[1]!);
    expect(rig.standing(session)).toBe(`ejected failures ${BASE}`);
    rig.pass(BASE);
    const trial = rig.choose(session);
    rig.health.abandoned(session, TARGET, late[2]!);
    rig.health.failed(session, TARGET, TOKEN_CAUSE, late[0]!);
    rig.health.succeeded(session, TARGET, late[1]!);
    expect(session.inRosters).toBe(false);
    rig.health.succeeded(session, TARGET, trial);
    expect(rig.standing(session)).toBe('healthy');
  });

  it.each([
    [BASE - 1, 2 * BASE],
    [BASE, BASE],
  ])('that stayed well for %i ms after 30 s out is out for %i ms the next time', (wellMs, nextMs) => {
    const { rig, sessions } = staticRig(4);
    rig.eject(sessions[0]!);
    rig.pass(BASE);
    rig.request(sessions[0]!, null);
    rig.pass(wellMs);
    rig.eject(sessions[0]!);
    expect(rig.standing(sessions[0]!)).toBe(`ejected failures ${nextMs}`);
  });

  it('counts the time that it stays well from its restoration, not from its next success', () => {
    const { rig, sessions } = staticRig(4);
    rig.eject(sessions[0]!);
    rig.pass(BASE);
    rig.request(sessions[0]!, null);
    rig.pass(BASE / 2);
    rig.request(sessions[0]!, null);
    rig.pass(BASE / 2);
    rig.eject(sessions[0]!);
    expect(rig.standing(sessions[0]!)).toBe(`ejected failures ${BASE}`);
  });

  it('starts anew when it is forgotten, whatever state it was in', () => {
    const { rig, pool, sessions } = staticRig(4);
    const [ejected, onTrial] = sessions as [(typeof sessions)[0], (typeof sessions)[0]];
    rig.eject(onTrial);
    rig.pass(BASE);
    rig.choose(onTrial);
    rig.eject(ejected);
    expect(rig.health.countsOf(pool)).toEqual({ ejected: 1, halfOpen: 1 });
    for (const session of [ejected, onTrial]) {
      rig.health.forget(session);
      expect(rig.health.isOut(session)).toBe(false);
      expect(rig.standing(session)).toBe('healthy');
    }
    expect(rig.health.countsOf(pool)).toEqual({ ejected: 0, halfOpen: 0 });
    rig.pass(BASE);
    expect(rig.standing(ejected)).toBe('healthy');
  });

  it('comes back in slices when many are due at once', () => {
    const { rig, pool, sessions } = staticRig(1_000);
    for (const session of sessions.slice(0, 400)) rig.eject(session);
    rig.clock.now += BASE;
    expect(rig.health.advance(rig.clock.now)).toBe(true);
    const first = rig.health.countsOf(pool).halfOpen;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(100);
    rig.pass(0);
    expect(rig.health.countsOf(pool)).toEqual({ ejected: 0, halfOpen: 400 });
    expect(rig.health.advance(rig.clock.now)).toBe(false);
  });
});

describe('a session for one target host', () => {
  const OTHER = 'news.example';

  it('is blocked by so many failures in a row there, and stays in for everyone else', () => {
    const { rig, sessions } = staticRig(2);
    const [session, other] = sessions as [(typeof sessions)[0], (typeof sessions)[0]];
    for (let i = 0; i < FAILURES; i++) {
      expect(rig.serves(session)).toBe(true);
      rig.request(session, TARGET_CAUSE);
    }
    expect(rig.serves(session)).toBe(false);
    expect(rig.serves(session, OTHER)).toBe(true);
    expect(rig.serves(other)).toBe(true);
    expect(rig.standing(session)).toBe('healthy');
  });

  it('counts anew after a success there, and there alone', () => {
    const { rig, sessions } = staticRig(2);
    const session = sessions[0]!;
    rig.request(session, TARGET_CAUSE);
    rig.request(session, TARGET_CAUSE);
    rig.request(session, null, OTHER);
    rig.request(session, TARGET_CAUSE, OTHER);
    expect(rig.serves(session)).toBe(true);
    rig.request(session, null);
    rig.request(session, TARGET_CAUSE);
    rig.request(session, TARGET_CAUSE);
    expect(rig.serves(session)).toBe(true);
    rig.request(session, TARGET_CAUSE);
    expect(rig.serves(session)).toBe(false);
  });

  it('is let through once when its time is over: blocked for twice as long, or free', () => {
    const { rig, sessions } = staticRig(2);
    const session = sessions[0]!;
    for (let i = 0; i < FAILURES; i++) rig.request(session, TARGET_CAUSE);
    rig.pass(BASE - 1);
    expect(rig.serves(session)).toBe(false);
    rig.pass(1);
    const first = rig.choose(session);
    expect(first).not.toBe(0);
    expect(rig.serves(session)).toBe(false);
    expect(rig.serves(session, OTHER)).toBe(true);
    rig.health.failed(session, TARGET, TARGET_CAUSE, first);
    rig.pass(2 * BASE - 1);
    expect(rig.serves(session)).toBe(false);
    rig.pass(1);
    rig.request(session, null);
    expect(rig.serves(session)).toBe(true);
    expect(rig.choose(session)).toBe(0);
  });

  it.each([TOKEN_CAUSE, HARMLESS_CAUSE])('is let through once more after a trial that ends in %s', (cause) => {
    const { rig, sessions } = staticRig(2);
    const session = sessions[0]!;
    for (let i = 0; i < FAILURES; i++) rig.request(session, TARGET_CAUSE);
    rig.pass(BASE);
    rig.request(session, cause);
    expect(rig.serves(session)).toBe(true);
    const trial = rig.choose(session);
    expect(trial).not.toBe(0);
    rig.health.abandoned(session, TARGET, trial - 1);
    expect(rig.serves(session)).toBe(false);
  });

  it('starts at base again after it was free for as long as it was blocked', () => {
    const { rig, sessions } = staticRig(2);
    const session = sessions[0]!;
    for (let i = 0; i < FAILURES; i++) rig.request(session, TARGET_CAUSE);
    rig.pass(BASE);
    rig.request(session, null);
    rig.pass(BASE);
    for (let i = 0; i < FAILURES; i++) rig.request(session, TARGET_CAUSE);
    rig.pass(BASE);
    expect(rig.serves(session)).toBe(true);
  });

  it('is forgotten with its session', () => {
    const { rig, sessions } = staticRig(2);
    for (let i = 0; i < FAILURES; i++) rig.request(sessions[0]!, TARGET_CAUSE);
    rig.health.forget(sessions[0]!);
    expect(rig.serves(sessions[0]!)).toBe(true);
    expect(sessions[0]!.condition).toBeNull();
  });
});
