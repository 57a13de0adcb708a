/**
 * Slots are given back whatever becomes of who took them (E28, R4, R-11): clients
 * that reset at every stage, upstreams that fail at every stage, refusals, ends.
 * The 100,000 of R4 are for the whole size; CI runs 20,000 of them.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { full, whole } from '../helpers/full.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { eventually, type Recorded, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const ROUNDS = whole ? 100_000 : full ? 20_000 : 3_000;
const LANES = 48;
const NOTHING = { connections: 0, turnedAway: 0, sockets: 0, requests: 0, tunnels: 0, dials: 0, members: 0 };

let rig: GatewayRig;
let upstream: RecordingUpstream;
let gone: RecordingUpstream;

/** What an upstream does is in the name of the target. */
function behave({ socket, text }: Recorded, chunk: Buffer): void {
  if (!text.includes('\r\n\r\n')) return;
  const connects = text.startsWith('CONNECT');
  const [, how] = /^\w+ (?:http:\/\/)?(\w+)\.test/.exec(text) ?? [];
  const reply = connects ? 'HTTP/1.1 200 OK\r\n\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  if (how === 'reset') socket.resetAndDestroy();
  else if (how === 'refuse') socket.end('HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n');
  else if (how === 'garbage') socket.write('no HTTP at all\r\n\r\n');
  else if (how === 'cut') socket.write(reply.slice(0, -3), () => socket.resetAndDestroy());
  else if (how === 'half') socket.write(reply.slice(0, 12));
  else if (how === 'end' && !chunk.includes('CONNECT')) socket.end();
  else if (how !== 'silent') socket.write(chunk.includes('\r\n\r\n') ? reply : chunk);
}

beforeAll(async () => {
  const limits = {
    maxConnectionsPerKey: 20,
    maxConnectionsPerAddress: 24,
    maxPendingDials: 8,
    maxBodyBytes: 100,
    connectTimeoutMs: 400,
    connectReplyTimeoutMs: 200,
    firstByteTimeoutMs: 200,
    tunnelIdleMs: 1_000,
    halfClosedMs: 500,
    headTimeoutMs: 1_000,
    keepAliveMs: 1_000,
    upstreamIdleMs: 1_000,
  };
  rig = await startGatewayRig({ limits });
  upstream = await startRecordingUpstream(behave);
  gone = await startRecordingUpstream();
  await gone.close();
  // Failing sessions stay in, so that all of the failures go on to the end.
  rig.putPool({ maxTunnelsPerSession: 4, maxPendingDialsPerSession: 3, maxEjectedPercent: 0 });
  rig.put(1, upstream.port);
  rig.put(2, upstream.port);
  rig.put(3, gone.port);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

const HOWS = ['ok', 'ok', 'reset', 'refuse', 'garbage', 'cut', 'half', 'end', 'silent'];
/** The stages at which a client leaves: octets sent, or a moment after it sent all. */
const STAGES = ['nothing', 'part', 'sent', 'sent', 'answered', 'answered', 'answered'] as const;
const LEAVES: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.destroy(),
  (socket) => void socket.end(),
];

/** One client, from its connect to its close; the number says what it does. */
function visit(i: number): Promise<void> {
  return new Promise((resolve) => {
    const how = HOWS[i % HOWS.length]!;
    const stage = STAGES[i % STAGES.length]!;
    const leave = LEAVES[i % LEAVES.length]!;
    const request = [
      rig.head(`CONNECT ${how}.test:443`),
      rig.head(`GET http://${how}.test/`),
      rig.head(`POST http://${how}.test/`, ['Content-Length: 50']) + 'x'.repeat(i % 60),
      rig.head(`POST http://${how}.test/`, ['Transfer-Encoding: chunked']) +
        `3c\r\n${'y'.repeat(60)}\r\n`.repeat(i % 4),
      rig.head(`POST http://${how}.test/`, ['Content-Length: 101']),
      'GET / nonsense\r\n\r\n',
    ][(i % 11) % 6]!;
    const socket = connect({ host: '127.0.0.1', port: rig.port, noDelay: true, allowHalfOpen: i % 5 === 0 });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve());
    socket.once('end', () => socket.end());
    socket.resume();
    if (stage === 'nothing') return void socket.once('connect', () => leave(socket));
    if (stage === 'part') return void socket.write(request.slice(0, i % request.length), () => leave(socket));
    socket.write(request);
    if (stage === 'sent') return void setImmediate(() => leave(socket));
    socket.once('data', () => {
      if (i % 2 === 0) socket.write('more', () => leave(socket));
      else leave(socket);
    });
  });
}

test(`after ${ROUNDS} clients, most of which left in the middle, every count is zero`, {
  timeout: 600_000,
}, async () => {
  let next = 0;
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      while (next < ROUNDS) {
        await visit(next++);
        if (upstream.connections.length > 500) upstream.reset();
      }
    }),
  );
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0, 10_000);
  await eventually('every slot is back', () => rig.gateway.holdings().slots.sockets === 0, 10_000);
  expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, inFlight: 0, placed: 0, tunnels: 0 });
  expect(rig.gateway.holdings().slots).toEqual(NOTHING);
  // Each of these was met on the way: the counts were taken and given at every level.
  const causes = ['client_gone', 'upstream_refused', 'upstream_reset', 'upstream_protocol', 'upstream_denied_target'];
  for (const cause of [...causes, 'bad_request', 'body_too_large', 'first_byte_timeout']) {
    expect(rig.counted(cause), cause).toBeGreaterThan(0);
  }
});

test('and each session, and each address, has all of its own slots again', async () => {
  rig.remove(2);
  rig.remove(3);
  const sockets: Socket[] = [];
  const answers: string[] = [];
  for (let i = 0; i < 5; i++) {
    const socket = connect(rig.port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    socket.once('data', (chunk) => answers.push(chunk.toString('latin1').slice(9, 12)));
    socket.write(rig.head('CONNECT ok.test:443'));
    await eventually('it is answered', () => answers.length === i + 1);
  }
  expect(answers).toEqual([...Array.from({ length: 4 }, () => '200'), '429']);
  // Five tunnels were asked for on as many connections: the last one has been refused and is gone, or goes.
  await eventually('four are left', () => rig.gateway.holdings().clientConnections === 4);
  for (let i = 4; i <= 24; i++) sockets.push(connect(rig.port, '127.0.0.1').on('error', () => undefined));
  const [refusal] = (await once(sockets.at(-1)!, 'data')) as [Buffer];
  expect(refusal.toString('latin1')).toMatch(/^HTTP\/1\.1 503 overloaded\r\n/);
  expect(rig.gateway.holdings().clientConnections).toBe(24);
  for (const socket of sockets) socket.destroy();
  await eventually('every slot is back', () => rig.gateway.holdings().slots.sockets === 0);
  expect(rig.gateway.holdings().slots).toEqual(NOTHING);
});
