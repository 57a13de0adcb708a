/**
 * Large answers to absolute-form requests, over keep-alive connections in a closed
 * loop, read into one reused buffer each: a general HTTP client would spend the
 * shared core on the bytes. Status and length of every answer are checked.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { forwardRequest, statusOf } from '../lib/client.ts';
import { openWindow } from '../lib/process-meter.ts';
import type { Job, Measurement } from './job.ts';

const READ_BUFFER_BYTES = 256 * 1024;
const MAX_HEAD_BYTES = 16_384;

/** Asks for one answer after the other; `onAnswer(false)` once, when the connection breaks or an answer is wrong. */
function download(port: number, request: string, length: number, onAnswer: (ok: boolean) => void): Socket {
  let head = '';
  let left = 0;
  let failed = false;
  const fail = () => {
    if (!failed) onAnswer(false);
    failed = true;
    socket.destroy();
  };
  const onBytes = (count: number, buffer: Uint8Array): boolean => {
    let body = count;
    if (left === 0) {
      head += Buffer.from(buffer.buffer, buffer.byteOffset, count).toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) {
        if (head.length > MAX_HEAD_BYTES) fail();
        return true;
      }
      const announced = /\r\ncontent-length:\s*(\d+)/i.exec(head.slice(0, end + 2))?.[1];
      if (statusOf(head) !== 200 || Number(announced) !== length) fail();
      left = length;
      body = head.length - end - 4;
      head = '';
    }
    left -= body;
    if (left < 0) fail();
    else if (left === 0 && !failed) {
      onAnswer(true);
      socket.write(request);
    }
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES), callback: onBytes };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
  socket.on('error', fail).on('end', fail);
  socket.write(request);
  return socket;
}

export async function runDownload(job: Extract<Job, { kind: 'download' }>): Promise<Measurement> {
  const { subject, connections, bytes, warmSeconds, seconds } = job;
  let work = 0;
  let failures = 0;
  const sockets = Array.from({ length: connections }, (_, i) => {
    const authorization = subject.authorizations[i % subject.authorizations.length]!;
    return download(subject.port, forwardRequest(`/bytes/${bytes}`, authorization), bytes, (ok) => {
      if (ok) work++;
      else failures++;
    });
  });
  await sleep(warmSeconds * 1000);
  work = 0;
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  await sleep(seconds * 1000);
  const measured = { ...close(), work, failures };
  for (const socket of sockets) socket.destroy();
  return measured;
}
