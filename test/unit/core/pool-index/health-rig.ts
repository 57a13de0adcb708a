/**
 * A small index for the health tests: sessions in plain arrays, and a host that keeps
 * who is in the rosters. Everything health asks of the index is visible here.
 */
import type { Cause } from '../../../../src/core/cause.ts';
import { OPEN_POLICY, type ProviderType, type SessionId } from '../../../../src/core/model.ts';
import type { Condition } from '../../../../src/core/pool-index/condition.ts';
import { Health } from '../../../../src/core/pool-index/health.ts';
import type {
  HealthHost,
  HealthPolicy,
  Patient,
  PatientGroup,
  PatientPool,
  PatientProvider,
} from '../../../../src/core/pool-index/patient.ts';
import type { GroupHealth, PoolHealth } from '../../../../src/core/pool-index/pool-health.ts';
import type { ProviderHealth } from '../../../../src/core/pool-index/suspensions.ts';
import { providerId, StillClock, sessionId } from './fixture.ts';

/** Three failures, 30 s doubling to 10 min, half of the pool: the defaults. */
export const { failuresToEject: FAILURES, baseEjectionMs: BASE, maxEjectionMs: LONGEST } = OPEN_POLICY;
export const TARGET = 'shop.example';
/** A cause of each harm, and one without. */
export const TOKEN_CAUSE: Cause = 'upstream_protocol';
export const ENDPOINT_CAUSE: Cause = 'upstream_refused';
export const CREDENTIAL_CAUSE: Cause = 'upstream_auth_failed';
export const TARGET_CAUSE: Cause = 'upstream_denied_target';
export const HARMLESS_CAUSE: Cause = 'client_gone';

export class RigPool implements PatientPool {
  state: { policy: HealthPolicy };
  total = 0;
  health: PoolHealth | null = null;

  constructor(policy: Partial<HealthPolicy>) {
    this.state = { policy: { ...OPEN_POLICY, ...policy } };
  }
}

export class RigProvider implements PatientProvider {
  readonly state: PatientProvider['state'];
  readonly groups = new Set<RigGroup>();
  health: ProviderHealth | null = null;

  constructor(n: number, type: ProviderType) {
    this.state = { id: providerId(n), type };
  }
}

export class RigGroup implements PatientGroup {
  readonly pool: RigPool;
  readonly provider: RigProvider;
  total = 0;
  health: GroupHealth | null = null;
  suspended = false;

  constructor(pool: RigPool, provider: RigProvider) {
    this.pool = pool;
    this.provider = provider;
  }
}

export class RigSession implements Patient {
  readonly id: SessionId;
  readonly group: RigGroup;
  endpoint: { host: string; port: number };
  condition: Condition | null = null;
  /** Whether health lets it stand in its rosters. */
  inRosters = true;

  constructor(n: number, group: RigGroup, endpoint: { host: string; port: number }) {
    this.id = sessionId(n);
    this.group = group;
    this.endpoint = endpoint;
  }
}

export class HealthRig implements HealthHost {
  readonly clock = new StillClock();
  readonly health = new Health(this.clock, this);
  #made = 0;

  takeOut(session: RigSession): void {
    if (!session.inRosters) throw new Error('was taken out twice');
    session.inRosters = false;
  }

  putBack(session: RigSession): void {
    if (session.inRosters) throw new Error('was put back twice');
    session.inRosters = true;
  }

  suspend(group: RigGroup): void {
    if (group.suspended) throw new Error('was suspended twice');
    group.suspended = true;
  }

  resume(group: RigGroup): void {
    if (!group.suspended) throw new Error('was resumed twice');
    group.suspended = false;
  }

  endpointOf(session: RigSession): RigSession['endpoint'] {
    return session.endpoint;
  }

  /** So many more sessions of the provider in the pool, each with a host of its own, or all at `endpoint`. */
  add(pool: RigPool, provider: RigProvider, count: number, endpoint?: RigSession['endpoint']): RigSession[] {
    let group = [...provider.groups].find((one) => one.pool === pool);
    if (group === undefined) {
      group = new RigGroup(pool, provider);
      provider.groups.add(group);
    }
    const sessions: RigSession[] = [];
    for (let i = 0; i < count; i++) {
      const n = this.#made++;
      sessions.push(new RigSession(n, group, endpoint ?? { host: `host${n}.example`, port: 8_080 }));
    }
    for (const session of sessions) {
      group.total++;
      pool.total++;
      this.health.joined(session);
    }
    return sessions;
  }

  remove(session: RigSession): void {
    const { group } = session;
    group.total--;
    group.pool.total--;
    session.inRosters = false;
    if (group.total === 0) group.provider.groups.delete(group);
    this.health.forget(session);
  }

  /** Whether a request may go by the session now. */
  serves(session: RigSession, target = TARGET): boolean {
    return session.inRosters && !session.group.suspended && !this.health.blocks(session, target);
  }

  /** Time passes, and a choice is made. */
  pass(ms: number): void {
    this.clock.now += ms;
    while (this.health.advance(this.clock.now)) {}
  }

  /** Chooses a session that serves; the number of the trial, or 0. */
  choose(session: RigSession, target = TARGET): number {
    if (!this.serves(session, target)) throw new Error('does not serve');
    return this.health.chosen(session, target);
  }

  /** One whole request that ends in `cause`, or well for null. */
  request(session: RigSession, cause: Cause | null, target = TARGET): void {
    const trial = this.choose(session, target);
    if (cause === null) this.health.succeeded(session, target, trial);
    else this.health.failed(session, target, cause, trial);
  }

  /** Fails until it is out. */
  eject(session: RigSession): void {
    for (let i = 0; i < FAILURES && session.inRosters; i++) this.request(session, TOKEN_CAUSE);
  }

  /** `healthy`, or how it stands and for how many ms more. */
  standing(session: RigSession): string {
    const { health, untilMs, reason } = this.health.stateOf(session);
    if (health === 'healthy') return health;
    return untilMs === null ? `${health} ${reason}` : `${health} ${reason} ${untilMs - this.clock.now}`;
  }
}

/** One pool with so many STATIC sessions. */
export function staticRig(count: number, policy: Partial<HealthPolicy> = {}) {
  const rig = new HealthRig();
  const pool = new RigPool(policy);
  const provider = new RigProvider(1, 'static');
  return { rig, pool, provider, sessions: rig.add(pool, provider, count) };
}
