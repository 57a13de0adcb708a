/** The soak's load as its driver sees it: one job at a time, however many ask. */

import { join } from 'node:path';
import type { Child, Stage } from '../lib/stage.ts';
import type { HeldName, Interval, LoadPlan, SoakAnswer, SoakJob } from './job.ts';

const PROGRAM = join(import.meta.dirname, 'load.ts');
const ANSWER_TIMEOUT_MS = 60_000;

export class LoadProcess {
  readonly #child: Child;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stage: Stage) {
    this.#child = stage.start('load', 1, [process.execPath, PROGRAM]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async begin(plan: LoadPlan): Promise<void> {
    await this.#ask({ kind: 'begin', plan });
  }

  async hold(tunnels: readonly HeldName[]): Promise<void> {
    await this.#ask({ kind: 'hold', tunnels });
  }

  async expectCut(name: string): Promise<void> {
    await this.#ask({ kind: 'expect cut', name });
  }

  async checkCut(name: string): Promise<void> {
    await this.#ask({ kind: 'check cut', name });
  }

  async setOutage(open: boolean): Promise<void> {
    await this.#ask({ kind: 'outage', open });
  }

  sample(): Promise<Interval> {
    return this.#ask({ kind: 'sample' }) as Promise<Interval>;
  }

  end(): Promise<Interval> {
    return this.#ask({ kind: 'end' }) as Promise<Interval>;
  }

  #ask(job: SoakJob): Promise<SoakAnswer> {
    const answer = this.#last.then(async () => {
      const line = this.#child.nextJson(ANSWER_TIMEOUT_MS) as Promise<SoakAnswer>;
      this.#child.process.stdin?.write(`${JSON.stringify(job)}\n`);
      const said = await line;
      if ('error' in said) throw new Error(`load: ${job.kind}: ${said.error}`);
      return said;
    });
    this.#last = answer.catch(() => {});
    return answer;
  }
}
