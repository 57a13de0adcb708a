/** One soak from the first start to the last look: saturating rate, rest, load with its schedule, rest. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDescriptors } from '../lib/process-meter.ts';
import { describeSetting } from '../lib/setting.ts';
import type { Stage } from '../lib/stage.ts';
import { spread } from '../lib/statistics.ts';
import type { Answer, Job } from '../load/job.ts';
import { Churn } from './churn.ts';
import { Field, STEADY_SESSIONS } from './field.ts';
import type { LoadPlan } from './job.ts';
import { LoadProcess } from './load-process.ts';
import type { AtRest, Report, Span } from './report.ts';
import { type Sample, Sampler } from './sampler.ts';
import { CHURN_SECONDS, type Schedule, type ScheduledEvent, scheduleOf } from './schedule.ts';

const ROOT = join(import.meta.dirname, '../..');
const LOAD = join(import.meta.dirname, '../load/main.ts');
const LANES = 64;
/** Of those, lanes that ask for sticky sessions, each with so many keys in turn. */
const STICKY_LANES = 16;
const KEYS_PER_LANE = 16;
const TUNNELS_PER_SECOND = 25;
const SATURATE_ROUNDS = 5;
const JOB_TIMEOUT_MS = 60_000;
/** After an upstream is up again: what was under way has ended by then. */
const AFTER_OUTAGE_MS = 2_000;
/** Upstream connections are kept for 30 seconds after their last use; then they must be gone. */
const REST_MS = 35_000;
const REST_LONGEST_MS = 90_000;
const STILL_MS = 5_000;
const MOST_COMPLAINTS = 20;

export interface SoakOptions {
  readonly seconds: number;
  /** Sessions stored beside those that serve. */
  readonly crowd: number;
  /** Ends the soak early, in order. */
  readonly signal: AbortSignal;
  /** What is going on, in a line. */
  readonly progress: (line: string) => void;
}

export async function runSoak(stage: Stage, options: SoakOptions): Promise<Report> {
  const { progress } = options;
  const setting = describeSetting(stage.pinned, ROOT);
  progress('starting the product');
  const field = await Field.prepare(stage, options.crowd);
  const load = new LoadProcess(stage);
  const churn = new Churn(field, load);
  await churn.populate();
  progress('measuring the saturating rate');
  const saturating = await saturatingRate(stage, field);
  progress('at rest, before');
  const before = await rest(field, options.signal);
  return new Soak(field, load, churn, options, { setting, saturating, before }).run();
}

/** Forward requests a second that the gateway answers in a closed loop: the median of a few rounds. */
async function saturatingRate(stage: Stage, field: Field): Promise<number> {
  const child = stage.start('closed loop', 1, [process.execPath, LOAD]);
  const rates: number[] = [];
  for (let round = 0; round < SATURATE_ROUNDS; round++) {
    const job: Job = {
      kind: 'closed',
      subject: {
        port: field.gatewayPort,
        authorizations: [field.authorization('soak')],
        pid: field.product.pid,
        upstreamPid: field.upstream.pid,
      },
      connections: LANES,
      warmSeconds: 2,
      seconds: 4,
    };
    child.process.stdin?.write(`${JSON.stringify(job)}\n`);
    const answer = (await child.nextJson(JOB_TIMEOUT_MS)) as Answer;
    if ('error' in answer) throw new Error(answer.error);
    if (answer.failures > 0)
      throw new Error(`before the soak began, ${answer.failures} failed: ${await causes(field)}`);
    rates.push(answer.work / answer.seconds);
  }
  await child.stop();
  return spread(rates).median;
}

/** How requests have ended other than well, as the metrics page tells it. */
async function causes({ product }: Field): Promise<string> {
  const page = await product.scrape();
  return page.match(/^sallyport_causes_total.*$/gm)?.join(', ') ?? 'the gateway knows of no cause';
}

/** The product when nobody asks anything: idle connections have been closed, and no descriptor comes or goes. */
async function rest({ product }: Field, signal?: AbortSignal): Promise<AtRest> {
  product.releaseConnections();
  const start = performance.now();
  let [descriptors, since] = [Number.NaN, start];
  const settled = () => performance.now() - start > REST_MS && performance.now() - since > STILL_MS;
  while (!settled() && performance.now() - start < REST_LONGEST_MS && !signal?.aborted) {
    await sleep(250);
    const now = openDescriptors(product.pid);
    if (now !== descriptors) [descriptors, since] = [now, performance.now()];
  }
  return { descriptors, rss: product.residentBytes };
}

/** What was found out before the load begins. */
type Beginning = Pick<Report, 'setting' | 'saturating' | 'before'>;

class Soak {
  readonly #field: Field;
  readonly #load: LoadProcess;
  readonly #churn: Churn;
  readonly #options: SoakOptions;
  readonly #beginning: Beginning;
  readonly #schedule: Schedule;
  readonly #samples: Sample[] = [];
  readonly #outages: Span[] = [];
  readonly #complaints: string[] = [];
  readonly #ended = new AbortController();
  #startMs = 0;

  constructor(field: Field, load: LoadProcess, churn: Churn, options: SoakOptions, beginning: Beginning) {
    this.#field = field;
    this.#load = load;
    this.#churn = churn;
    this.#options = options;
    this.#beginning = beginning;
    this.#schedule = scheduleOf(options.seconds);
  }

  async run(): Promise<Report> {
    const signal = AbortSignal.any([this.#options.signal, this.#ended.signal]);
    await this.#load.begin(this.#plan());
    this.#startMs = performance.now();
    await this.#load.hold(this.#steadyTunnels());
    await this.#churn.hold();
    const sampler = new Sampler(this.#field, this.#load, this.#startMs);
    await Promise.all([this.#sampleLoop(sampler, signal), this.#churnLoop(signal), this.#eventLoop(signal)]);
    const after = await this.#end();
    return {
      ...this.#beginning,
      schedule: this.#schedule,
      asked: this.#asked,
      samples: this.#samples,
      outages: this.#outages,
      after,
      complaints: this.#complaints,
    };
  }

  get #asked(): number {
    return Math.round(this.#beginning.saturating / 2);
  }

  get #now(): number {
    return (performance.now() - this.#startMs) / 1_000;
  }

  #plan(): LoadPlan {
    const { gatewayPort } = this.#field;
    const plain = [this.#field.authorization('soak')];
    const lanes = Array.from({ length: LANES }, (_, lane) =>
      lane >= STICKY_LANES
        ? plain
        : Array.from({ length: KEYS_PER_LANE }, (_, key) =>
            this.#field.authorization(`soak-session-key${lane}.${key}`),
          ),
    );
    const tunnelAuthorization = this.#field.authorization('steady');
    return {
      port: gatewayPort,
      lanes,
      forwardsPerSecond: this.#asked,
      tunnelAuthorization,
      tunnelsPerSecond: TUNNELS_PER_SECOND,
    };
  }

  #steadyTunnels() {
    return Array.from({ length: STEADY_SESSIONS }, (_, n) => ({
      name: `steady${n}`,
      authorization: this.#field.authorization(`steady-session-steady${n}-strict-true`),
    }));
  }

  async #sampleLoop(sampler: Sampler, signal: AbortSignal): Promise<void> {
    const { seconds, progress } = this.#options;
    const { sample: every } = this.#schedule;
    for (let at = every; at <= seconds && (await this.#until(at, signal)); at += every) {
      await this.#watched(async () => {
        const sample = await sampler.take(this.#churn.done);
        this.#samples.push(sample);
        progress(progressLine(sample, seconds));
      });
    }
    this.#ended.abort();
  }

  async #churnLoop(signal: AbortSignal): Promise<void> {
    for (let at = CHURN_SECONDS; await this.#until(at, signal); at += CHURN_SECONDS) {
      await this.#watched(() => this.#churn.step());
    }
  }

  async #eventLoop(signal: AbortSignal): Promise<void> {
    for (const event of this.#schedule.events) {
      if (!(await this.#until(event.at, signal))) break;
      await this.#watched(() => this.#handle(event));
    }
    // An outage that the end of the soak has cut short.
    await this.#watched(() => this.#restore());
  }

  async #handle({ kind }: ScheduledEvent): Promise<void> {
    switch (kind) {
      case 'bulk create':
        return this.#churn.bulkCreate();
      case 'bulk delete':
        return this.#churn.bulkDelete();
      case 'down':
        await this.#load.setOutage(true);
        this.#outages.push({ from: this.#now, to: Number.POSITIVE_INFINITY });
        return this.#field.setWeakUpstream('down');
      case 'up':
        return this.#restore();
    }
  }

  async #restore(): Promise<void> {
    const outage = this.#outages.at(-1);
    if (outage === undefined || Number.isFinite(outage.to)) return;
    this.#field.setWeakUpstream('up');
    await sleep(AFTER_OUTAGE_MS);
    await this.#load.setOutage(false);
    this.#outages[this.#outages.length - 1] = { from: outage.from, to: this.#now };
  }

  /** The load ends and the product comes to rest; null when it did not live to see it. */
  async #end(): Promise<AtRest | null> {
    const { progress } = this.#options;
    try {
      progress('at rest, after');
      const { faults } = await this.#load.end();
      this.#complaints.push(...Object.entries(faults).map(([what, count]) => `${count} × ${what}, at the end`));
      return await rest(this.#field);
    } catch (error) {
      this.#complain(error);
      return null;
    }
  }

  /** A call that fails is a complaint; so many of them, or a product that is gone, end the soak. */
  async #watched(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    this.#complaints.push(error instanceof Error ? error.message : String(error));
    if (!this.#field.product.running || this.#complaints.length >= MOST_COMPLAINTS) this.#ended.abort();
  }

  /** Waits for a time of the schedule; false when the soak ended first. */
  async #until(at: number, signal: AbortSignal): Promise<boolean> {
    await sleep(Math.max(0, (at - this.#now) * 1_000), undefined, { signal }).catch(() => {});
    return !signal.aborted;
  }
}

function progressLine({ at, rss, descriptors, forwards, seconds, p99, unscheduled }: Sample, all: number): string {
  const clock = (time: number) => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, '0')}`;
  const rate = Math.round(forwards / seconds).toLocaleString('en-US');
  return (
    `${clock(at)} of ${clock(all)}  RSS ${(rss / 1_048_576).toFixed(1)} MiB  ${descriptors} descriptors  ` +
    `${rate} req/s  p99 ${(p99 * 1e3).toFixed(2)} ms  ${unscheduled} errors`
  );
}
