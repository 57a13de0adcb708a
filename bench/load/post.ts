/**
 * Bodies sent with absolute-form requests, over keep-alive connections in a closed
 * loop, each request one ready-made buffer: what is left to the shared core is the
 * kernel's copying. The target answers how many octets came, which must be all.
 */

import { postRequest } from '../lib/client.ts';
import { patternOf, postAnswer } from '../lib/payload.ts';
import type { Job, Measurement } from './job.ts';
import { closedLoop } from './lanes.ts';

export async function runPost(job: Extract<Job, { kind: 'post' }>): Promise<Measurement> {
  const body = patternOf(job.bytes);
  return closedLoop(job, {
    request: (authorization) => postRequest('/sink', authorization, body, job.chunked),
    answer: postAnswer(job.bytes),
  });
}
