/**
 * Every row of the catalogue of causes, produced through the front door: status, reason
 * phrase, Proxy-Status, sentence, log line and counter, all of one mind; for each way of
 * asking that meets it, and over TLS. `socks-causes.test.ts` has the replies of SOCKS5,
 * `extended-statuses.test.ts` the other numbers.
 */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import { type GatewayRig, plainEntrance, startGatewayRig } from '../helpers/gateway-rig.ts';
import { makeCertificate } from '../helpers/target.ts';
import { connectOverTls } from '../helpers/tls-client.ts';
import { type Asked, TROUBLES, type Trouble, type Undo, type World } from '../helpers/troubles.ts';
import {
  answering, answerOk, echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

/** These pass by themselves. */
const RETRY_LATER: readonly Cause[] = ['limit_reached', 'overloaded', 'draining'];

interface Row extends Omit<Trouble, 'meets' | 'username'> {
  /** Makes one request of `client` fail. */
  readonly send: (world: World, client: RawClient) => unknown;
  readonly overTls?: boolean;
}

const LINES = { GET: 'GET http://a.test/', CONNECT: 'CONNECT a.test:443' };

/** Sends a request head, and octets behind it. */
function ask(line: string, lines: readonly string[] = [], behind = '', username?: string): Row['send'] {
  return ({ rig }, client) => client.send(rig.head(line, lines, username) + behind);
}
const says =
  (octets: string): Row['send'] =>
  (_, client) =>
    client.send(octets);

/** Asks, and goes on when the upstream has it. */
async function reachUpstream(line: string, { rig, upstream }: World, client: RawClient): Promise<void> {
  client.send(rig.head(line));
  await eventually('the request is upstream', () => upstream.received() !== '');
}

async function openTunnel({ rig, upstream }: World, client: RawClient): Promise<void> {
  upstream.behave(echoTunnel);
  await client.send(rig.head(LINES.CONNECT)).until((c) => c.text.endsWith('\r\n\r\n'));
}

const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel';

const TOO_MANY_LINES = Array.from({ length: 101 }, () => 'X: y');
const WRONG_KEY = 'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic eDp5\r\n\r\n';

/** What only a request of its own kind meets. */
const OWN: readonly (readonly [Cause, string, Row])[] = [
  ['bad_request', 'a path', { send: ask('GET /') }],
  ['head_too_large', '101 lines', { send: ask(LINES.GET, TOO_MANY_LINES) }],
  ['body_too_large', 'by its length', {
    limits: { maxBodyBytes: 1_000 },
    send: ask('POST http://a.test/', ['Content-Length: 1001']),
  }],
  ['body_too_large', 'as it comes', {
    limits: { maxBodyBytes: 1_000 },
    prepare: ({ upstream }) => void upstream.behave(() => undefined),
    send: ask('POST http://a.test/', ['Transfer-Encoding: chunked'], `3e9\r\n${'x'.repeat(1_001)}`),
  }],
  ['expect_unsupported', 'y', { send: ask('POST http://a.test/', ['Content-Length: 2', 'Expect: y 100-continue']) }],
  ['version_unsupported', '1.2', { send: says('GET http://a.test/ HTTP/1.2\r\n\r\n') }],
  ['method_unsupported', 'BREW', { send: ask('BREW http://a.test/') }],
  ['head_timeout', 'half a head', {
    limits: { headTimeoutMs: 100 },
    send: says('GET http://a.test/ HTTP/1.1\r\n'),
  }],
  ['body_timeout', 'half a body', {
    limits: { bodyIdleMs: 100 },
    send: ask('POST http://a.test/', ['Content-Length: 10'], 'hello'),
  }],
  ['auth_required', 'GET', { send: says('GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n') }],
  ['auth_required', 'CONNECT', { send: says('CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n') }],
  ['auth_failed', 'GET', { send: says(WRONG_KEY) }],
  ['auth_failed', 'CONNECT', { send: says(WRONG_KEY.replace(LINES.GET, LINES.CONNECT)) }],
  ['overloaded', 'one connection too many', {
    limits: { maxClientConnections: 2 },
    prepare: async ({ rig }) => {
      const others = [await RawClient.connect(rig.port), await RawClient.connect(rig.port)];
      return () => others.map((other) => other.close());
    },
    send: () => undefined,
  }],
  ['idle_timeout', 'a response', {
    limits: { responseIdleMs: 100 },
    prepare: ({ upstream }) => void upstream.behave(answering(HALF)),
    send: ask(LINES.GET),
  }],
  ['idle_timeout', 'a tunnel', { limits: { tunnelIdleMs: 100 }, send: openTunnel }],
  ['response_truncated', 'its upstream ends', {
    prepare: ({ upstream }) => void upstream.behave(answering(HALF, (socket) => socket.end())),
    send: ask(LINES.GET),
  }],
  ...(['GET', 'CONNECT'] as const).map((asked): [Cause, string, Row] => ['client_gone', asked, {
    prepare: ({ upstream }) => void upstream.behave(() => undefined),
    send: async (world, client) => {
      await reachUpstream(LINES[asked], world, client);
      client.socket.resetAndDestroy();
    },
  }]),
  ['revoked', 'a tunnel', {
    send: async (world, client) => {
      await openTunnel(world, client);
      world.rig.remove(1);
    },
  }],
]; // biome-ignore format: one table

/** Each trouble for each request that meets it, and for one over TLS. */
const OF_TROUBLES = (Object.entries(TROUBLES) as [Cause, Trouble][]).flatMap(([cause, trouble]) => {
  const asks = (asked: Asked) => ask(LINES[asked], [], '', trouble.username);
  const [first] = trouble.meets;
  const plain = trouble.meets.map((asked): [Cause, string, Row] => [cause, asked, { ...trouble, send: asks(asked) }]);
  return [...plain, [cause, 'over TLS', { ...trouble, send: asks(first!), overTls: true }] as [Cause, string, Row]];
});

const ROWS = [...OWN, ...OF_TROUBLES];

let certificate: { cert: string; key: string };
let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;
let undo: Undo | undefined;

beforeAll(async () => {
  certificate = await makeCertificate();
});
afterEach(async () => {
  client.close();
  await undo?.();
  await rig.close();
  await upstream.close();
});

/** The trouble is there before the client comes: nothing that takes long is between its connection and its request. */
async function produce({ limits, prepare, send, meanwhile, overTls = false }: Row): Promise<void> {
  log = recordedLog();
  const entrances = [{ ...plainEntrance, tls: certificate }];
  rig = await startGatewayRig({ ...(limits && { limits }), log, entrances });
  upstream = await startRecordingUpstream(answerOk);
  rig.put(1, upstream.port);
  const world = { rig, upstream };
  undo = await prepare?.(world);
  client = overTls ? (await connectOverTls(rig.ports[1]!)).client : await RawClient.connect(rig.port);
  await send(world, client);
  await meanwhile?.(world);
}

async function expectAnswer(cause: Cause, sentence: string = CAUSES[cause].sentence): Promise<void> {
  const { status, error } = CAUSES[cause];
  await client.until((c) => c.text.includes(sentence));
  const [head, body] = client.text.split('\r\n\r\n');
  const lines = head!.split('\r\n');
  expect(lines[0]).toBe(`HTTP/1.1 ${status} ${cause}`);
  expect(lines).toContain(`Proxy-Status: sallyport; error=${error}; details="${cause}"`);
  expect(lines).toContain('Content-Type: text/plain');
  expect(lines).toContain(`Content-Length: ${sentence.length + 1}`);
  expect(body).toBe(`${sentence}\n`);
  expect(lines.filter((line) => line.startsWith('Retry-After: '))).toEqual(
    RETRY_LATER.includes(cause) ? ['Retry-After: 1'] : [],
  );
}

/** No answer of ours, and no clean end that could be taken for one. */
async function expectCut(cause: Cause): Promise<void> {
  await eventually('the connection is cut', () => client.closed);
  expect(client.text).not.toContain(cause);
  if (cause !== 'client_gone') expect(client.failed).toBe(true);
}

describe('each cause, through the front door', () => {
  test.each(ROWS)('%s: %s', async (cause, _, row) => {
    const { status, fault } = CAUSES[cause];
    await produce(row);
    await (status > 0 ? expectAnswer(cause, row.sentence) : expectCut(cause));
    await eventually('it is counted', () => rig.counted(cause) === 1);
    const lines = log.lines.filter(({ fields }) => fields.cause === cause);
    expect(lines.map(({ message }) => message)).toEqual(['request']);
    if (status > 0) expect(lines[0]!.fields.status).toBe(status);
    const outcome = rig.gateway.snapshot().requests.filter(({ labels }) => labels[2] === fault);
    expect(outcome.reduce((sum, { value }) => sum + value, 0)).toBe(1);
  });
});

test('every cause is produced here', () => {
  const produced = new Set(ROWS.map(([cause]) => cause));
  expect([...produced].sort()).toEqual(Object.keys(CAUSES).sort());
});
