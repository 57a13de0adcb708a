/** The load process of the soak (`node load.ts`): see `job.ts`. Ends when stdin closes. */

import { createInterface } from 'node:readline';
import { Forwards } from './forwards.ts';
import type { LoadPlan, SoakAnswer, SoakJob } from './job.ts';
import { Tally } from './tally.ts';
import { HeldTunnels, ShortTunnels } from './tunnels.ts';

const DONE = { done: true } as const;

class Load {
  readonly tally = new Tally();
  readonly held: HeldTunnels;
  readonly #forwards: Forwards;
  readonly #short: ShortTunnels;

  constructor(plan: LoadPlan) {
    this.held = new HeldTunnels(plan.port, this.tally);
    this.#forwards = new Forwards(plan, this.tally);
    this.#short = new ShortTunnels(plan, this.tally);
  }

  async end(): Promise<void> {
    await Promise.all([this.#forwards.end(), this.#short.end()]);
    this.held.end();
  }
}

let load: Load | null = null;

async function run(job: SoakJob): Promise<SoakAnswer> {
  if (job.kind === 'begin') {
    load = new Load(job.plan);
    return DONE;
  }
  if (load === null) throw new Error('the load has not begun');
  switch (job.kind) {
    case 'hold':
      await load.held.hold(job.tunnels);
      return DONE;
    case 'expect cut':
      load.held.expectCut(job.name);
      return DONE;
    case 'check cut':
      await load.held.checkCut(job.name);
      return DONE;
    case 'outage':
      load.tally.outage = job.open;
      return DONE;
    case 'sample':
      return load.tally.take(load.held.count);
    case 'end':
      await load.end();
      return load.tally.take(load.held.count);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line) as SoakJob).catch((error: unknown) => ({ error: String(error) }));
  console.log(JSON.stringify(answer));
}
process.exit(0);
