/**
 * Absolute-form requests by a client of our own that does little more than wait
 * for the last bytes of the known answer. Closed loop, it loads a gateway further
 * than autocannon can on the core it shares with the upstream; paced far below
 * saturation, it measures latency with microseconds (autocannon counts whole
 * milliseconds). Latency counts from the write: a timer of Node is a millisecond
 * coarse. Answers that are not complete when the window ends do not count.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { forwardRequest } from '../lib/client.ts';
import { SMALL_BODY } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import { quantile } from '../lib/statistics.ts';
import type { Job, Measurement, Subject } from './job.ts';

type OnAnswer = (lane: Lane, seconds: number, ok: boolean) => void;

/** One keep-alive connection with one request under way at most; connects again when the gateway closes it. */
class Lane {
  private readonly port: number;
  private readonly request: Buffer;
  private readonly onAnswer: OnAnswer;
  private socket: Socket;
  private sentAt = 0;
  private text = '';
  private done = false;
  busy = false;

  constructor(port: number, authorization: string, onAnswer: OnAnswer) {
    this.port = port;
    this.request = Buffer.from(forwardRequest('/small', authorization));
    this.onAnswer = onAnswer;
    this.socket = this.open();
  }

  send(): void {
    this.busy = true;
    this.sentAt = performance.now();
    this.socket.write(this.request);
  }

  end(): void {
    this.done = true;
    this.socket.destroy();
  }

  private open(): Socket {
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', () => {}); // 'close' follows, and settles it
    socket.on('close', () => this.reopen());
    return socket;
  }

  private reopen(): void {
    if (this.done) return;
    this.socket = this.open();
    if (this.busy) this.settle(false);
  }

  private read(chunk: Buffer): void {
    this.text += chunk.toString('latin1');
    // A reply that is not the answer would never end with it: its head settles it.
    if (this.text.length >= 12 && !this.text.startsWith('HTTP/1.1 200')) this.socket.destroy();
    else if (this.text.endsWith(SMALL_BODY)) this.settle(true);
  }

  private settle(ok: boolean): void {
    this.text = '';
    this.busy = false;
    this.onAnswer(this, (performance.now() - this.sentAt) / 1000, ok);
  }
}

function openLanes({ port, authorizations }: Subject, connections: number, onAnswer: OnAnswer): Lane[] {
  return Array.from(
    { length: connections },
    (_, i) => new Lane(port, authorizations[i % authorizations.length]!, onAnswer),
  );
}

/** Each connection sends its next request when its last answer is complete. */
export async function runClosed(job: Extract<Job, { kind: 'closed' }>): Promise<Measurement> {
  const { subject, connections, warmSeconds, seconds } = job;
  let work = 0;
  let failures = 0;
  const lanes = openLanes(subject, connections, (lane, _seconds, ok) => {
    if (ok) work++;
    else failures++;
    // A broken lane waits a turn: a gateway that is gone must not be dialled without end in one turn.
    if (ok) lane.send();
    else setImmediate(() => lane.send());
  });
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
  const lanes = openLanes(subject, connections, (_lane, latency, ok) => {
    if (ok) latencies.push(latency);
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
