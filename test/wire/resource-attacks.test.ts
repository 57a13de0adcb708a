/**
 * Attacks on resources (assurance c.7), those that one gateway in this process shows:
 * what each may hold and cost, and that an honest request is served beside it.
 */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import type { ApiKeyId } from '../../src/core/model.ts';
import { full } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { heapInUse } from '../helpers/heap.ts';
import {
  answering,
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { recordedLog } from '../helpers/wire-log.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;
const sockets = new Set<Socket>();

async function start(limits: Partial<GatewayLimits> = {}, options: object = {}): Promise<void> {
  rig = await startGatewayRig({ limits, ...options });
  rig.put(1, upstream.port);
}
beforeEach(async () => {
  upstream = await startRecordingUpstream(answerOk);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await rig.close();
  await upstream.close();
});

function dial(): Socket {
  const socket = connect({ host: '127.0.0.1', port: rig.port, noDelay: true }).on('error', () => undefined);
  sockets.add(socket.once('close', () => sockets.delete(socket)));
  return socket;
}

/** An honest request is served on a connection of its own. */
async function honest(): Promise<void> {
  const client = await RawClient.connect(rig.port);
  expect(await client.send(rig.head('GET http://honest.test/')).until(({ text }) => text.endsWith('ok'))).toMatch(
    /^HTTP\/1\.1 200 OK\r\n/,
  );
  client.close();
}

const connections = (): number => rig.gateway.holdings().clientConnections;
const IDLE = full ? 8_000 : 1_000;

test(`R-01: ${IDLE} connections that say nothing cost little, and are let go`, { timeout: 60_000 }, async () => {
  await start({ headTimeoutMs: full ? 10_000 : 800 });
  const before = heapInUse();
  for (let i = 0; i < IDLE; i++) dial();
  await eventually('all are there', () => connections() === IDLE, 20_000);
  await honest();
  // Both ends of each are in this heap.
  expect((heapInUse() - before) / IDLE).toBeLessThan(24 * 1_024);
  await eventually('all are gone', () => connections() === 0, 20_000);
  expect(rig.counted('head_timeout')).toBe(0);
});

test.each([
  ['R-02: a head', 'GET http://a.test/ HTTP/1.1\r\nX: ', 'head_timeout', { headTimeoutMs: 500 }],
  ['R-03: a body', null, 'body_timeout', { bodyIdleMs: 300 }],
])('%s that comes too slowly ends at its deadline', async (_, octets, cause, limits) => {
  await start(limits);
  upstream.behave(() => undefined);
  const client = await RawClient.connect(rig.port);
  const since = performance.now();
  client.send(octets ?? rig.head('POST http://a.test/', ['Content-Length: 1000']));
  const dribble = setInterval(() => octets !== null && client.socket.writable && client.send('x'), 50);
  await client.untilEnd();
  clearInterval(dribble);
  client.close();
  expect(performance.now() - since).toBeLessThanOrEqual(1_500);
  expect(client.text).toMatch(new RegExp(`^HTTP/1\\.1 408 ${cause}\r\n`));
  upstream.behave(answerOk);
  await honest();
});

test('R-05: heads of 16 KiB without credentials cost no more than their reading', { timeout: 60_000 }, async () => {
  await start();
  // Each leaves its port in TIME-WAIT: the system has 28,000 for all who test at the time.
  const n = full ? 10_000 : 300;
  const head = `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: ${'x'.repeat(16_000)}\r\n\r\n`;
  const { user } = process.cpuUsage();
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let i = lane; i < n; i += 8) {
      const client = await RawClient.connect(rig.port);
      expect(await client.send(head).until(({ text }) => text.endsWith('required.\n'))).toMatch(/^HTTP\/1\.1 407 /);
      client.close();
    }
  });
  await Promise.all(lanes);
  // S14: an input of ours costs less than 5 ms; here with its client, its connection and its answer.
  expect((process.cpuUsage().user - user) / 1_000 / n).toBeLessThan(5);
  expect(upstream.connections).toEqual([]);
});

test('R-06: a thousand ranges and a gzip body pass through untouched', async () => {
  await start();
  const gzip = '\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00';
  const ranges = `Range: bytes=${Array.from({ length: 1_000 }, (_, i) => `${i}-${i}`).join(',')}`;
  const reply = `HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Length: ${gzip.length}\r\n\r\n${gzip}`;
  upstream.behave(answering(reply));
  const client = await RawClient.connect(rig.port);
  await client
    .send(rig.head('GET http://a.test/', [ranges, 'Accept-Encoding: gzip']))
    .until((c) => c.text.includes(gzip));
  client.close();
  expect(upstream.received()).toContain(`\r\n${ranges}\r\nAccept-Encoding: gzip\r\n`);
  expect(client.text).toContain('\r\nContent-Encoding: gzip\r\n');
  expect(client.text.endsWith(`\r\n\r\n${gzip}`)).toBe(true);
});

test('R-07: 10,000 requests in a pipeline by a client that does not read', { timeout: 60_000 }, async () => {
  await start();
  const body = 'b'.repeat(4_096);
  upstream.behave(answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  const before = heapInUse();
  const socket = dial().pause();
  const request = rig.head('GET http://a.test/');
  for (let i = 0; i < 10_000; i++) socket.write(request);
  let last = -1;
  const stands = (): boolean => {
    const was = last;
    last = socket.bytesWritten - socket.writableLength + upstream.received().length;
    return was === last;
  };
  await eventually('the pipeline stands', () => stands() && stands());
  // One request at a time: what was not read waits in the kernel and with its sender, not with us.
  expect(upstream.received().length).toBeLessThan(10_000 * 100);
  expect(heapInUse() - before - socket.writableLength).toBeLessThan(16 * 1_048_576);
  expect(rig.gateway.holdings().inFlight).toBeLessThanOrEqual(1);
  upstream.behave(answerOk);
  await honest();
});

test('R-09: an upload to a 407 is neither read to its end nor passed on', async () => {
  await start();
  const socket = dial();
  const lines = `Content-Length: ${10 * 2 ** 30}\r\n`;
  socket.write(`POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  const chunk = Buffer.alloc(65_536, 'u');
  const pour = (): void => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on('drain', pour);
  pour();
  await eventually('it is cut off', () => sockets.size === 0, 3_000);
  expect(text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n[\s\S]*\r\nConnection: close\r\n/);
  // Some of it was in the kernel before the end was known.
  expect(socket.bytesWritten).toBeLessThan(32 * 2 ** 20);
  expect(upstream.connections).toEqual([]);
  await honest();
});

const CHURN = full ? 50_000 : 1_500;
test(`R-10: ${CHURN} connections are opened and closed, some after a request`, { timeout: 120_000 }, async () => {
  await start();
  let opened = 0;
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (opened++ < CHURN) {
        await new Promise<void>((resolve) => {
          const asks = opened % 10 === 0;
          const socket = dial();
          socket.once('close', () => resolve());
          if (asks) socket.write(rig.head('GET http://a.test/'));
          // A reset leaves no port waiting on this machine.
          socket.once(asks ? 'data' : 'connect', () => socket.resetAndDestroy());
        });
      }
    }),
  );
  await honest();
  await eventually('nobody is left', () => connections() === 0);
  expect(rig.gateway.holdings().slots).toMatchObject({ connections: 0, requests: 0, members: 0 });
});

const WEBSOCKETS = full ? 1_000 : 100;
test(`R-12: ${WEBSOCKETS} WebSockets with frames of one octet`, { timeout: 60_000 }, async () => {
  await start();
  // The target's side: agrees, then sends back what comes, octet for octet.
  upstream.behave(({ socket, text }, chunk) => {
    if (chunk.includes('\r\n\r\n'))
      socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    else if (text.includes('\r\n\r\n')) socket.write(chunk);
  });
  const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA=='];
  const all: RawClient[] = [];
  for (let i = 0; i < WEBSOCKETS; i++) {
    const client = await RawClient.connect(rig.port);
    sockets.add(client.socket);
    all.push(client.send(rig.head('GET http://a.test/', lines)));
  }
  await Promise.all(all.map((client) => client.until(({ text }) => text.endsWith('\r\n\r\n'))));
  expect(all.every(({ text }) => text.startsWith('HTTP/1.1 101 '))).toBe(true);
  // A masked text frame of one octet.
  const frame = Buffer.from([0x81, 0x81, 1, 2, 3, 4, 0x79]);
  const octets = frame.toString('latin1');
  for (let round = 1; round <= 20; round++) {
    for (const client of all) {
      client.text = '';
      client.send(frame);
    }
    await Promise.all(all.map((client) => client.until(({ text }) => text.length >= octets.length)));
    expect(all.every(({ text }) => text === octets)).toBe(true);
  }
  expect(rig.gateway.holdings().slots).toMatchObject({ connections: WEBSOCKETS, requests: WEBSOCKETS });
});

test('R-13: names that a client makes up add no metric, and no line is longer than a head', async () => {
  const log = recordedLog();
  await start({}, { log });
  const series = (): number => JSON.stringify(rig.gateway.snapshot()).length;
  const ask = async (n: number): Promise<void> => {
    const client = await RawClient.connect(rig.port);
    const host = `h${n}-${'x'.repeat(50)}.test`;
    const heads = [
      rig.head(`GET http://${host}/${'p'.repeat(4_000)}`),
      rig.head(`GET http://${host}/`, [], `nowhere${n}`),
      rig.head(`GET http://${host}/`, [], `default-unknown${n}-x`),
      rig.head(`BREW${n} http://${host}/`),
    ];
    await client.send(heads[n % 4]!).until(({ text }) => text.includes('\r\n\r\n'));
    client.close();
  };
  for (let n = 0; n < 40; n++) await ask(n);
  const before = series();
  for (let n = 40; n < 440; n++) await ask(n);
  // Numbers grow by some digits; a series for each name would be thousands of octets.
  expect(series() - before).toBeLessThan(200);
  const lines = log.lines.filter(({ message }) => message === 'request');
  expect(lines.length).toBeGreaterThan(100);
  for (const { fields } of lines) expect(JSON.stringify(fields).length).toBeLessThan(1_024);
});

test.each([86_400_000, -86_400_000])('R-16: the system clock jumps by %d ms', async (jumpMs) => {
  let offsetMs = 0;
  const clock = { nowMs: () => systemClock.nowMs() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
  await start({ keepAliveMs: 60_000 }, { clock });
  const tunnel = await RawClient.connect(rig.port);
  upstream.behave(echoTunnel);
  await tunnel.send(rig.head('CONNECT a.test:443')).until(({ text }) => text.endsWith('\r\n\r\n'));
  upstream.behave(answerOk);
  const kept = await RawClient.connect(rig.port);
  await kept.send(rig.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  upstream.behave(echoTunnel);
  offsetMs = jumpMs;
  // Deadlines are of the monotonic clock: nothing that is open is cut, nothing hangs.
  await new Promise((resolve) => setTimeout(resolve, 350));
  tunnel.text = '';
  await tunnel.send('after the jump').until(({ text }) => text === 'after the jump');
  upstream.behave(answerOk);
  kept.text = '';
  await kept.send(rig.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  expect(kept.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  // A key's expiry is of the wall clock, and is what jumps.
  const key = { id: 'other' as ApiKeyId, workspaceId: WORKSPACE, mayUseGateway: true };
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256').update('sp_live_expiring').digest('hex');
  rig.gateway.apply([{ kind: 'key-put', key: { ...key, hash, expiresAtMs: systemClock.nowMs() + 3_600_000 } }]);
  const expiring = await RawClient.connect(rig.port);
  const credential = `Proxy-Authorization: Bearer sp_live_expiring`;
  await expiring
    .send(`GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${credential}\r\n\r\n`)
    .until(({ text }) => text.includes('\r\n\r\n'));
  expect(expiring.text.slice(9, 12)).toBe(jumpMs > 0 ? '407' : '200');
  for (const client of [tunnel, kept, expiring]) client.close();
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
});
