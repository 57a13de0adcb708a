/**
 * Every row of the catalogue of causes, produced through the front door: status,
 * reason phrase, Proxy-Status, sentence, log line and counter, all of one mind.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type GatewayRig, poolState, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answering,
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { startBlackhole } from '../helpers/wire-blackhole.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

interface World {
  readonly rig: GatewayRig;
  readonly upstream: RecordingUpstream;
  readonly client: RawClient;
}

/** Makes one request fail on `client`. What it answers is run when the test is over. */
type Produce = (world: World) => Promise<(() => unknown) | undefined> | (() => unknown) | undefined;

/** Rows that wait for a feature; each leaves this list with the change that brings it. */
const NOT_YET: Partial<Record<Cause, string>> = {
  pool_unhealthy: 'there is no health yet',
  internal: 'for a fault of our own that is caught; none is known',
};

const LIMITS: Partial<GatewayLimits> = {
  headTimeoutMs: 100, bodyIdleMs: 100, connectTimeoutMs: 100, connectReplyTimeoutMs: 100, firstByteTimeoutMs: 200,
  responseIdleMs: 100, maxConnectionsPerKey: 1, maxClientConnections: 2, maxBodyBytes: 1_000,
}; // biome-ignore format: one table

/** Sends a request head, and octets behind it. */
function ask(line: string, lines: readonly string[] = [], behind = ''): Produce {
  return ({ rig, client }) => {
    client.send(rig.head(line, lines) + behind);
    return undefined;
  };
}
const get = ask('GET http://a.test/');
const connect = ask('CONNECT a.test:443');

/** The same, with an upstream that answers so. */
function answered(produce: Produce, octets: string, then: 'keep' | 'end' = 'keep'): Produce {
  return (world) => {
    world.upstream.behave(answering(octets, (socket) => then === 'end' && socket.end()));
    return produce(world);
  };
}

async function openTunnel({ rig, upstream }: World, client: RawClient): Promise<void> {
  upstream.behave(echoTunnel);
  await client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
}

const PRODUCED: Partial<Record<Cause, Produce>> = {
  bad_request: ask('GET /'),
  head_too_large: ask(
    'GET http://a.test/',
    Array.from({ length: 101 }, () => 'X: y'),
  ),
  body_too_large: ask('POST http://a.test/', ['Content-Length: 1001']),
  expect_unsupported: ask('POST http://a.test/', ['Content-Length: 2', 'Expect: y 100-continue']),
  version_unsupported: ({ client }) => void client.send('GET http://a.test/ HTTP/1.2\r\n\r\n'),
  method_unsupported: ask('BREW http://a.test/'),
  head_timeout: ({ client }) => void client.send('GET http://a.test/ HTTP/1.1\r\n'),
  body_timeout: ask('POST http://a.test/', ['Content-Length: 10'], 'hello'),
  auth_required: ({ client }) => void client.send('GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  auth_failed: ({ client }) =>
    void client.send('GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic eDp5\r\n\r\n'),
  selector_invalid: ({ rig, client }) => void client.send(rig.head('GET http://a.test/', [], 'default-session-')),
  pool_unknown: ({ rig, client }) => void client.send(rig.head('GET http://a.test/', [], 'nowhere')),
  pool_disabled: (world) => {
    world.rig.gateway.apply([{ kind: 'pool-put', pool: poolState({ enabled: false }) }]);
    return get(world);
  },
  destination_denied: (world) => {
    world.rig.putPool({ deny: ['a.test'] });
    return get(world);
  },
  loop_detected: (world) => {
    world.rig.put(1, world.rig.port);
    return get(world);
  },
  limit_reached: async (world) => {
    const first = await RawClient.connect(world.rig.port);
    await openTunnel(world, first);
    await get(world);
    return () => first.close();
  },
  draining: (world) => {
    world.rig.gateway.announceDrain();
    return connect(world);
  },
  pool_empty: (world) => {
    world.rig.remove(1);
    return get(world);
  },
  session_unavailable: async (world) => {
    // The upstream is silent, and its session goes meanwhile.
    world.upstream.behave(() => undefined);
    await connect(world);
    await eventually('it is asked', () => world.upstream.received() !== '');
    world.rig.remove(1);
    return undefined;
  },
  upstream_dns: (world) => {
    world.rig.put(1, 1, { endpoint: { scheme: 'http', host: `${'l'.repeat(64)}.invalid`, port: 1 } });
    return get(world);
  },
  upstream_refused: async (world) => {
    const gone = await startRecordingUpstream();
    await gone.close();
    world.rig.put(1, gone.port);
    return get(world);
  },
  upstream_reset: answered(get, '', 'end'),
  upstream_unreachable: (world) => {
    world.rig.put(1, 1, { endpoint: { scheme: 'http', host: '255.255.255.255', port: 1 } });
    return get(world);
  },
  upstream_connect_timeout: async (world) => {
    const blackhole = await startBlackhole();
    world.rig.put(1, blackhole.port);
    await get(world);
    return () => blackhole.close();
  },
  upstream_reply_timeout: answered(connect, ''),
  upstream_tls: (world) => {
    world.upstream.behave(({ socket }) => socket.write('HTTP/1.1 400 this is no TLS\r\n\r\n'));
    world.rig.put(1, 1, { endpoint: { scheme: 'https', host: '127.0.0.1', port: world.upstream.port } });
    return get(world);
  },
  upstream_auth_failed: answered(connect, 'HTTP/1.1 407 x\r\n\r\n'),
  upstream_protocol: answered(get, 'garbage\r\n\r\n'),
  upstream_denied_target: answered(connect, 'HTTP/1.1 403 x\r\n\r\n'),
  target_unreachable: answered(connect, 'HTTP/1.1 503 x\r\n\r\n'),
  first_byte_timeout: answered(get, ''),
  idle_timeout: answered(get, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'),
  response_truncated: answered(get, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 'end'),
  client_gone: async (world) => {
    world.upstream.behave(() => undefined);
    await get(world);
    await eventually('the request is upstream', () => world.upstream.received() !== '');
    world.client.socket.resetAndDestroy();
    return undefined;
  },
  revoked: async (world) => {
    await openTunnel(world, world.client);
    world.rig.remove(1);
    return undefined;
  },
  overloaded: async (world) => {
    const first = await RawClient.connect(world.rig.port);
    const third = await RawClient.connect(world.rig.port);
    // The third connection is the one that is turned away: its answer stands for the client's.
    await third.untilEnd();
    world.client.text = third.text;
    world.client.close();
    return () => [first, third].map((one) => one.close());
  },
};

describe('each cause, through the front door', () => {
  let log: RecordedLog;
  let rig: GatewayRig;
  let upstream: RecordingUpstream;
  let client: RawClient;
  beforeEach(async () => {
    log = recordedLog();
    rig = await startGatewayRig({ limits: LIMITS, log });
    upstream = await startRecordingUpstream(answerOk);
    rig.put(1, upstream.port);
    client = await RawClient.connect(rig.port);
  });
  afterEach(async () => {
    client.close();
    await rig.close();
    await upstream.close();
  });

  test.each(Object.entries(PRODUCED) as [Cause, Produce][])('%s', async (cause, produce) => {
    const { status, error, sentence, fault } = CAUSES[cause];
    const after = await produce({ rig, upstream, client });
    if (status > 0) {
      await client.until((c) => c.text.includes(sentence) || c.closed);
      expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${status} ${cause}`);
      expect(client.text).toContain(`\r\nProxy-Status: sallyport; error=${error}; details="${cause}"\r\n`);
      expect(client.text).toContain('\r\nContent-Type: text/plain\r\n');
      expect(client.text).toContain(`\r\nContent-Length: ${sentence.length + 1}\r\n`);
      expect(client.text.split('\r\n\r\n')[1]).toBe(`${sentence}\n`);
      expect(client.text.includes('\r\nRetry-After: ')).toBe(fault === 'gateway');
    } else {
      // Cut: no answer of ours, and no clean end that could be taken for one.
      await eventually('the connection is cut', () => client.closed);
      expect(client.text).not.toContain(cause);
      if (cause !== 'client_gone') expect(client.failed).toBe(true);
    }
    await eventually('it is counted', () => rig.counted(cause) === 1);
    const lines = log.lines.filter(({ message, fields }) => message === 'request' && fields.cause === cause);
    expect(lines).toHaveLength(1);
    if (status > 0) expect(lines[0]!.fields.status).toBe(status);
    const outcome = rig.gateway.snapshot().requests.filter(({ labels }) => labels[2] === fault);
    expect(outcome.reduce((sum, { value }) => sum + value, 0)).toBe(1);
    await after?.();
  });
});

test('every cause is produced here, or is listed with the reason why it cannot be yet; never both', () => {
  const all = Object.keys(CAUSES).sort();
  expect([...Object.keys(PRODUCED), ...Object.keys(NOT_YET)].sort()).toEqual(all);
});
