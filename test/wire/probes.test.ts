/** Probes on the wire: what each kind says to each upstream, what it makes of each answer, and whom it blames. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OPEN_POLICY, type PoolId, type ProbePolicy, type Scheme } from '../../src/core/model.ts';
import { recordedHealth } from '../helpers/failover.ts';
import { type GatewayRig, LOCAL, poolState, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { allProbed, handshake, probed, startTlsConnector, stateOf, TCP, url } from '../helpers/probing.ts';
import { speakSocks } from '../helpers/socks-upstream.ts';
import { makeCertificate, startTarget } from '../helpers/target.ts';
import { startUpstreamProxy } from '../helpers/upstream-proxy.ts';
import {
  answering,
  type Behaviour,
  echoTunnel,
  eventually,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { startBlackhole } from '../helpers/wire-blackhole.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const HANDSHAKE = handshake('a.test:443');
const OTHER = '018f8c21-2222-7c8c-8ddd-000000000002' as PoolId;
const PLAIN = url('http://a.test/x?y');
const USER = `Basic ${Buffer.from('user-1:pass-1').toString('base64')}`;
const FIXED = 'User-Agent: sallyport-probe\r\nAccept: */*\r\nConnection: close\r\n';

let certificate: Awaited<ReturnType<typeof makeCertificate>>;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let told: string[];
let log: RecordedLog;

beforeAll(async () => {
  certificate = await makeCertificate();
});
beforeEach(async () => {
  const health = recordedHealth();
  told = health.told;
  log = recordedLog();
  rig = await startGatewayRig({ health, log, upstreamAuthorities: [certificate.cert] });
  upstream = await startRecordingUpstream(echoTunnel);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
  expect(rig.gateway.holdings()).toMatchObject({ probes: 0, slots: { dials: 0 } });
});

/** Session 1 is this upstream, in this scheme. */
function put(scheme: Scheme = 'http', port = upstream.port): void {
  rig.put(1, 1, { endpoint: { scheme, host: '127.0.0.1', port } });
}

/** Session 1 leaves from this machine. */
function putLocal(): void {
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
}

/** The first thing that health is told of a probe like this. */
async function verdictOf(probe: ProbePolicy): Promise<string> {
  rig.putPool({ probe });
  await eventually('a probe ends', () => told.length > 0);
  rig.putPool({});
  return told[0]!;
}

test('nothing is dialled where no probe is asked for', async () => {
  put();
  // Another pool's policy has the tick going.
  const policy = { ...OPEN_POLICY, probe: HANDSHAKE };
  rig.gateway.apply([{ kind: 'pool-put', pool: poolState({ id: OTHER, name: 'other', policy }) }]);
  rig.put(2, upstream.port, { poolId: OTHER });
  await eventually('the other pool is probed', () => allProbed(rig) >= 3);
  expect(upstream.received()).not.toContain(USER);
});

describe('a TCP probe', () => {
  test.each<Scheme>(['http', 'socks5'])('of %s connects, says nothing, and acquits nobody', async (scheme) => {
    put(scheme);
    expect(await verdictOf(TCP)).toBe('abandoned 1 at');
    expect([upstream.received(), probed(rig, 'served')]).toEqual(['', 1]);
    await eventually('it closes', () => upstream.connections.every(({ socket }) => socket.destroyed));
  });

  test('of an https upstream looks at its certificate too', async () => {
    const tls = await startTlsConnector(certificate);
    put('https', tls.port);
    expect(await verdictOf(TCP)).toBe('abandoned 1 at');
    await tls.close();
    const wrong = await startTlsConnector(await makeCertificate());
    put('https', wrong.port);
    told.length = 0;
    expect(await verdictOf(TCP)).toBe('failed 1 at  upstream_tls');
    await wrong.close();
  });

  test('tells who refuses, and who does not answer within its timeout', async () => {
    const blackhole = await startBlackhole();
    const gone = await startRecordingUpstream();
    await gone.close();
    put('http', gone.port);
    expect(await verdictOf(TCP)).toBe('failed 1 at  upstream_refused');
    put('http', blackhole.port);
    told.length = 0;
    expect(await verdictOf(TCP)).toBe('failed 1 at  upstream_connect_timeout');
    await blackhole.close();
  });
});

describe('a handshake', () => {
  test('with an http upstream is our CONNECT with the session’s credential, and nothing after it', async () => {
    put();
    expect(await verdictOf(HANDSHAKE)).toBe('succeeded 1');
    expect(upstream.received()).toBe(
      `CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: ${USER}\r\n\r\n`,
    );
    await eventually('it closes', () => upstream.connections.every(({ socket }) => socket.destroyed));
  });

  test('with an https upstream, and with SOCKS', async () => {
    const tls = await startTlsConnector(certificate);
    put('https', tls.port);
    expect(await verdictOf(handshake(`localhost:${upstream.port}`))).toBe('succeeded 1 at localhost');
    expect(tls.heads[0]).toContain(`CONNECT localhost:${upstream.port} HTTP/1.1\r\n`);
    await tls.close();
    upstream.behave(speakSocks());
    for (const scheme of ['socks5h', 'socks4a'] as const) {
      told.length = 0;
      put(scheme);
      expect(await verdictOf(HANDSHAKE)).toBe('succeeded 1');
    }
    expect(upstream.received()).toContain('a.test');
  });

  test('of a LOCAL session reaches the target from this machine', async () => {
    putLocal();
    expect(await verdictOf(handshake(`127.0.0.1:${upstream.port}`))).toBe('succeeded 1 at 127.0.0.1');
    expect([upstream.connections.length, upstream.received()]).toEqual([1, '']);
    await upstream.close();
    told.length = 0;
    expect(await verdictOf(handshake(`127.0.0.1:${upstream.port}`))).toBe('failed 1 at 127.0.0.1 target_unreachable');
  });

  test('a target that talks first is open like any other', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\n\r\n220 ready\r\n'));
    put();
    expect(await verdictOf(HANDSHAKE)).toBe('succeeded 1');
  });

  test.each<[string, Behaviour, string]>([
    ['407', answering('HTTP/1.1 407 x\r\n\r\n'), 'upstream_auth_failed'],
    ['403', answering('HTTP/1.1 403 x\r\n\r\n'), 'upstream_denied_target'],
    ['502', answering('HTTP/1.1 502 x\r\n\r\n'), 'target_unreachable'],
    ['garbage', answering('220 ready\r\n\r\n'), 'upstream_protocol'],
    ['an end', ({ socket }) => socket.end(), 'upstream_reset'],
    ['silence', () => undefined, 'upstream_reply_timeout'],
  ])('%s is told as for a client, and logged without a credential', async (_, behaviour, cause) => {
    upstream.behave(behaviour);
    put();
    expect(await verdictOf(HANDSHAKE)).toBe(`failed 1 ${cause}`);
    expect([stateOf(rig, 1).lastCause, probed(rig, cause)]).toEqual([cause, 1]);
    const lines = log.lines.filter(({ message }) => message === 'probe failed');
    expect(lines[0]!.fields).toEqual({ session_id: expect.any(String), pool: 'default', cause });
    expect(JSON.stringify(log.lines)).not.toMatch(/pass-1|Basic/);
  });
});

describe('a request', () => {
  test('for an http URL goes in absolute-form to http and https upstreams, with the credential', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'));
    put();
    expect(await verdictOf(PLAIN)).toBe('succeeded 1');
    const head = `GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n${FIXED}Proxy-Authorization: ${USER}\r\n\r\n`;
    expect(upstream.received()).toBe(head);
    const tls = await startTlsConnector(certificate);
    put('https', tls.port);
    told.length = 0;
    expect(await verdictOf(PLAIN)).toBe('succeeded 1');
    expect(tls.heads[0]).toBe(head);
    await tls.close();
  });

  test('for an http URL goes in origin-form through SOCKS and from LOCAL sessions, without any', async () => {
    const head = (host: string) => `GET /x?y HTTP/1.1\r\nHost: ${host}\r\n${FIXED}\r\n`;
    upstream.behave(speakSocks({ tunnel: (socket) => socket.write('HTTP/1.1 301 x\r\nLocation: /\r\n\r\n') }));
    put('socks5h');
    expect(await verdictOf(PLAIN)).toBe('succeeded 1');
    expect(upstream.received().endsWith(head('a.test'))).toBe(true);
    upstream.reset();
    upstream.behave(answering('HTTP/1.1 204 x\r\n\r\n'));
    putLocal();
    told.length = 0;
    expect(await verdictOf(url(`http://127.0.0.1:${upstream.port}/x?y`))).toBe('succeeded 1 at 127.0.0.1');
    expect(upstream.connections.at(-1)!.text).toBe(head(`127.0.0.1:${upstream.port}`));
  });

  test('for an https URL goes through a tunnel, and TLS in it; also inside of the upstream’s TLS', async () => {
    const target = await startTarget(certificate);
    const proxy = await startUpstreamProxy((username, password) => username === 'user-1' && password === 'pass-1');
    const tls = await startTlsConnector(certificate);
    for (const [scheme, port] of [['http', proxy.port], ['https', tls.port]] as const) {
      told.length = 0;
      put(scheme, port);
      const probe = url(`https://localhost:${target.port}/x?y`, { timeoutMs: 5_000 });
      expect([scheme, await verdictOf(probe)]).toEqual([scheme, 'succeeded 1 at localhost']);
    }
    expect(target.seen[0]).toBe(
      `GET /x?y\nHost: localhost:${target.port}\nUser-Agent: sallyport-probe\nAccept: */*\nConnection: close`,
    );
    expect(proxy.log[0]).toMatchObject({ username: 'user-1', target: `localhost:${target.port}`, plain: false });
    await Promise.all([target.close(), proxy.close(), tls.close()]);
  }); // biome-ignore format: one pair an upstream

  test.each<[string, Behaviour]>([
    ['is not of TLS', echoTunnel],
    ['ends', ({ socket, text }) => (text.endsWith('\r\n\r\n') ? socket.write('HTTP/1.1 200 OK\r\n\r\n') : socket.end())],
    ['is a reset', ({ socket, text }) =>
      text.endsWith('\r\n\r\n') ? socket.write('HTTP/1.1 200 OK\r\n\r\n') : socket.resetAndDestroy()],
    ['never comes', answering('HTTP/1.1 200 OK\r\n\r\n')],
  ])('an answer to our hello that %s is the target’s', async (_, behaviour) => {
    upstream.behave(behaviour);
    put();
    expect(await verdictOf(url('https://a.test/'))).toBe('failed 1 target_unreachable');
  }); // biome-ignore format: one behaviour a line

  test('a certificate that nobody vouches for is the target’s fault, also where that of the upstream is not looked at', async () => {
    const target = await startTarget(await makeCertificate());
    const proxy = await startUpstreamProxy(() => true);
    rig.put(1, proxy.port, { tlsInsecure: true });
    const probe = url(`https://localhost:${target.port}/`, { timeoutMs: 5_000 });
    expect(await verdictOf(probe)).toBe('failed 1 at localhost target_unreachable');
    expect(target.seen).toEqual([]);
    await Promise.all([target.close(), proxy.close()]);
  });

  test.each<[string, Behaviour, string]>([
    ['100 and then 200', answering('HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n'), 'succeeded 1'],
    ['a 302, not followed', answering('HTTP/1.1 302 x\r\nLocation: http://b.test/\r\n\r\n'), 'succeeded 1'],
    ['407', answering('HTTP/1.1 407 x\r\n\r\n'), 'failed 1 upstream_auth_failed'],
    ['401', answering('HTTP/1.1 401 x\r\n\r\n'), 'failed 1 upstream_denied_target'],
    ['404', answering('HTTP/1.1 404 x\r\n\r\n'), 'failed 1 upstream_denied_target'],
    ['503', answering('HTTP/1.1 503 x\r\n\r\n'), 'failed 1 upstream_denied_target'],
    ['101', answering('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'), 'failed 1 upstream_protocol'],
    ['too many 1xx', answering('HTTP/1.1 100 x\r\n\r\n'.repeat(17)), 'failed 1 upstream_protocol'],
    ['garbage', answering('hello\r\n\r\n'), 'failed 1 upstream_protocol'],
    ['a head without end', answering(`HTTP/1.1 200 x\r\nA: ${'x'.repeat(20_000)}`), 'failed 1 upstream_protocol'],
    ['an end', ({ socket }) => socket.end(), 'failed 1 upstream_reset'],
    ['silence', () => undefined, 'failed 1 first_byte_timeout'],
    ['half a head', answering('HTTP/1.1 200 x\r\nA'), 'failed 1 first_byte_timeout'],
  ])('%s', async (_, behaviour, verdict) => {
    upstream.behave(behaviour);
    put();
    expect(await verdictOf(PLAIN)).toBe(verdict);
  });

  test('a 407 of a target, behind a tunnel, is no refused credential', async () => {
    upstream.behave(speakSocks({ tunnel: (socket) => socket.write('HTTP/1.1 407 x\r\n\r\n') }));
    put('socks5h');
    expect(await verdictOf(PLAIN)).toBe('failed 1 upstream_denied_target');
  });
});

test('a target or an upstream that is this gateway is not dialled, and nobody’s fault', async () => {
  put();
  expect(await verdictOf(handshake(`127.0.0.1:${rig.port}`))).toBe('abandoned 1 at 127.0.0.1');
  put('http', rig.port);
  told.length = 0;
  expect(await verdictOf(HANDSHAKE)).toBe('abandoned 1');
  expect([upstream.received(), probed(rig, 'loop_detected') >= 2]).toEqual(['', true]);
  expect(stateOf(rig, 1).lastCause).toBe('loop_detected');
});

test('a probe is no request: no record, no usage, no count of requests or causes; its dial is one of the session’s', async () => {
  put();
  await verdictOf(HANDSHAKE);
  const { requests, causes, bytes } = rig.gateway.snapshot();
  expect({ requests, causes, pools: bytes.pools }).toEqual({ requests: [], causes: [], pools: [] });
  const filter = { workspaceId: WORKSPACE, poolId: null, sessionId: null, accountName: null, cause: null };
  expect(rig.gateway.listRequests({ filter, afterSequence: 0, limit: 10 }).records).toEqual([]);
  expect(await rig.gateway.drainUsage()).toEqual([]);
  expect(stateOf(rig, 1)).toMatchObject({ inflight: 0, lastCause: null, latencyMs: expect.any(Number) });
});
