/**
 * Rotating providers as a whole: refused credentials are its account's fault, and
 * three sessions that cannot connect its endpoint's. Called by `Health`; acts on the
 * provider's groups through `Ejections`, in time proportional to its pools.
 *
 *   in ─▶ ejected: its groups are out, but where the cap does not allow it
 *      ─▶ half_open: they serve again, until the first request of any of them
 *      ─▶ trial: they are out again until that request has ended
 */
import type { Harm } from '../cause.ts';
import { isOut, type Standing } from './condition.ts';
import { Cooldown } from './cooldown.ts';
import type { Due, DueTimes } from './due-times.ts';
import type { Ejections } from './ejections.ts';
import { FailureWindow } from './endpoints.ts';
import type { Patient, PatientGroup, PatientProvider } from './patient.ts';
import { healthOf } from './pool-health.ts';

export class ProviderHealth extends Cooldown implements Due {
  readonly kind = 'provider';
  readonly provider: PatientProvider;
  standing: Standing = 'in';
  /** Credentials refused without a success of any of its sessions in between. */
  refusals = 0;
  readonly window = new FailureWindow();
  untilMs = 0;
  duePlace = -1;
  /** The trial under way (0: none), and whose request it is. */
  trial = 0;
  trialist: Patient | null = null;

  constructor(provider: PatientProvider) {
    super();
    this.provider = provider;
  }
}

/** Whether the provider's sessions share its account and its endpoint. */
export function isRotating({ state }: PatientProvider): boolean {
  return state.type === 'gateway';
}

export class Suspensions {
  /** Providers that wait for their trial. */
  halfOpen = 0;
  readonly #ejections: Ejections;
  readonly #due: DueTimes<Due>;

  constructor(ejections: Ejections, due: DueTimes<Due>) {
    this.#ejections = ejections;
    this.#due = due;
  }

  /** A session of a rotating provider failed with this harm. */
  failed(patient: Patient, harms: Harm, nowMs: number, trial: number): void {
    const { provider, pool } = patient.group;
    const blames = harms === 'credential' || harms === 'endpoint';
    if (!blames) {
      this.undecided(provider, trial);
      return;
    }
    provider.health ??= new ProviderHealth(provider);
    const { health } = provider;
    const { policy } = pool.state;
    if (health.standing === 'in') {
      const refused = harms === 'credential' && ++health.refusals >= policy.failuresToEject;
      const unreachable = harms === 'endpoint' && health.window.failed(patient.id, nowMs);
      if (!refused && !unreachable) return;
    } else if (!isTrialOf(health, trial)) return;
    health.untilMs = health.begin(nowMs, policy);
    health.refusals = 0;
    this.#enter(health, 'ejected');
  }

  /** A session of the provider served. */
  succeeded({ health }: PatientProvider, nowMs: number, trial: number): void {
    if (health === null) return;
    if (health.standing === 'in') health.refusals = 0;
    if (!isTrialOf(health, trial)) return;
    health.recover(nowMs);
    this.#enter(health, 'in');
  }

  /** A trial ended and said nothing of the provider. */
  undecided({ health }: PatientProvider, trial: number): void {
    if (health !== null && isTrialOf(health, trial)) this.#enter(health, 'half_open');
  }

  /** The session's request becomes the provider's trial; false when the provider waits for none. */
  tryOut(patient: Patient, trial: number): boolean {
    const { health } = patient.group.provider;
    if (health === null || health.standing !== 'half_open') return false;
    health.trial = trial;
    health.trialist = patient;
    this.#enter(health, 'trial');
    return true;
  }

  /** Its time is over. */
  reopen(health: ProviderHealth): void {
    this.#enter(health, 'half_open');
  }

  /** A session came to the group, which may be new. */
  joined(group: PatientGroup): void {
    const { health } = group.provider;
    if (health === null || health.standing === 'in') return;
    // A group that is half-open with its provider is counted as such.
    healthOf(group);
    if (isOut(health.standing)) this.#ejections.suspend(group);
  }

  /** The session is gone: nobody will say how its trial ended. */
  leave(patient: Patient): void {
    const { health } = patient.group.provider;
    if (health?.trialist === patient) this.#enter(health, 'half_open');
  }

  /** The provider starts anew, or is gone. */
  forget(provider: PatientProvider): void {
    if (provider.health === null) return;
    this.#enter(provider.health, 'in');
    provider.health = null;
  }

  #enter(health: ProviderHealth, standing: Standing): void {
    if (health.standing === 'ejected') this.#due.remove(health);
    if (standing === 'ejected') this.#due.push(health);
    this.halfOpen += Number(standing === 'half_open') - Number(health.standing === 'half_open');
    health.standing = standing;
    if (standing !== 'trial') {
      health.trial = 0;
      health.trialist = null;
    }
    for (const group of health.provider.groups) {
      if (isOut(standing)) this.#ejections.suspend(group);
      else this.#ejections.resume(group);
    }
  }
}

function isTrialOf(health: ProviderHealth, trial: number): boolean {
  return trial !== 0 && health.trial === trial;
}
