/**
 * Bytes through tunnels as fast as they go, one way. Down: one endless GET per
 * tunnel, read into one reused buffer. Up: one endless POST per tunnel; bytes
 * count when the kernel has taken them.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientConnection, connectRequest, statusOf, tunnelledRequest } from '../lib/client.ts';
import { PATTERN, TARGET_HOST } from '../lib/payload.ts';
import { openWindow } from '../lib/process-meter.ts';
import type { Job, Measurement } from './job.ts';

/** More than any window can move, and still exact as a number. */
const ENDLESS = 2 ** 50;
const READ_BUFFER_BYTES = 256 * 1024;

interface Stream {
  readonly socket: Socket;
  /** Bytes moved so far. */
  bytes: number;
  failed: boolean;
}

export async function runStream(job: Extract<Job, { kind: 'stream' }>): Promise<Measurement> {
  const { subject, tunnels, direction, warmSeconds, seconds } = job;
  const open = direction === 'down' ? openDownload : openUpload;
  const streams = await Promise.all(
    Array.from({ length: tunnels }, (_, i) =>
      open(subject.port, subject.authorizations[i % subject.authorizations.length]!),
    ),
  );
  await sleep(warmSeconds * 1000);
  const total = () => streams.reduce((sum, { bytes }) => sum + bytes, 0);
  const before = total();
  const close = openWindow(subject.pid, [subject.upstreamPid, process.pid]);
  await sleep(seconds * 1000);
  const work = total() - before;
  const window = close();
  for (const { socket } of streams) socket.destroy();
  return { ...window, work, failures: streams.filter(({ failed }) => failed).length };
}

/** Resolves when the target's answer has begun. */
function openDownload(port: number, authorization: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const heads = [connectRequest(authorization), tunnelledRequest(`/bytes/${ENDLESS}`)];
    let text = '';
    const onBytes = (length: number, buffer: Uint8Array): boolean => {
      if (heads.length === 0) {
        stream.bytes += length;
        return true;
      }
      text += Buffer.from(buffer.buffer, buffer.byteOffset, length).toString('latin1');
      if (!text.includes('\r\n\r\n')) return true;
      if (statusOf(text) !== 200) reject(new Error(`the tunnel answered ${text.slice(0, 80)}`));
      heads.shift();
      text = '';
      if (heads[0]) socket.write(heads[0]);
      else resolve(stream);
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES), callback: onBytes };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    const stream: Stream = { socket, bytes: 0, failed: false };
    socket.write(heads[0]!);
    const fail = (error: Error) => {
      stream.failed = true;
      reject(error);
    };
    socket.on('error', fail).on('end', () => fail(new Error('the stream ended early')));
  });
}

async function openUpload(port: number, authorization: string): Promise<Stream> {
  const client = new ClientConnection(port);
  const status = await client.openTunnel(authorization);
  if (status !== 200) throw new Error(`CONNECT answered ${status}`);
  const { socket } = client;
  const stream: Stream = { socket, bytes: 0, failed: false };
  socket.setTimeout(0);
  socket.on('error', () => {
    stream.failed = true;
  });
  socket.write(`POST /sink HTTP/1.1\r\nHost: ${TARGET_HOST}\r\nContent-Length: ${ENDLESS}\r\n\r\n`);
  const push = () => {
    socket.write(PATTERN, (error) => {
      if (error) return;
      stream.bytes += PATTERN.length;
      push();
    });
  };
  push();
  push(); // two under way, so that the kernel never waits for us
  return stream;
}
