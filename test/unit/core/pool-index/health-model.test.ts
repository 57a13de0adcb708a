/** Random ends of requests, against a plain model of the contract (`health-model.ts`). */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Cause } from '../../../../src/core/cause.ts';
import type { HealthState } from '../../../../src/core/pool-index/health.ts';
import type { HealthPolicy } from '../../../../src/core/pool-index/patient.ts';
import { full } from '../../../helpers/full.ts';
import { HealthModel, type ModelRequest, type ModelSession, modelPool, modelProvider } from './health-model.ts';
import {
  CREDENTIAL_CAUSE,
  ENDPOINT_CAUSE,
  HARMLESS_CAUSE,
  HealthRig,
  RigPool,
  RigProvider,
  type RigSession,
  TARGET_CAUSE,
  TOKEN_CAUSE,
} from './health-rig.ts';

const SEQUENCES = full ? 20_000 : 2_000;
const SESSIONS = 12;
const TARGETS = ['shop.example', 'news.example'];
const SHARED = { host: 'shared.example', port: 9_000 };

interface Setting {
  readonly policies: readonly [HealthPolicy, HealthPolicy];
  readonly rotating: readonly [boolean, boolean];
}
interface Seat {
  real: RigSession;
  model: ModelSession;
  here: boolean;
}
interface UnderWay {
  readonly seat: Seat;
  readonly request: ModelRequest;
  readonly trial: number;
}

type Step =
  | readonly ['choose', which: number, target: string]
  | readonly ['finish', which: number, cause: Cause | null]
  | readonly ['pass' | 'toggle' | 'change' | 'renew', number];

/** Both, side by side: each step is done to both, and then they are compared. */
class Pair {
  readonly rig = new HealthRig();
  readonly model: HealthModel;
  readonly seats: Seat[] = [];
  /** Steps that meant something, to know that the sequences go anywhere. */
  readonly reached = new Set<string>();
  readonly #pools: RigPool[];
  readonly #providers: RigProvider[];
  #underWay: UnderWay[] = [];

  constructor({ policies, rotating }: Setting) {
    this.#pools = policies.map((policy) => new RigPool(policy));
    this.#providers = rotating.map((one, n) => new RigProvider(n + 1, one ? 'gateway' : 'static'));
    this.model = new HealthModel(policies.map(modelPool), rotating.map(modelProvider));
    for (let n = 0; n < SESSIONS; n++) this.seats.push(this.#make(n));
    this.pass(0);
  }

  pass(ms: number): void {
    this.rig.pass(ms);
    this.model.advance(this.rig.clock.now);
  }

  /** A request goes by one of those that stand in rosters, in some order. */
  choose(which: number, target: string): void {
    const ready = this.seats.filter(
      ({ here, model }) => here && this.model.inRosters(model) && !this.model.isSuspended(model),
    );
    const seat = ready[which % ready.length];
    if (seat === undefined) return;
    const blocked = this.rig.health.blocks(seat.real, target);
    expect(blocked).toBe(this.model.blocks(seat.model, target));
    if (blocked) {
      this.reached.add(seat.real.inRosters ? 'blocked' : 'endpoint');
      return;
    }
    const trial = this.rig.health.chosen(seat.real, target);
    const request = this.model.chosen(seat.model, target);
    expect(trial !== 0).toBe(request.decides.length > 0);
    const others = this.#underWay.flatMap((one) => one.request.decides);
    for (const subject of request.decides) {
      expect(others).not.toContain(subject);
      this.reached.add(`trial of ${subject.split(' ')[0]}`);
    }
    this.#underWay.push({ seat, request, trial });
  }

  /** One of the requests under way ends. */
  finish(which: number, cause: Cause | null): void {
    const one = this.#underWay[which % this.#underWay.length];
    if (one === undefined) return;
    this.#underWay = this.#underWay.filter((other) => other !== one);
    const { seat, request, trial } = one;
    if (cause === null) {
      this.rig.health.succeeded(seat.real, request.target, trial);
      this.model.succeeded(request);
      return;
    }
    if (cause === HARMLESS_CAUSE) this.rig.health.abandoned(seat.real, request.target, trial);
    else this.rig.health.failed(seat.real, request.target, cause, trial);
    this.model.failed(request, cause);
  }

  /** A session goes, or comes back as another one. */
  toggle(n: number): void {
    const seat = this.seats[n]!;
    this.#underWay = this.#underWay.filter((one) => one.seat !== seat);
    if (seat.here) {
      this.rig.remove(seat.real);
      this.model.forget(seat.model, true);
      seat.here = false;
    } else this.seats[n] = this.#make(n);
  }

  /** A session gets another credential. */
  change(n: number): void {
    const seat = this.seats[n]!;
    if (!seat.here) return;
    this.#underWay = this.#underWay.filter((one) => one.seat !== seat);
    this.rig.health.forget(seat.real);
    // The index puts it in its rosters again.
    seat.real.inRosters = true;
    this.model.forget(seat.model, false);
  }

  renew(n: number): void {
    this.rig.health.renewed(this.#providers[n]!);
    this.model.renew(this.model.providers[n]!);
    // A request by the old credential decides nothing about the new one.
    for (const { request } of this.#underWay) {
      const at = request.decides.indexOf(`provider ${n}`);
      if (at >= 0) request.decides.splice(at, 1);
    }
  }

  /** One comparison a step: of all that can be seen of either, as text. */
  compare(): void {
    const real: string[] = [];
    const model: string[] = [];
    for (const seat of this.seats) {
      if (!seat.here) continue;
      const own = this.rig.health.stateOf(seat.real);
      const { inRosters, group } = seat.real;
      real.push(line(seat.model.n, inRosters, group.suspended, own));
      const { model: other } = seat;
      model.push(line(other.n, this.model.inRosters(other), this.model.isSuspended(other), this.model.stateOf(other)));
      if (this.rig.health.isOut(seat.real) === inRosters) throw new Error('the host did not follow');
      this.reached.add(`${own.health} ${own.reason}`);
    }
    for (const [i, pool] of this.#pools.entries()) {
      const counts = this.rig.health.countsOf(pool);
      real.push(JSON.stringify(counts));
      model.push(JSON.stringify(this.model.countsOf(this.model.pools[i]!)));
      if (counts.ejected > (pool.total * pool.state.policy.maxEjectedPercent) / 100) throw new Error('beyond the cap');
    }
    expect(real.join('\n')).toBe(model.join('\n'));
  }

  take(step: Step): void {
    const [name, n] = step;
    if (name === 'choose') this.choose(n, step[2]);
    else if (name === 'finish') this.finish(n, step[2]);
    else this[name](n);
  }

  #make(n: number): Seat {
    const [pool, provider] = [n % 2, (n >> 1) % 2];
    // Two of each group share an endpoint, so that four of a provider do.
    const endpoint = n < 8 ? SHARED : { host: `host${n}.example`, port: 9_000 };
    const [real] = this.rig.add(this.#pools[pool]!, this.#providers[provider]!, 1, endpoint);
    const model = this.model.add(n, this.model.pools[pool]!, this.model.providers[provider]!, endpoint.host);
    return { real: real!, model, here: true };
  }
}

const policy = fc.record({
  failuresToEject: fc.constantFrom(1, 2, 3),
  baseEjectionMs: fc.constantFrom(1_000, 3_000),
  maxEjectionMs: fc.constantFrom(4_000, 60_000),
  maxEjectedPercent: fc.constantFrom(0, 17, 34, 50, 75, 100),
});
const setting: fc.Arbitrary<Setting> = fc.record({
  policies: fc.tuple(policy, policy),
  rotating: fc.constantFrom([false, true] as const, [true, true] as const, [false, false] as const),
});
const seat = fc.nat({ max: SESSIONS - 1 });
const outcome = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(ENDPOINT_CAUSE, ENDPOINT_CAUSE, TOKEN_CAUSE, CREDENTIAL_CAUSE, TARGET_CAUSE),
  },
  { weight: 1, arbitrary: fc.constantFrom(null, null, HARMLESS_CAUSE) },
);
const times = fc.constantFrom(0, 1, 500, 1_000, 3_000, 12_000);
const named = <Name extends string>(name: Name) => fc.constant(name);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(named('choose'), seat, fc.constantFrom(...TARGETS)) },
  { weight: 8, arbitrary: fc.tuple(named('finish'), seat, outcome) },
  { weight: 3, arbitrary: fc.tuple(named('pass'), times) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('toggle', 'change'), seat) },
  { weight: 1, arbitrary: fc.tuple(named('renew'), fc.constantFrom(0, 1, 1)) },
);

const line = (n: number, inRosters: boolean, suspended: boolean, { health, untilMs, reason }: HealthState): string =>
  `${n} ${inRosters} ${suspended} ${health} ${untilMs} ${reason}`;

it(`stands as a plain model of the contract after each step of ${SEQUENCES} random sequences`, {
  timeout: 300_000,
}, () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(setting, fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), (given, steps) => {
      const pair = new Pair(given);
      for (const one of steps) {
        pair.take(one);
        pair.compare();
      }
      for (const name of pair.reached) reached.add(name);
    }),
    { numRuns: SEQUENCES },
  );
  // The sequences come everywhere.
  expect([...reached].sort()).toEqual([
    'blocked',
    'ejected credential',
    'ejected endpoint',
    'ejected failures',
    'ejected provider',
    'endpoint',
    'half_open credential',
    'half_open endpoint',
    'half_open failures',
    'half_open provider',
    'healthy null',
    'trial of pair',
    'trial of provider',
    'trial of session',
  ]);
});
