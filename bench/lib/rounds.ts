/**
 * Runs the rows: one upstream, one load process, every candidate started and
 * checked once, then the rounds interleaved (A B C A B C …), so that each round's
 * figures saw the same machine. A candidate that fails leaves the row, named.
 */

import { join } from 'node:path';
import type { Answer, Job, Measurement, Subject } from '../load/job.ts';
import { type Candidate, type Running, runsRow } from './candidates.ts';
import { checkCandidate } from './check.ts';
import { RowResults } from './results.ts';
import type { LoadRow, Outcome, Plan } from './rows.ts';
import type { Child, Stage } from './stage.ts';

/** No job takes longer than this: 100,000 tunnels at 400 a second, which only a very busy machine is down to. */
const JOB_TIMEOUT_MS = 250_000;
const FRESH_SESSIONS = 1_000;

export interface RoundsOptions {
  readonly stage: Stage;
  readonly candidates: readonly Candidate[];
  readonly rows: readonly LoadRow[];
  readonly plan: Plan;
  /** Told what is being done, a short line at a time. */
  readonly progress: (line: string) => void;
  /** Told each row's results as soon as the row is done. */
  readonly onRow: (results: RowResults) => void;
}

export async function runRounds(options: RoundsOptions): Promise<RowResults[]> {
  const bench = new Bench(options);
  await bench.start();
  const done: RowResults[] = [];
  for (const row of options.rows) {
    const results = await bench.runRow(row);
    options.onRow(results);
    done.push(results);
  }
  return done;
}

class Bench {
  private readonly options: RoundsOptions;
  private readonly upstream: Child;
  private readonly load: Child;
  private upstreamPort = 0;
  private readonly running = new Map<string, Running>();
  private readonly broken = new Map<string, string>();

  constructor(options: RoundsOptions) {
    this.options = options;
    const node = process.execPath;
    this.upstream = options.stage.start('upstream', 1, [node, join(import.meta.dirname, 'upstream.ts')]);
    this.load = options.stage.start('load', 1, [node, join(import.meta.dirname, '../load/main.ts')]);
  }

  /** Starts and checks the candidates that long-lived rows need. */
  async start(): Promise<void> {
    const { candidates, rows, plan, progress } = this.options;
    this.upstreamPort = ((await this.upstream.nextJson(10_000)) as { port: number }).port;
    for (const candidate of candidates) {
      if (!rows.some((row) => !row.fresh && takesPart(candidate, row))) continue;
      progress(`start ${candidate.name}`);
      try {
        this.running.set(candidate.name, await this.startCandidate(candidate, plan.extraSessions));
      } catch (error) {
        this.broken.set(candidate.name, messageOf(error));
      }
    }
  }

  async runRow(row: LoadRow): Promise<RowResults> {
    const { candidates, plan, progress } = this.options;
    const results = new RowResults(row);
    const rounds = row.fresh ? plan.freshRounds : plan.rounds;
    for (let round = 1; round <= rounds; round++) {
      for (const candidate of candidates) {
        if (!takesPart(candidate, row) || results.errors.has(candidate.name)) continue;
        progress(`${row.id} ${round}/${rounds} ${candidate.name}`);
        try {
          results.add(candidate.name, await this.measure(candidate, row));
        } catch (error) {
          results.errors.set(candidate.name, messageOf(error));
        }
      }
    }
    return results;
  }

  private async measure(candidate: Candidate, row: LoadRow): Promise<Outcome> {
    if (!row.fresh) {
      const running = this.running.get(candidate.name);
      if (!running) throw new Error(this.broken.get(candidate.name) ?? 'not running');
      return row.measure(this.subject(running), this.options.plan, (job) => this.ask(job));
    }
    const running = await this.startCandidate(candidate, FRESH_SESSIONS);
    try {
      return await row.measure(this.subject(running), this.options.plan, (job) => this.ask(job));
    } finally {
      await running.stop();
    }
  }

  private async startCandidate(candidate: Candidate, extraSessions: number): Promise<Running> {
    const running = await candidate.start(this.options.stage, this.upstreamPort, extraSessions);
    try {
      await checkCandidate(candidate, running, this.upstreamPort);
      return running;
    } catch (error) {
      await running.stop();
      throw error;
    }
  }

  private subject({ port, authorizations, pid }: Running): Subject {
    return { port, authorizations, pid, upstreamPid: this.upstream.pid };
  }

  private async ask(job: Job): Promise<Measurement> {
    this.upstream.assertAlive();
    const answer = this.load.nextJson(JOB_TIMEOUT_MS);
    this.load.process.stdin?.write(`${JSON.stringify(job)}\n`);
    const measured = (await answer) as Answer;
    if ('error' in measured) throw new Error(measured.error);
    return measured;
  }
}

function takesPart(candidate: Candidate, { id, only }: LoadRow): boolean {
  return (only?.includes(candidate.name) ?? true) && runsRow(candidate, id);
}

/** An error in one short line: what a child said last may be a whole report. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, ' ').slice(0, 300);
}
