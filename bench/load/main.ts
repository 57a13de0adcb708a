/**
 * The load process (`node main.ts`): reads one job a line on stdin, does it, and
 * answers one JSON line on stdout. It lives through a whole bench run, so that its
 * own code is compiled hot before anything counts, and ends when stdin closes.
 */

import { createInterface } from 'node:readline';
import { runChurn, runConnect } from './connect.ts';
import { runDownload } from './download.ts';
import { runForward } from './forward.ts';
import { HeldTunnels } from './hold.ts';
import type { Answer, Job } from './job.ts';
import { runClosed, runPaced } from './lanes.ts';
import { runPost } from './post.ts';
import { Steady } from './steady.ts';
import { runStream } from './stream.ts';

let held: HeldTunnels | null = null;
let steady: Steady | null = null;

async function run(job: Job): Promise<Answer> {
  switch (job.kind) {
    case 'forward':
      return runForward(job);
    case 'download':
      return runDownload(job);
    case 'post':
      return runPost(job);
    case 'closed':
      return runClosed(job);
    case 'paced':
      return runPaced(job);
    case 'connect':
      return runConnect(job);
    case 'churn':
      return runChurn(job);
    case 'stream':
      return runStream(job);
    case 'hold':
      held = new HeldTunnels(job.subject);
      return held.hold(job.count);
    case 'release':
      return held ? held.release() : { error: 'nothing is held' };
    case 'begin-steady':
      steady = new Steady(job);
      return steady.begin();
    case 'end-steady':
      return steady ? steady.end() : { error: 'nothing was begun' };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line) as Job).catch((error: unknown) => ({ error: String(error) }));
  console.log(JSON.stringify(answer));
}
process.exit(0);
