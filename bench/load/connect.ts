/**
 * Short tunnels, so many at a time: TCP connect, CONNECT, 200, one GET inside,
 * the whole answer, close. Our own client, as HTTP load generators know no CONNECT.
 */

import { connect } from 'node:net';
import { connectRequest, tunnelledRequest } from '../lib/client.ts';
import { SMALL_BODY } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import type { Job, Measurement, Subject } from './job.ts';

const INNER = Buffer.from(tunnelledRequest('/small'));
const TUNNEL_TIMEOUT_MS = 5_000;

/** One tunnel from connect to close; resolves with whether all of it went right. */
function tunnelOnce(port: number, request: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let inside = false;
    let text = '';
    const settle = (ok: boolean) => {
      socket.destroy();
      resolve(ok);
    };
    socket.setTimeout(TUNNEL_TIMEOUT_MS, () => settle(false));
    socket.on('error', () => settle(false)).on('end', () => settle(false));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (inside) {
        if (text.endsWith(SMALL_BODY)) settle(text.startsWith('HTTP/1.1 200'));
      } else if (text.endsWith('\r\n\r\n')) {
        if (text.startsWith(' 200', 8)) {
          inside = true;
          text = '';
          socket.write(INNER);
        } else settle(false);
      }
    });
    socket.write(request);
  });
}

/** Runs tunnels, `concurrency` at a time, while `more()` says so; counts into `count`. */
async function tunnels(
  { port, authorizations }: Subject,
  concurrency: number,
  more: () => boolean,
  count: (ok: boolean) => void,
): Promise<void> {
  const requests = authorizations.map((each) => Buffer.from(connectRequest(each)));
  let turn = 0;
  const lane = async () => {
    while (more()) count(await tunnelOnce(port, requests[turn++ % requests.length]!));
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

export async function runConnect(job: Extract<Job, { kind: 'connect' }>): Promise<Measurement> {
  const { subject, concurrency, warmSeconds, seconds } = job;
  let work = 0;
  let failures = 0;
  const count = (ok: boolean) => {
    if (ok) work++;
    else failures++;
  };
  const until = (milliseconds: number) => {
    const end = performance.now() + milliseconds;
    return () => performance.now() < end;
  };
  await tunnels(subject, concurrency, until(warmSeconds * 1000), count);
  work = 0;
  failures = 0;
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  await tunnels(subject, concurrency, until(seconds * 1000), count);
  return { ...close(), work, failures };
}

/** Opens and closes `count` tunnels in all. */
export async function runChurn(job: Extract<Job, { kind: 'churn' }>): Promise<Measurement> {
  const { subject, concurrency, count } = job;
  let started = 0;
  let failures = 0;
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  const more = () => started++ < count;
  await tunnels(subject, concurrency, more, (ok) => {
    if (!ok) failures++;
  });
  return { ...close(), work: count - failures, failures };
}
