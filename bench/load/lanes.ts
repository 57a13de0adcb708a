/**
 * Absolute-form requests by a client of our own that does little more than wait
 * for the last bytes of the known answer. Closed loop, it loads a gateway further
 * than autocannon can on the core it shares with the upstream; paced far below
 * saturation, it measures latency with microseconds (autocannon counts whole
 * milliseconds). Latency counts from the write: a timer of Node is a millisecond
 * coarse. Answers that are not complete when the window ends do not count.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { forwardRequest } from '../lib/client.ts';
import { SMALL_BODY } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import { quantile } from '../lib/statistics.ts';
import type { ClosedLoop, Job, Measurement, Subject } from './job.ts';
import { Lane, type OnAnswer } from './lane.ts';

/** What lanes ask for: the request, by the credential that it carries, and its right answer. */
interface Exchange {
  readonly request: (authorization: string) => Buffer;
  readonly answer: string;
}

const GET_SMALL: Exchange = {
  request: (authorization) => Buffer.from(forwardRequest('/small', authorization)),
  answer: SMALL_BODY,
};

export function openLanes(
  { port, authorizations }: Subject,
  connections: number,
  onAnswer: OnAnswer,
  { request, answer }: Exchange = GET_SMALL,
): Lane[] {
  const requests = authorizations.slice(0, connections).map(request);
  const requestOf = (lane: number) => requests[lane % requests.length]!;
  return Array.from({ length: connections }, (_, i) => new Lane(port, [requestOf(i)], onAnswer, answer));
}

export async function runClosed(job: Extract<Job, { kind: 'closed' }>): Promise<Measurement> {
  return closedLoop(job, GET_SMALL);
}

/** Each connection sends its next request when its last answer is complete. */
export async function closedLoop(
  { subject, connections, warmSeconds, seconds }: ClosedLoop,
  exchange: Exchange,
): Promise<Measurement> {
  let work = 0;
  let failures = 0;
  const onAnswer: OnAnswer = (lane, _seconds, fault) => {
    if (fault === null) work++;
    else failures++;
    // A broken lane waits a turn: a gateway that is gone must not be dialled without end in one turn.
    if (fault === null) lane.send();
    else setImmediate(() => lane.send());
  };
  const lanes = openLanes(subject, connections, onAnswer, exchange);
  for (const lane of lanes) lane.send();
  await sleep(warmSeconds * 1000);
  work = 0;
  failures = 0;
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  await sleep(seconds * 1000);
  const measured = { ...close(), work, failures };
  for (const lane of lanes) lane.end();
  return measured;
}

/** A fixed rate; when no connection is free a request counts as a failure. */
export async function runPaced(job: Extract<Job, { kind: 'paced' }>): Promise<Measurement> {
  const { subject, connections, perSecond, warmSeconds, seconds } = job;
  let latencies: number[] = [];
  let failures = 0;
  const lanes = openLanes(subject, connections, (_lane, latency, fault) => {
    if (fault === null) latencies.push(latency);
    else failures++;
  });
  await pace(lanes, perSecond, warmSeconds);
  latencies = [];
  failures = 0;
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  failures += await pace(lanes, perSecond, seconds);
  const window = close();
  for (const lane of lanes) lane.end();
  const sorted = Float64Array.from(latencies).sort();
  const latency = { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  return { ...window, work: sorted.length, failures, latency };
}

/** Sends at the rate for so many seconds; resolves with how many requests found no free connection. */
function pace(lanes: readonly Lane[], perSecond: number, seconds: number): Promise<number> {
  const start = performance.now();
  let sent = 0;
  let unsent = 0;
  let turn = 0;
  const sendOne = () => {
    for (let tries = 0; tries < lanes.length; tries++) {
      const lane = lanes[turn]!;
      turn = (turn + 1) % lanes.length;
      if (!lane.busy) return lane.send();
    }
    unsent++;
  };
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - start) / 1000;
      for (const due = Math.floor(Math.min(elapsed, seconds) * perSecond); sent < due; sent++) sendOne();
      if (elapsed < seconds) return;
      clearInterval(timer);
      resolve(unsent);
    }, 1);
  });
}
