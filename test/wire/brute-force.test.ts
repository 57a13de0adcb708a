/**
 * Guessing keys (S6, A11), and asking again and again without one (A12): what an
 * address gets, what it costs the log, and that the right key always works.
 */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { heapInUse } from '../helpers/heap.ts';
import { answerOk, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const TRIES = full ? 100_000 : 1_500;
const ADDRESSES = full ? 10_000 : 400;

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
beforeEach(async () => {
  log = recordedLog();
  rig = await startGatewayRig({ log });
  upstream = await startRecordingUpstream(answerOk);
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

const bogus = (n: number): string =>
  `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic ${btoa(`default:sp_live_${n}`)}\r\n\r\n`;
const nobody = 'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** Sends one request on a connection of its own from an address of loopback; answers all that came. */
function once(octets: string, localAddress = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host: '127.0.0.1', port: rig.port, localAddress, allowHalfOpen: false });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(text));
    socket.write(octets);
  });
}

/** Sends `n` of them, some at a time; answers how many answers began with each status. */
async function storm(n: number, ask: (i: number) => Promise<string>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  let next = 0;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < n) {
        const status = (await ask(next++)).slice(9, 12);
        counts[status] = (counts[status] ?? 0) + 1;
      }
    }),
  );
  return counts;
}

const lines = (): number => log.lines.filter(({ message }) => message === 'request').length;
const minutes = (since: number): number => Math.ceil((performance.now() - since) / 60_000);
const seconds = (since: number): number => Math.ceil((performance.now() - since) / 1_000) + 1;

test(`${TRIES} wrong keys from one address: 20 are answered 407, the rest 429 and the end`, async () => {
  const since = performance.now();
  const counts = await storm(TRIES, (i) => once(bogus(i)));
  // The window begins anew each minute; a fast machine needs one of them.
  const forgiven = rig.counted('auth_failed');
  expect([20, 40, 60].slice(0, minutes(since))).toContain(forgiven);
  expect(counts).toEqual({ 407: forgiven, 429: TRIES - forgiven });
  expect(lines()).toBeLessThanOrEqual(20 * minutes(since) + seconds(since));
  const failures = rig.gateway.snapshot().authFailures.find(({ labels }) => labels[0] === 'unknown');
  expect(failures?.value).toBe(TRIES);
  expect(rig.counted('limit_reached')).toBe(TRIES - forgiven);
  // The right key works at once, from the same address, and leaves its line.
  const before = lines();
  expect(await once(rig.head('GET http://a.test/'))).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(lines()).toBe(before + 1);
  // No credentials are no wrong ones.
  expect(await once(nobody)).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
  expect(upstream.connections).toHaveLength(1);
}, 120_000);

test('a refusal for too many failures tells when to come again, and ends the connection', async () => {
  await storm(20, (i) => once(bogus(i)));
  const client = await RawClient.connect(rig.port);
  await client.send(bogus(21)).untilEnd();
  client.close();
  expect(client.text).toMatch(/^HTTP\/1\.1 429 limit_reached\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
  expect(client.text).toContain('\r\nConnection: close\r\n');
});

test(`wrong keys from ${ADDRESSES} addresses: each has its own count, and the memory of them is bounded`, async () => {
  const address = (i: number): string => `127.1.${(i % ADDRESSES) >> 8}.${i & 255}`;
  const ask = (i: number): Promise<string> => once(bogus(i), `127.1.${(i % ADDRESSES) >> 8}.${(i % ADDRESSES) & 255}`);
  const before = heapInUse();
  expect(await storm(ADDRESSES * 2, ask)).toEqual({ 407: ADDRESSES * 2 });
  expect(heapInUse() - before).toBeLessThan(ADDRESSES * 1_024 + 8 * 1_048_576);
  expect(await storm(20, () => once(bogus(1), address(0)))).toEqual({ 407: 18, 429: 2 });
}, 120_000);

test('a client that loops on 407 is closed at the second one, and fills no log', async () => {
  const since = performance.now();
  const client = await RawClient.connect(rig.port);
  await client.send(nobody).until(({ text }) => text.endsWith('required.\n'));
  expect(client.text).toContain('\r\nConnection: keep-alive\r\n');
  client.text = '';
  await client.send(nobody).untilEnd();
  client.close();
  expect(client.text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n[\s\S]*\r\nConnection: close\r\n/);
  expect(await storm(TRIES / 4, () => once(nobody))).toEqual({ 407: TRIES / 4 });
  expect(lines()).toBeLessThanOrEqual(20 * minutes(since) + seconds(since));
  expect(rig.counted('auth_required')).toBe(TRIES / 4 + 2);
}, 120_000);

test('a client that answers each 407 with its key keeps its connection', async () => {
  const client = await RawClient.connect(rig.port);
  for (let i = 0; i < 3; i++) {
    client.text = '';
    await client.send(nobody).until(({ text }) => text.endsWith('required.\n'));
    client.text = '';
    await client.send(rig.head('GET http://a.test/')).until(({ text }) => text.endsWith('ok'));
  }
  client.close();
});
