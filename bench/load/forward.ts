/**
 * Absolute-form requests over keep-alive connections, closed loop, by autocannon:
 * each connection sends its next request when the last answer is complete, and
 * takes the subject's credentials in turn.
 */

import autocannon from 'autocannon';
import { TARGET_HOST } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import type { Job, Measurement } from './job.ts';

type ForwardJob = Extract<Job, { kind: 'forward' }>;

/** autocannon looks at its stop flag this often; short, so that a window is about as long as asked. */
const SAMPLE_MS = 100;

export async function runForward(job: ForwardJob): Promise<Measurement> {
  await cannonade(job, job.warmSeconds);
  const close = openWindow(job.subject.pid, [job.subject.upstreamPid, process.pid]);
  const result = await cannonade(job, job.seconds);
  const window = close();
  return { ...window, work: result['2xx'], failures: result.non2xx + result.errors + result.timeouts };
}

function cannonade({ subject, connections }: ForwardJob, duration: number): Promise<autocannon.Result> {
  const options: autocannon.Options & { sampleInt: number } = {
    url: `http://127.0.0.1:${subject.port}`,
    connections,
    duration,
    sampleInt: SAMPLE_MS,
    timeout: 5,
    requests: subject.authorizations.map((authorization) => ({
      method: 'GET',
      path: `http://${TARGET_HOST}/small`,
      headers: { Host: TARGET_HOST, 'Proxy-Authorization': authorization },
    })),
  };
  return new Promise((resolve, reject) => {
    autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
  });
}
