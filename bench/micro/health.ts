/**
 * Time of leaving a session out, of bringing one back when its time is over, and of
 * the trial that restores it, in a pool of which 40 % is out at any time; of one more
 * failure at the cap; of a request of a healthy session beside all that; and of the
 * longest turn when all are due at once (turns are CPU time where others ran meanwhile).
 * Rosters are one dense list, as in a pool that nobody filters. Who is in and out is
 * checked after each part.
 */
import type { Clock } from '../../src/core/clock.ts';
import { OPEN_POLICY, type ProviderId, type SessionId } from '../../src/core/model.ts';
import type { Condition } from '../../src/core/pool-index/condition.ts';
import { Health } from '../../src/core/pool-index/health.ts';
import { PagedList } from '../../src/core/pool-index/paged-list.ts';
import type {
  HealthHost,
  Patient,
  PatientGroup,
  PatientPool,
  PatientProvider,
} from '../../src/core/pool-index/patient.ts';
import type { MicroOptions, Row } from '../lib/row.ts';
import { printRows, quantileOf, rowOf } from '../lib/row.ts';
import { startTurn } from '../lib/turn.ts';
import { sessionIdOf, sizeName } from './index-setup.ts';

const OPERATIONS = 20_000;
const SIZES = [1_000, 100_000, 1_000_000];
const QUICK_SIZES = [1_000, 100_000];
const OUT_SHARE = 0.4;
/** All ejections are as long, so that as many come back as go out. */
const EJECTION_MS = 30_000;
const TARGET = 'shop.example';
/** Healthy requests are timed by so many. */
const BATCH = 100;

class Session implements Patient {
  readonly id: SessionId;
  readonly group: PatientGroup;
  readonly host: string;
  readonly port = 8_080;
  condition: Condition | null = null;
  position = -1;

  constructor(n: number, group: PatientGroup) {
    this.id = sessionIdOf(n);
    this.group = group;
    this.host = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  }
}

/** One STATIC pool with its roster, and a clock that is set. */
class Bed implements HealthHost, Clock {
  readonly health = new Health(this, this);
  readonly roster = new PagedList<Session>();
  now = 0;
  lastBack: Session | null = null;
  readonly pool: PatientPool;

  constructor(count: number) {
    const policy = { ...OPEN_POLICY, baseEjectionMs: EJECTION_MS, maxEjectionMs: EJECTION_MS };
    this.pool = { state: { policy }, total: count, health: null };
    const groups: PatientGroup[] = [];
    const provider: PatientProvider = { state: { id: 'bench' as ProviderId, type: 'static' }, groups, health: null };
    const group: PatientGroup = { pool: this.pool, provider, total: count, health: null };
    groups.push(group);
    for (let n = 0; n < count; n++) this.putBack(new Session(n, group));
    this.lastBack = null;
  }

  nowMs(): number {
    return this.now;
  }

  monotonicMs(): number {
    return this.now;
  }

  takeOut(session: Session): void {
    const last = this.roster.pop()!;
    if (last !== session) {
      this.roster.set(session.position, last);
      last.position = session.position;
    }
    session.position = -1;
  }

  putBack(session: Session): void {
    session.position = this.roster.push(session);
    this.lastBack = session;
  }

  suspend(): void {}

  resume(): void {}

  endpointOf(session: Session): Session {
    return session;
  }

  /** Somebody in the roster, scattered like random. */
  pick(i: number): Session {
    return this.roster.get((Math.imul(i, 0x9e3779b1) >>> 0) % this.roster.length);
  }
}

/** Samples of one operation: median and p99 in µs, and the longest as a turn. */
class Samples {
  readonly #samples = new Float64Array(OPERATIONS);
  #length = 0;
  #longest = 0;

  time(operation: () => void): void {
    const turn = startTurn();
    const start = performance.now();
    operation();
    this.#samples[this.#length++] = (performance.now() - start) * 1e3;
    this.#longest = Math.max(this.#longest, turn());
  }

  rows(id: string, name: string): Row[] {
    const samples = this.#samples.subarray(0, this.#length);
    return [
      rowOf(id, name, 'µs', [quantileOf(samples, 0.5)], { id: 'I2', atMost: 20 }),
      rowOf(`${id}.p99`, `${name}, p99`, 'µs', [quantileOf(samples, 0.99)]),
      rowOf(`${id}.turn`, `${name}, longest`, 'ms', [this.#longest], { id: 'I2', atMost: 10 }),
    ];
  }
}

/** Measures at every size. */
export async function run({ quick }: MicroOptions): Promise<Row[]> {
  return (quick ? QUICK_SIZES : SIZES).flatMap((count) => {
    const bed = new Bed(count);
    const out = Math.floor(count * OUT_SHARE);
    for (let i = 0; i < out; i++) {
      bed.now += EJECTION_MS / out;
      bed.health.failed(bed.pick(i), TARGET, 'upstream_auth_failed', 0);
    }
    check(bed, out);
    return [...rounds(bed, count, out), healthy(bed, count), ...atCap(bed, count), allDue(bed, count)];
  });
}

/** One comes back, is restored, and another goes out, over and over. */
function rounds(bed: Bed, count: number, out: number): Row[] {
  const [back, restore, eject] = [new Samples(), new Samples(), new Samples()];
  for (let i = 0; i < OPERATIONS; i++) {
    bed.now += EJECTION_MS / out;
    bed.lastBack = null;
    back.time(() => void bed.health.advance(bed.now));
    const session: Session | null = bed.lastBack;
    if (session !== null) restore.time(() => restored(bed, session));
    const other = bed.pick(i);
    eject.time(() => bed.health.failed(other, TARGET, 'upstream_auth_failed', 0));
  }
  const size = sizeName(count, 1);
  const { ejected } = bed.health.countsOf(bed.pool);
  if (Math.abs(ejected - out) > out * 0.05) throw new Error(`${ejected} are out, and not about ${out}`);
  return [
    ...eject.rows(`health.eject.${count}`, `eject, ${size}`),
    ...back.rows(`health.back.${count}`, `come back half-open, ${size}`),
    ...restore.rows(`health.restore.${count}`, `trial and restore, ${size}`),
  ];
}

function restored(bed: Bed, session: Session): void {
  const trial = bed.health.chosen(session, TARGET);
  bed.health.succeeded(session, TARGET, trial);
}

/** All that health adds to a request that goes well, by a session that never failed. */
function healthy(bed: Bed, count: number): Row {
  const { group } = bed.pick(0);
  const sessions = Array.from({ length: BATCH }, (_, i) => new Session(count + i, group));
  const samples = new Float64Array(OPERATIONS / BATCH);
  for (let round = 0; round < samples.length; round++) {
    const start = performance.now();
    for (const session of sessions) {
      bed.health.advance(bed.now);
      if (bed.health.blocks(session, TARGET)) throw new Error('a healthy session is blocked');
      bed.health.succeeded(session, TARGET, bed.health.chosen(session, TARGET));
    }
    samples[round] = ((performance.now() - start) * 1e6) / BATCH;
  }
  return rowOf(`health.request.${count}`, `healthy request, ${sizeName(count, 1)}`, 'ns', [quantileOf(samples, 0.5)]);
}

/** The pool is filled up to its cap; then each further failure asks who is the least bad. */
function atCap(bed: Bed, count: number): Row[] {
  const cap = Math.floor((count * OPEN_POLICY.maxEjectedPercent) / 100);
  for (let i = 0; bed.health.countsOf(bed.pool).ejected < cap; i++) {
    bed.health.failed(bed.pick(i), TARGET, 'upstream_auth_failed', 0);
  }
  const samples = new Samples();
  for (let i = 0; i < OPERATIONS; i++) {
    const session = bed.pick(i);
    samples.time(() => bed.health.failed(session, TARGET, 'upstream_auth_failed', 0));
  }
  check(bed, cap);
  return samples.rows(`health.cap.${count}`, `failure at the cap, ${sizeName(count, 1)}`);
}

/** Everybody's time is over at once: slices, each a turn. */
function allDue(bed: Bed, count: number): Row {
  bed.now += 2 * EJECTION_MS;
  let longest = 0;
  for (let more = true; more; ) {
    const turn = startTurn();
    more = bed.health.advance(bed.now);
    longest = Math.max(longest, turn());
  }
  check(bed, 0);
  const name = `longest turn, half of all due, ${sizeName(count, 1)}`;
  return rowOf(`health.due.${count}.turn`, name, 'ms', [longest], { id: 'I2', atMost: 10 });
}

function check(bed: Bed, out: number): void {
  const { ejected } = bed.health.countsOf(bed.pool);
  if (ejected !== out || bed.roster.length !== bed.pool.total - out) throw new Error(`${ejected} are out, not ${out}`);
}

if (import.meta.main)
  printRows(await run({ quick: process.argv.includes('--quick') }), process.argv.includes('--json'));
