/**
 * Whose fault was it: takes the end of each request and decides which sessions,
 * providers, endpoints and (session, target) pairs are left out, and for how long.
 * The index asks before it answers (`advance`, `blocks`, `chosen`); whoever finishes
 * a request says how it went, once (`succeeded`, `failed`, `abandoned`).
 *
 *            failures in a row, or a refused credential; not at the cap
 *      in ────────────────────────────────────────────────▶ ejected ◀──────────┐
 *       ▲                                     its time, or    │                │ failure: twice as long
 *       │                            room for a worse one     ▼      chosen    │
 *       │                                                 half_open ───────▶ trial
 *       │                                                     ▲  no verdict    │
 *       │                                                     └────────────────┤
 *       └──────────────────────── success; or failure at the cap ──────────────┘
 *
 * Invariants: one trial at a time, known by its number, so that late news of older
 * requests decides nothing; a session that never failed costs a null field and is
 * never looked at; nothing here walks over sessions.
 */
import { CAUSES, type Cause, type Harm } from '../cause.ts';
import type { Clock } from '../clock.ts';
import { Condition, type HealthReason, isHalfOpen, isOut } from './condition.ts';
import { DueTimes } from './due-times.ts';
import { Ejections } from './ejections.ts';
import { Endpoints, type SharedEndpoint } from './endpoints.ts';
import type { HealthHost, Patient, PatientGroup, PatientPool, PatientProvider } from './patient.ts';
import { countsOf, type HealthCounts } from './pool-health.ts';
import { isRotating, type ProviderHealth, Suspensions } from './suspensions.ts';
import { TargetBlocks } from './target-blocks.ts';

/** The answer of `chosen` for a request that decides about nothing. */
export const NO_TRIAL = 0;

/** How a session stands. `untilMs` is monotonic, null where no time is set: not ejected, or until a trial has ended. */
export interface HealthState {
  readonly health: 'healthy' | 'ejected' | 'half_open';
  readonly untilMs: number | null;
  /** null for a healthy one. */
  readonly reason: HealthReason | null;
}

const HEALTHY: HealthState = { health: 'healthy', untilMs: null, reason: null };
/** What comes back in one call of `advance`: some tenths of a millisecond. */
const DUE_SLICE = 64;

export class Health {
  readonly #clock: Clock;
  readonly #host: HealthHost;
  readonly #due = new DueTimes<Condition | ProviderHealth | SharedEndpoint>();
  readonly #ejections: Ejections;
  readonly #suspensions: Suspensions;
  readonly #endpoints: Endpoints;
  readonly #targets = new TargetBlocks((owner) => tidy(owner));
  #lastTrial = NO_TRIAL;

  constructor(clock: Clock, host: HealthHost) {
    this.#clock = clock;
    this.#host = host;
    this.#ejections = new Ejections(host, this.#due);
    this.#suspensions = new Suspensions(this.#ejections, this.#due);
    this.#endpoints = new Endpoints(this.#due);
  }

  /** Whether anything is out that will come back by the clock: without, a choice need not read it. */
  get waits(): boolean {
    return this.#due.nextMs !== Number.POSITIVE_INFINITY;
  }

  /** How often a session was taken out, since the start. */
  get ejections(): number {
    return this.#ejections.count;
  }

  /** Brings back what is due, one slice of it; true while more is. Before every choice: one comparison when nothing is. */
  advance(nowMs: number): boolean {
    if (nowMs < this.#due.nextMs) return false;
    for (let left = DUE_SLICE; left > 0; left--) {
      const due = this.#due.take(nowMs);
      if (due === undefined) break;
      if (due.kind === 'session') this.#ejections.enter(due, 'half_open');
      else if (due.kind === 'provider') this.#suspensions.reopen(due);
      else this.#endpoints.reopen(due);
    }
    this.#ejections.step();
    return nowMs >= this.#due.nextMs;
  }

  /**
   * Whether the session is not for this host now, though it stands in its rosters: look for another. One of a
   * suspended endpoint leaves its rosters by this question. O(1), or O(log n) when it leaves.
   */
  blocks(patient: Patient, targetHost: string): boolean {
    if (this.#endpoints.anySuspended && this.#leavesWithEndpoint(patient)) return true;
    const pair = patient.condition?.targets?.get(targetHost);
    return pair?.refuses(this.#clock.monotonicMs()) ?? false;
  }

  /**
   * A request goes by this session, which `blocks` did not refuse. The answer goes with the request and back in with
   * its verdict: the number of the trial that it is, or `NO_TRIAL`.
   */
  chosen(patient: Patient, targetHost: string): number {
    if (patient.condition === null && this.#suspensions.halfOpen === 0) return NO_TRIAL;
    const trial = this.#lastTrial + 1;
    const { condition } = patient;
    let decides = this.#suspensions.tryOut(patient, trial);
    if (condition?.standing === 'half_open') {
      this.#ejections.enter(condition, 'trial');
      condition.trial = trial;
      decides = true;
    }
    const pair = condition?.targets?.get(targetHost);
    if (pair?.isHalfOpen(this.#clock.monotonicMs())) {
      pair.trial = trial;
      decides = true;
    }
    if (!decides) return NO_TRIAL;
    this.#lastTrial = trial;
    return trial;
  }

  /** The request was served. */
  succeeded(patient: Patient, targetHost: string, trial: number): void {
    const { condition, group } = patient;
    if (condition === null && group.provider.health === null) return;
    const nowMs = this.#clock.monotonicMs();
    this.#suspensions.succeeded(group.provider, nowMs, trial);
    if (condition === null) return;
    if (isTrialOf(condition, trial)) this.#ejections.enter(condition, 'in');
    if (condition.standing === 'in') {
      condition.failures = 0;
      condition.recover(nowMs);
      condition.lapse(nowMs);
    }
    this.#targets.succeeded(condition, targetHost, nowMs, trial);
    tidy(condition);
  }

  /** The request ended in a cause, which harms whom the catalogue says, or whom else is told; nobody: that says nothing. */
  failed(patient: Patient, targetHost: string, cause: Cause, trial: number, harms: Harm = CAUSES[cause].harms): void {
    if (harms === null) {
      this.abandoned(patient, targetHost, trial);
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    const rotating = isRotating(patient.group.provider);
    if (harms === 'session_target') {
      patient.condition ??= new Condition(patient);
      this.#targets.failed(patient.condition, targetHost, patient.group.pool.state.policy, nowMs, trial);
    } else if (patient.condition !== null) this.#targets.undecided(patient.condition, targetHost, trial);
    // The credential of a rotating provider is its account's, not the token's.
    const blamed = harms === 'token' || harms === 'endpoint' || (harms === 'credential' && !rotating);
    if (blamed) this.#blame(patient, harms, nowMs, trial);
    else this.#undecided(patient, trial);
    if (rotating) this.#suspensions.failed(patient, harms, nowMs, trial);
    else if (harms === 'endpoint') this.#blameEndpoint(patient, nowMs);
  }

  /** The request ended without saying anything of its upstream: the client went away, we cut it. */
  abandoned(patient: Patient, targetHost: string, trial: number): void {
    if (trial === NO_TRIAL) return;
    if (patient.condition !== null) this.#targets.undecided(patient.condition, targetHost, trial);
    this.#undecided(patient, trial);
    this.#suspensions.undecided(patient.group.provider, trial);
  }

  /** The session is new in the index, which has taken it in: its provider may be out as a whole. */
  joined({ group }: Patient): void {
    this.#suspensions.joined(group);
    this.resized(group.pool);
  }

  /**
   * The session is gone, or starts anew with another endpoint or credential: call it after the index has changed. Its
   * rosters are the index's work; no verdict of an earlier request may come afterwards.
   */
  forget(patient: Patient): void {
    const { condition, group } = patient;
    this.#suspensions.leave(patient);
    if (condition !== null) {
      patient.condition = null;
      this.#targets.forget(condition);
      this.#ejections.drop(condition);
    }
    if (group.total === 0) this.#ejections.dropGroup(group);
    this.resized(group.pool);
  }

  /** The pool has another policy, or lost a group at once: too many may be out. */
  resized(pool: PatientPool): void {
    this.#ejections.settle(pool);
  }

  /** The pool is gone, with all that was out of it. */
  closed(pool: PatientPool): void {
    // Pairs alone make no health of the pool.
    this.#targets.forgetPool(pool);
    if (pool.health === null) return;
    pool.health.closed = true;
    this.#ejections.settle(pool);
  }

  /** The provider has another endpoint, credential or template, or is about to go, its groups still known. */
  renewed(provider: PatientProvider): void {
    this.#suspensions.forget(provider);
  }

  /** Whether the session may stand in rosters, as far as its own health goes. */
  isOut({ condition }: Patient): boolean {
    return condition !== null && isOut(condition.standing);
  }

  /** Whether the group is suspended as a whole. */
  isSuspended({ health }: PatientGroup): boolean {
    return health?.suspended ?? false;
  }

  /** How the session stands; changes nothing. */
  stateOf(patient: Patient): HealthState {
    const { condition, group } = patient;
    const { health: provider } = group.provider;
    if (group.health?.suspended) {
      const untilMs = provider?.standing === 'ejected' ? provider.untilMs : null;
      return { health: 'ejected', untilMs, reason: 'provider' };
    }
    if (condition?.standing === 'ejected') {
      return { health: 'ejected', untilMs: condition.untilMs, reason: condition.reason };
    }
    const onTrial = condition?.standing === 'trial';
    const endpointUntilMs = this.#endpoints.anySuspended && !onTrial ? this.#endpointUntilMs(patient) : 0;
    if (endpointUntilMs > 0 && this.#ejections.mayGo(condition ?? new Condition(patient))) {
      return { health: 'ejected', untilMs: endpointUntilMs, reason: 'endpoint' };
    }
    if (condition !== null && isHalfOpen(condition.standing)) {
      return { health: 'half_open', untilMs: null, reason: condition.reason };
    }
    return provider?.standing === 'half_open' ? { health: 'half_open', untilMs: null, reason: 'provider' } : HEALTHY;
  }

  /** How many of the pool's sessions are out of its rosters, and half-open. */
  countsOf(pool: PatientPool): HealthCounts {
    return countsOf(pool);
  }

  /** A failure of the session itself. */
  #blame(patient: Patient, harms: Harm, nowMs: number, trial: number): void {
    patient.condition ??= new Condition(patient);
    const { condition } = patient;
    const { policy } = patient.group.pool.state;
    const onTrial = isTrialOf(condition, trial);
    // Late news of a request from before its ejection.
    if (condition.standing !== 'in' && !onTrial) return;
    condition.failures++;
    if (!onTrial && harms !== 'credential' && condition.failures < policy.failuresToEject) return;
    condition.lapse(nowMs);
    if (this.#ejections.mayGo(condition)) {
      this.#ejections.makeRoom(condition);
      const reason = harms === 'credential' ? 'credential' : 'failures';
      this.#ejections.eject(condition, reason, condition.begin(nowMs, policy));
    } else {
      condition.relapse();
      this.#ejections.enter(condition, 'in');
    }
  }

  #undecided({ condition }: Patient, trial: number): void {
    if (condition !== null && isTrialOf(condition, trial)) this.#ejections.enter(condition, 'half_open');
  }

  #blameEndpoint(patient: Patient, nowMs: number): void {
    const { provider, pool } = patient.group;
    const endpoint = this.#host.endpointOf(patient);
    if (endpoint === null) return;
    const suspended = this.#endpoints.failed(provider, endpoint, patient.id, pool.state.policy, nowMs);
    if (suspended) this.#leavesWithEndpoint(patient);
  }

  /** Takes a session of a suspended endpoint out, unless the cap keeps it; whether it did. */
  #leavesWithEndpoint(patient: Patient): boolean {
    const untilMs = this.#endpointUntilMs(patient);
    if (untilMs === 0) return false;
    patient.condition ??= new Condition(patient);
    const { condition } = patient;
    // Out already, or the one trial that it is due.
    if (isOut(condition.standing)) return false;
    condition.lapse(this.#clock.monotonicMs());
    if (!this.#ejections.mayGo(condition)) {
      tidy(condition);
      return false;
    }
    this.#ejections.makeRoom(condition);
    // Not its own fault, so no ejection to be doubled; but it is not well either.
    condition.relapse();
    this.#ejections.eject(condition, 'endpoint', untilMs);
    return true;
  }

  /** Until when the session's own endpoint is suspended, monotonic ms; 0: it is not, or no more. */
  #endpointUntilMs(patient: Patient): number {
    const { provider } = patient.group;
    if (isRotating(provider)) return 0;
    const endpoint = this.#host.endpointOf(patient);
    if (endpoint === null) return 0;
    const untilMs = this.#endpoints.suspendedUntilMs(provider, endpoint.host, endpoint.port);
    return untilMs > this.#clock.monotonicMs() ? untilMs : 0;
  }
}

function isTrialOf(condition: Condition, trial: number): boolean {
  return trial !== NO_TRIAL && condition.trial === trial;
}

/** A condition that says nothing costs nothing. */
function tidy(condition: Condition): void {
  if (condition.isBlank && condition.patient.condition === condition) condition.patient.condition = null;
}
