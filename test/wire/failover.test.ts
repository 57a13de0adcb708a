/**
 * Failover, cause by cause: what moves to another session and what does not, for each way
 * of asking. The client sees one answer, no body is sent twice, and what is not idempotent
 * reaches one upstream at most. `failover-bounds.test.ts` has how often and how long.
 */
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause, SOCKS_REPLIES } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import {
  type Ask,
  answersHead,
  answersOf,
  askFor,
  attemptsOf,
  BODY,
  holdsNothing,
  recordedHealth,
  recordsOf,
  SERVED,
  serving,
} from '../helpers/failover.ts';
import { type GatewayRig, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import { speakSocks } from '../helpers/socks-upstream.ts';
import { TROUBLES, type Trouble, type Undo } from '../helpers/troubles.ts';
import {
  type Behaviour, eventually, RawClient, type RecordingUpstream, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list

/** Causes that an upstream can give before an answer begins. */
const OF_UPSTREAMS = [
  'upstream_dns', 'upstream_refused', 'upstream_reset', 'upstream_unreachable', 'upstream_connect_timeout',
  'upstream_reply_timeout', 'upstream_tls', 'upstream_auth_failed', 'upstream_protocol', 'upstream_denied_target',
  'target_unreachable', 'first_byte_timeout',
] as const; // biome-ignore format: one list

/** With these an http upstream was never written to: a POST may move. */
const BEFORE_ANY_OCTET: readonly Cause[] = [
  ...([
    'upstream_dns',
    'upstream_refused',
    'upstream_unreachable',
    'upstream_connect_timeout',
    'upstream_tls',
  ] as const),
];

/** How an upstream that got a POST fails it: with the body there may be no end of a head in sight. */
const FAILS_A_POST: { readonly [cause in Cause]?: Behaviour } = {
  upstream_auth_failed: answersHead('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n'),
  upstream_protocol: answersHead('garbage\r\n\r\n'),
};

const TUNNELS: readonly Ask[] = ['CONNECT', 'SOCKS'];

const ROWS = OF_UPSTREAMS.flatMap((cause) => {
  const { meets }: Trouble = TROUBLES[cause];
  const tunnels = meets.includes('CONNECT') ? TUNNELS : [];
  const plain: readonly Ask[] = meets.includes('GET') ? ['GET', 'POST', 'upgrade'] : [];
  return [...tunnels, ...plain].map((ask): [Cause, Ask, 'moves' | 'stays'] => {
    const may = CAUSES[cause].moves && (ask !== 'POST' || BEFORE_ANY_OCTET.includes(cause));
    return [cause, ask, may ? 'moves' : 'stays'];
  });
});

let rig: GatewayRig;
let bad: RecordingUpstream;
let good: RecordingUpstream;
let client: RawClient;
let undo: Undo | undefined;
let health: ReturnType<typeof recordedHealth>;

/** Session 1 leads to `bad`, session 2 to `good`; the first request gets session 1. */
async function start(limits: Partial<GatewayLimits> = {}, behaviour: Behaviour = serving): Promise<void> {
  health = recordedHealth();
  rig = await startGatewayRig({ limits, health });
  bad = await startRecordingUpstream(behaviour);
  good = await startRecordingUpstream(serving);
  rig.put(1, bad.port);
  rig.put(2, good.port);
}
afterEach(async () => {
  client.close();
  await undo?.();
  undo = undefined;
  await rig.close();
  await Promise.all([bad.close(), good.close()]);
});

const times = (text: string, part: string): number => text.split(part).length - 1;

function refusal(cause: Cause, ask: Ask): string {
  return ask === 'SOCKS' ? `reply ${SOCKS_REPLIES[cause]}` : cause;
}

/** The client got one answer, which is that of session 2. */
async function expectMoved(cause: Cause, ask: Ask): Promise<void> {
  expect(await answersOf(client, ask)).toEqual([SERVED[ask]]);
  if (ask !== 'SOCKS') expect(client.text).toContain(`\r\nSallyport-Session: ${sessionId(2)}\r\n`);
  expect(health.told).toEqual([`failed 1 ${cause}`, 'succeeded 2']);
  expect(rig.gateway.snapshot().failovers).toEqual([{ labels: [cause], value: 1 }]);
  expect(rig.counted(cause)).toBe(0);
  client.close();
  const [record] = await recordsOf(rig, 1);
  expect(attemptsOf(record!)).toEqual([`1 ${cause}`, record!.cause === null ? '2 ok' : `2 ${record!.cause}`]);
  for (const { ms } of record!.attempts) expect(ms).toBeGreaterThan(0);
}

/** The client got one answer, which is the cause, and nobody else was asked. */
async function expectStayed(cause: Cause, ask: Ask): Promise<void> {
  expect(await answersOf(client, ask)).toEqual([refusal(cause, ask)]);
  client.close();
  const [record] = await recordsOf(rig, 1);
  expect(attemptsOf(record!)).toEqual([`1 ${cause}`]);
  expect(good.connections).toEqual([]);
  expect(health.told).toEqual([`failed 1 ${cause}`]);
  expect(rig.gateway.snapshot().failovers).toEqual([]);
  expect(rig.counted(cause)).toBe(1);
}

function expectNothingTwice(): void {
  const received = bad.received() + good.received();
  expect(times(received, BODY)).toBeLessThanOrEqual(1);
  expect(times(received, 'POST ')).toBeLessThanOrEqual(1);
}

async function hold(): Promise<void> {
  await eventually('nothing is kept', () => rig.gateway.holdings().inFlight === 0);
  rig.remove(1);
  rig.remove(2);
  await holdsNothing(rig);
}

describe('an upstream fails', () => {
  test.each(ROWS)('%s: %s %s', async (cause, ask, does) => {
    const { limits, prepare }: Trouble = TROUBLES[cause as (typeof OF_UPSTREAMS)[number]];
    await start(limits);
    undo = await prepare?.({ rig, upstream: bad });
    const fails = ask === 'POST' ? FAILS_A_POST[cause] : undefined;
    if (fails) bad.behave(fails);
    client = await askFor(rig, ask);
    await (does === 'moves' ? expectMoved(cause, ask) : expectStayed(cause, ask));
    expectNothingTwice();
    if (ask === 'POST' && does === 'moves') expect(times(good.received(), BODY)).toBe(1);
    await hold();
  });
});

describe('a POST through a SOCKS upstream that fails its handshake', () => {
  const rows: [Cause, Behaviour][] = [
    ['upstream_auth_failed', speakSocks({ answers: { greeting: '05 ff' } })],
    ['target_unreachable', speakSocks({ answers: { request: '05 04 00 01 00000000 0000' } })],
    ['upstream_denied_target', speakSocks({ answers: { request: '05 02 00 01 00000000 0000' } })],
    ['upstream_protocol', speakSocks({ answers: { greeting: '04 00' } })],
    ['upstream_reset', ({ socket }) => socket.end()],
    ['upstream_reply_timeout', () => undefined],
  ];
  test.each(rows)('%s: its target was not reached, and it moves if the cause does', async (cause, behaviour) => {
    await start({ connectReplyTimeoutMs: 100 }, behaviour);
    rig.put(1, 0, { endpoint: { scheme: 'socks5h', host: '127.0.0.1', port: bad.port } });
    client = await askFor(rig, 'POST');
    await (CAUSES[cause].moves ? expectMoved(cause, 'POST') : expectStayed(cause, 'POST'));
    expect(bad.received()).not.toContain('POST');
    expectNothingTwice();
    await hold();
  });

  test('once its tunnel is open and it was sent, it stays', async () => {
    await start({}, speakSocks({ tunnel: (socket) => socket.end() }));
    rig.put(1, 0, { endpoint: { scheme: 'socks5h', host: '127.0.0.1', port: bad.port } });
    client = await askFor(rig, 'POST');
    expect(await answersOf(client, 'POST')).toEqual(['upstream_reset']);
    expect(health.told).toEqual(['failed 1 upstream_reset (session_target)']);
    expect(times(bad.received(), 'POST ')).toBe(1);
  });
});

describe('in a tunnel that is open it was between the session and the target', () => {
  const troubles: [Cause, (socket: Socket) => void][] = [
    ['upstream_reset', (socket) => socket.end()],
    ['upstream_protocol', (socket) => socket.write('SSH-2.0-x\r\n\r\n')],
    ['upstream_denied_target', (socket) => socket.write('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n')],
    ['first_byte_timeout', () => undefined],
  ];
  test.each(troubles)('%s', async (cause, tunnel) => {
    await start({ firstByteTimeoutMs: 100 }, speakSocks({ tunnel }));
    rig.put(1, 0, { endpoint: { scheme: 'socks5h', host: '127.0.0.1', port: bad.port } });
    client = await askFor(rig, 'GET');
    await answersOf(client, 'GET');
    const harmed = CAUSES[cause].harms === 'session_target' ? '' : ' (session_target)';
    expect(health.told[0]).toBe(`failed 1 ${cause}${harmed}`);
  });

  test('and so it is when an answer is cut off', async () => {
    const half = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel';
    await start({}, speakSocks({ tunnel: (socket) => socket.end(half) }));
    rig.put(1, 0, { endpoint: { scheme: 'socks5h', host: '127.0.0.1', port: bad.port } });
    client = await askFor(rig, 'GET');
    await eventually('it is cut', () => client.failed);
    expect(health.told).toEqual(['succeeded 1', 'failed 1 response_truncated (session_target)']);
  });

  test('a kept tunnel that is gone, and an upstream that is gone by then as well, is the upstream’s doing', async () => {
    const answers: { greeting?: string } = {};
    const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    await start(
      {},
      speakSocks({ answers, tunnel: (socket) => (answers.greeting ? socket.destroy() : socket.write(ok)) }),
    );
    rig.put(1, 0, { endpoint: { scheme: 'socks5h', host: '127.0.0.1', port: bad.port } });
    rig.remove(2);
    client = await askFor(rig, 'GET');
    await answersOf(client, 'GET');
    answers.greeting = '05 ff';
    const again = await askFor(rig, 'GET');
    await answersOf(again, 'GET');
    again.close();
    expect(health.told).toEqual(['succeeded 1', 'failed 1 upstream_auth_failed']);
  });
});

describe('an answer has begun', () => {
  const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel';

  test.each([
    ['response_truncated', (({ socket }) => void socket.end(HALF)) as Behaviour],
    ['idle_timeout', answersHead(HALF)],
  ] as const)(
    '%s: it is cut, health is told of it next to the success, and nobody else is asked',
    async (cause, behaviour) => {
      await start({ responseIdleMs: 100 }, behaviour);
      client = await askFor(rig, 'GET');
      await eventually('it is cut', () => client.failed);
      expect(await answersOf(client, 'GET')).toEqual(['200']);
      expect(health.told).toEqual(['succeeded 1', `failed 1 ${cause}`]);
      expect(good.connections).toEqual([]);
    },
  );

  test('an interim response was passed on: what follows it comes from the same upstream or not at all', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n';
    await start({}, ({ socket }) => void socket.end(hints));
    client = await askFor(rig, 'GET');
    await client.until((c) => c.text.includes('upstream_reset'));
    expect(await answersOf(client, 'GET')).toEqual(['103', 'upstream_reset']);
    expect(good.connections).toEqual([]);
  });

  test('a tunnel is open: its reset says nothing of the endpoint that opened it', async () => {
    await start();
    client = await askFor(rig, 'CONNECT');
    expect(await answersOf(client, 'CONNECT')).toEqual(['200']);
    bad.connections[0]!.socket.resetAndDestroy();
    await eventually('it is cut', () => client.failed);
    await recordsOf(rig, 1);
    expect(health.told).toEqual(['succeeded 1']);
    expect(good.connections).toEqual([]);
  });
});

describe('a kept connection that turns out to be dead', () => {
  /** Leaves a connection to each of both upstreams, and session 1 the next in turn; then `bad` fails what it gets. */
  async function keepBoth(): Promise<void> {
    await start();
    client = await askFor(rig, 'GET');
    for (const n of [1, 2]) {
      await eventually(`answer ${n}`, () => times(client.text, '\r\n\r\nok') === n);
      if (n === 1) client.send(rig.head('GET http://a.test/'));
    }
    client.close();
    await recordsOf(rig, 2);
    health.told.length = 0;
    for (const upstream of [bad, good]) upstream.reset();
    bad.behave(({ socket }) => void socket.end());
  }

  test('a GET is sent once more by itself, and then moves: two attempts, one of them to each', async () => {
    await keepBoth();
    client = await askFor(rig, 'GET');
    expect(await answersOf(client, 'GET')).toEqual(['200']);
    const record = (await recordsOf(rig, 3))[2]!;
    expect(attemptsOf(record)).toEqual(['1 upstream_reset', '2 ok']);
    expect(times(bad.received(), 'GET ')).toBe(2);
    expect(health.told).toEqual(['failed 1 upstream_reset', 'succeeded 2']);
  });

  test('only what a kept connection died of is sent once more: a new one of the next session is not', async () => {
    await keepBoth();
    bad.behave(answersHead('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n'));
    // The next session gets a new credential, and with it a new connection.
    rig.put(2, good.port, { password: 'another' });
    good.behave(({ socket }) => void socket.end());
    client = await askFor(rig, 'GET');
    expect(await answersOf(client, 'GET')).toEqual(['upstream_reset']);
    expect([times(bad.received(), 'GET '), times(good.received(), 'GET ')]).toEqual([1, 1]);
  });

  test('a POST may have reached the target, and stays', async () => {
    await keepBoth();
    client = await askFor(rig, 'POST');
    expect(await answersOf(client, 'POST')).toEqual(['upstream_reset']);
    expect(times(bad.received(), 'POST ')).toBe(1);
    expect(good.received()).toBe('');
  });
});

test.each([
  ['PUT', '', 'moves'],
  ['DELETE', '', 'moves'],
  ['PATCH', '', 'stays'],
  ['POST', '', 'stays'],
  ['PUT', BODY, 'stays'],
])('%s with the body %j that was sent: %s', async (method, body, does) => {
  await start({}, answersHead('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n'));
  client = await RawClient.connect(rig.port);
  client.send(rig.head(`${method} http://a.test/`, [`Content-Length: ${body.length}`]) + body);
  expect(await answersOf(client, 'GET')).toEqual([does === 'moves' ? '200' : 'upstream_auth_failed']);
  expect(good.connections.length).toBe(does === 'moves' ? 1 : 0);
});

test('a POST whose body comes after its first attempt failed is sent whole, once', async () => {
  await start();
  const gone = await startRecordingUpstream();
  await gone.close();
  rig.put(1, gone.port);
  client = await RawClient.connect(rig.port);
  client.send(rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']));
  await eventually('the head is at the second', () => good.received().endsWith('\r\n\r\n'));
  client.send(`${BODY.length}\r\n${BODY}\r\n0\r\n\r\n`);
  await eventually('the body is there', () => good.received().endsWith('\r\n0\r\n\r\n'));
  expect(times(good.received(), BODY)).toBe(1);
});
