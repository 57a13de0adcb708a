/**
 * Octets that come in are lent from memory that all wires share (`gateway/wire/tcp-wire.ts`): many
 * streams at a time, each told from every other octet by octet, half of them with readers that stand
 * still, so that writes wait in the kernel while others read. Both ways of reading must pass alike.
 */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Wires } from '../../gateway/wire/wires.ts';
import { full } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';

const LANES = 12;
/** More than the kernel holds for the sockets of a stream whose reader stands still. */
const BYTES = full ? 96_000_000 : 24_000_000;
const PIECES = [1, 40, 700, 4_000, 16_384, 65_536, 150_000];
/** A chatty side says it in pieces that no read is filled by. */
const SMALL = [900, 5_000, 20_000];
/** How long a slow reader stands still to begin with, ms: others read and write meanwhile. */
const STILL_MS = 500;

let rig: GatewayRig | null = null;
let upstream: Server | null = null;
afterEach(async () => {
  await rig?.close();
  upstream?.close();
});

/** What lane n says: no two lanes have eight octets in a row in common. */
function textOf(lane: number): Buffer {
  const words = new Uint32Array(BYTES / 4);
  for (let at = 0; at < words.length; at += 2) {
    words[at] = lane;
    words[at + 1] = at;
  }
  return Buffer.from(words.buffer);
}

const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

/** Writes it all in pieces of many sizes, or of small ones, no faster than it is taken. */
async function say(socket: Socket, text: Buffer, chatty: boolean): Promise<void> {
  const sizes = chatty ? SMALL : PIECES;
  for (let at = 0, n = 0; at < text.length && !socket.destroyed; n++) {
    const piece = text.subarray(at, at + sizes[n % sizes.length]!);
    at += piece.length;
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
    // Others get their turn between two pieces.
    else if (chatty || n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A body that the gateway takes apart, for a client of HTTP/1.0: what it reads and what it writes differ in size. */
const isChunked = (n: number): boolean => n % 6 === 1;

function chunked(text: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; at += 30_000) {
    const chunk = text.subarray(at, at + 30_000);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** Lanes differ by what they do, by whether their readers are slow, and by whether their writers are chatty. */
const isSlow = (n: number): boolean => n % 2 === 1;
const isChatty = (n: number): boolean => n >= LANES / 2;

/** Reads so many octets behind a head; a slow reader stands still first, and then takes a piece a millisecond. */
function hear(socket: Socket, count: number, slow: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (slow) {
      socket.pause();
      setTimeout(() => socket.resume(), STILL_MS);
    }
    const pieces: Buffer[] = [];
    let length = 0;
    let body = -1;
    socket.on('error', reject).on('close', () => reject(new Error(`closed after ${length} octets`)));
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (body === -1) {
        const end = Buffer.concat(pieces).indexOf('\r\n\r\n');
        if (end !== -1) body = end + 4;
      }
      if (body !== -1 && length - body >= count) return resolve(Buffer.concat(pieces).subarray(body));
      if (!slow) return;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
  });
}

/** An upstream that echoes in tunnels, says what lane a GET asks for, and answers a POST with the digest of its body. */
function startUpstream(): Promise<number> {
  const server = createServer((socket) => {
    let head = '';
    let left = -1;
    let hash = createHash('sha256');
    // The connection may carry another request.
    const done = (): void => {
      head = '';
      left = -1;
      hash = createHash('sha256');
    };
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      let octets = chunk;
      if (left === -1) {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        octets = Buffer.from(head.slice(end + 4), 'latin1');
        left = Number(/content-length: (\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
        if (head.startsWith('CONNECT')) {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          socket.removeAllListeners('data');
          if (octets.length > 0) socket.write(octets);
          return void socket.pipe(socket);
        }
        if (head.startsWith('GET')) {
          const n = Number(/lane\/(\d+)/.exec(head)![1]);
          const text = isChunked(n) ? chunked(textOf(n)) : textOf(n);
          socket.write(
            `HTTP/1.1 200 OK\r\n${isChunked(n) ? 'Transfer-Encoding: chunked' : `Content-Length: ${BYTES}`}\r\n\r\n`,
          );
          done();
          return void say(socket, text, isChatty(n));
        }
      }
      hash.update(octets);
      left -= octets.length;
      if (left > 0) return;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n${hash.digest('hex')}`);
      done();
    });
  });
  upstream = server;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

/** One stream through the gateway; answers the digest of what came out at its other end. */
async function lane({ port, head }: GatewayRig, n: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const text = textOf(n);
  if (n % 3 === 0) {
    socket.write(head('CONNECT a.test:443'));
    const heard = hear(socket, BYTES, isSlow(n));
    await say(socket, text, isChatty(n));
    const echo = await heard;
    socket.destroy();
    return digest(echo);
  }
  const asked =
    n % 3 === 1 ? head(`GET http://a.test/lane/${n}`) : head('POST http://a.test/', [`Content-Length: ${BYTES}`]);
  socket.write(isChunked(n) ? asked.replace('HTTP/1.1', 'HTTP/1.0') : asked);
  const heard = hear(socket, n % 3 === 1 ? BYTES : 64, isSlow(n));
  if (n % 3 === 2) await say(socket, text, isChatty(n));
  const answer = await heard;
  socket.destroy();
  return n % 3 === 1 ? digest(answer) : answer.toString('latin1');
}

test('this runtime is one whose handles are as we know them', () => {
  expect(new Wires().onHandles).toBe(true);
  expect(new Wires(false).onHandles).toBe(false);
});

describe.each([
  ['wires on handles', true],
  ['wires over sockets of Node', false],
])('%s', (_, onHandles) => {
  test('every stream comes out as it went in', { timeout: 60_000 }, async () => {
    const port = await startUpstream();
    const made = await startGatewayRig({ wires: new Wires(onHandles) });
    rig = made;
    made.put(1, port);
    const lanes = Array.from({ length: LANES }, (__, n) => n);
    const found = await Promise.all(lanes.map((n) => lane(made, n)));
    expect(found).toEqual(lanes.map((n) => digest(textOf(n))));
  });
});
