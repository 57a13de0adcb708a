/**
 * SOCKS upstreams, scripted octet by octet: CONNECT and plain requests through each
 * scheme, every way to refuse, to stall and to talk out of turn, and what is counted.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/cause.ts';
import type { Scheme } from '../../src/core/model.ts';
import { type GatewayRig, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  hex,
  SOCKS4_CONSENT,
  SOCKS5_CONSENT,
  type SocksMessage,
  type SocksScript,
  speakSocks,
} from '../helpers/socks-upstream.ts';
import { reportOf, UsageSums } from '../helpers/usage-report.ts';
import {
  converse,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
  turns,
} from '../helpers/wire.ts';

const SCHEMES = ['socks4', 'socks4a', 'socks5', 'socks5h'] as const;

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig({ limits: { connectReplyTimeoutMs: 100 } });
  upstream = await startRecordingUpstream(speakSocks());
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

/** Session 1 is this upstream, with the rig's credentials or with others. */
function put(scheme: Scheme, fields: Parameters<GatewayRig['put']>[2] = {}): void {
  rig.put(1, 1, { endpoint: { scheme, host: '127.0.0.1', port: upstream.port }, ...fields });
}

/** Answers whole heads that come through the tunnel, as an origin does. */
const origin: SocksScript['tunnel'] = (socket, text) => {
  if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
};

const text = (octets: string): string => hex(octets).toString('latin1');
const AUTHENTICATED = `${text('05 01 02')}${text('01 06')}user-1${text('06')}pass-1`;

/** The octets of a whole handshake for 192.0.2.1:80 or the name a.test, as the gateway must send them. */
const HANDSHAKES: Readonly<Record<(typeof SCHEMES)[number], { readonly target: string; readonly octets: string }>> = {
  socks4: { target: '192.0.2.1', octets: `${text('04 01 0050 c0000201')}user-1\0` },
  socks4a: { target: 'a.test', octets: `${text('04 01 0050 00000001')}user-1\0a.test\0` },
  socks5: { target: '192.0.2.1', octets: `${AUTHENTICATED}${text('05 01 00 01 c0000201 0050')}` },
  socks5h: { target: 'a.test', octets: `${AUTHENTICATED}${text('05 01 00 03 06')}a.test${text('0050')}` },
};

describe.each(SCHEMES)('%s', (scheme) => {
  const { target, octets } = HANDSHAKES[scheme];

  test('a tunnel: the handshake, then the client’s octets and nothing else', async () => {
    put(scheme);
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`CONNECT ${target}:80`)).until((c) => c.text.includes('\r\n\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    await client.send('hello').until((c) => c.text.endsWith('hello'));
    expect(upstream.received()).toBe(`${octets}hello`);
    client.close();
  });

  test('a plain request goes through in origin-form, without any credential in it', async () => {
    put(scheme);
    upstream.behave(speakSocks({ tunnel: origin }));
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`GET http://${target}/x?y`, ['X-One: 1'])).until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toBe(`${octets}GET /x?y HTTP/1.1\r\nHost: ${target}\r\nX-One: 1\r\n\r\n`);
    expect(client.text).toContain(`Sallyport-Session: ${sessionId(1)}`);
    client.close();
  });

  test('a kept connection serves its own target, and another target gets one of its own', async () => {
    put(scheme);
    upstream.behave(speakSocks({ tunnel: origin }));
    const client = await RawClient.connect(rig.port);
    const ask = async (authority: string) => {
      client.text = '';
      await client.send(rig.head(`GET http://${authority}/`)).until((c) => c.text.endsWith('ok'));
    };
    for (const authority of [target, `${target}:81`, target, '192.0.2.9', `${target}:81`]) await ask(authority);
    const hosts = upstream.connections.map((one) => [...one.text.matchAll(/Host: (\S+)/g)].map(([, host]) => host));
    expect(hosts).toEqual([[target, target], [`${target}:81`, `${target}:81`], ['192.0.2.9']]);
    client.close();
  });

  test('no client octet goes up before the consent, and all of them once after it', async () => {
    put(scheme);
    let consent: () => void = () => undefined;
    upstream.behave(
      speakSocks({
        write: (socket, answer, message) => {
          if (message === 'request') consent = () => socket.write(answer);
          else socket.write(answer);
        },
      }),
    );
    const client = await RawClient.connect(rig.port);
    client.send(`${rig.head(`CONNECT ${target}:80`)}early`);
    await eventually('the request is there', () => upstream.received().length >= octets.length);
    await turns(8);
    expect(upstream.received()).toBe(octets);
    consent();
    await client.until((c) => c.text.endsWith('early'));
    expect(upstream.received()).toBe(`${octets}early`);
    client.close();
  });
});

test('without credentials no method but “none” is offered, and the user id is empty', async () => {
  for (const [scheme, expected] of [
    ['socks5h', text('05 01 00 05 01 00 01 c0000201 0050')],
    ['socks4a', text('04 01 0050 c0000201 00')],
  ] as const) {
    put(scheme, { username: null, password: null });
    upstream.reset();
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('CONNECT 192.0.2.1:80')).until((c) => c.text.includes('\r\n\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.connections.at(-1)!.text).toBe(expected);
    client.close();
  }
});

/** One answer of the upstream in place of consent, and what that is to us. */
const REFUSALS: readonly (readonly [
  what: string,
  scheme: Scheme,
  answers: NonNullable<SocksScript['answers']>,
  cause: Cause,
])[] = [
  ['no acceptable method', 'socks5h', { greeting: '05 ff' }, 'upstream_auth_failed'],
  ['no authentication, which was not offered', 'socks5h', { greeting: '05 00' }, 'upstream_protocol'],
  ['refused credentials', 'socks5h', { credentials: '01 01' }, 'upstream_auth_failed'],
  ['general failure', 'socks5h', { request: '05 01 00 01 00000000 0000' }, 'target_unreachable'],
  ['a rule against the target', 'socks5h', { request: '05 02 00 01 00000000 0000' }, 'upstream_denied_target'],
  ['network unreachable', 'socks5h', { request: '05 03 00 01 00000000 0000' }, 'target_unreachable'],
  ['host unreachable', 'socks5h', { request: '05 04 00 01 00000000 0000' }, 'target_unreachable'],
  ['connection refused', 'socks5h', { request: '05 05 00 01 00000000 0000' }, 'target_unreachable'],
  ['TTL expired', 'socks5h', { request: '05 06 00 01 00000000 0000' }, 'target_unreachable'],
  ['command not supported', 'socks5h', { request: '05 07 00 01 00000000 0000' }, 'upstream_protocol'],
  ['address type not supported', 'socks5h', { request: '05 08 00 01 00000000 0000' }, 'upstream_protocol'],
  ['HTTP', 'socks5h', { greeting: '48545450 2f312e31 20343030 0d0a0d0a' }, 'upstream_protocol'],
  ['HTTP to a request', 'socks5h', { request: '48545450 2f312e31 20343030 0d0a0d0a' }, 'upstream_protocol'],
  ['an endless name', 'socks5h', { request: '05 00 01 03 ff' }, 'upstream_protocol'],
  ['rejected', 'socks4a', { request: '00 5b 0000 00000000' }, 'target_unreachable'],
  ['no identd', 'socks4a', { request: '00 5c 0000 00000000' }, 'upstream_auth_failed'],
  ['another identity', 'socks4a', { request: '00 5d 0000 00000000' }, 'upstream_auth_failed'],
  ['an unknown code', 'socks4a', { request: '00 00 0000 00000000' }, 'upstream_protocol'],
  ['a SOCKS5 answer', 'socks4a', { request: SOCKS5_CONSENT }, 'upstream_protocol'],
  ['a SOCKS4 answer', 'socks5h', { greeting: SOCKS4_CONSENT }, 'upstream_protocol'],
];

describe.each(REFUSALS)('%s (%s)', (_, scheme, answers, cause) => {
  test.each(['CONNECT a.test:443', 'GET http://a.test/'])('%s is told so, and nothing goes through', async (line) => {
    put(scheme);
    upstream.behave(speakSocks({ answers, tunnel: () => expect.unreachable() }));
    const client = await converse(rig.port, `${rig.head(line, ['Connection: close'])}`);
    expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${CAUSES[cause].status} ${cause}`);
    expect(client.text).toContain(`details="${cause}"`);
    expect(upstream.received()).not.toMatch(/HTTP/);
    expect(rig.counted(cause)).toBe(1);
    await eventually('its connection is over', () => upstream.connections.every(({ socket }) => socket.destroyed));
    await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  });
});

describe('an upstream that', () => {
  const stages: readonly [Scheme, SocksMessage][] = [
    ['socks5h', 'greeting'],
    ['socks5h', 'credentials'],
    ['socks5h', 'request'],
    ['socks4a', 'request'],
  ];

  test.each(stages)('is silent (%s, %s) did not open the tunnel in time', async (scheme, message) => {
    put(scheme);
    upstream.behave(speakSocks({ answers: { [message]: '' } }));
    const client = await converse(rig.port, rig.head('CONNECT a.test:443'));
    expect(client.text).toMatch(/^HTTP\/1\.1 504 upstream_reply_timeout\r\n/);
  });

  test.each(stages)('dribbles for too long (%s, %s) did not either', async (scheme, message) => {
    put(scheme);
    const dribble = (answer: Buffer): Buffer => answer.subarray(0, 1);
    upstream.behave(
      speakSocks({ write: (socket, answer, of) => void socket.write(of === message ? dribble(answer) : answer) }),
    );
    const client = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
    expect(client.text).toMatch(/^HTTP\/1\.1 504 upstream_reply_timeout\r\n/);
  });

  test.each(
    stages.flatMap(
      ([scheme, message]) =>
        [
          [scheme, message, 'end'],
          [scheme, message, 'reset'],
        ] as const,
    ),
  )('stops in the middle (%s, %s, %s) is upstream_reset', async (scheme, message, how) => {
    put(scheme);
    upstream.behave(
      speakSocks({
        write: (socket, answer, of) => {
          if (of !== message) return void socket.write(answer);
          socket.write(answer.subarray(0, 1), () => (how === 'end' ? socket.end() : socket.resetAndDestroy()));
        },
      }),
    );
    for (const line of ['CONNECT a.test:443', 'GET http://a.test/']) {
      const client = await converse(rig.port, rig.head(line, ['Connection: close']));
      expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_reset\r\n/);
    }
  });

  test.each([
    ['socks5h', '05 02', '01 00', `${SOCKS5_CONSENT} 62616e6e6572`],
    ['socks4a', '', '', `${SOCKS4_CONSENT} 62616e6e6572`],
  ] as const)(
    'answers in pieces is read the same at every split, its target’s first octets too (%s)',
    async (scheme, greeting, credentials, request) => {
      put(scheme);
      const { length } = hex(greeting + credentials + request);
      for (let cut = 0; cut <= length; cut++) {
        let sent = 0;
        upstream.behave(
          speakSocks({
            answers: { greeting, credentials, request },
            // The cut falls into one of the answers: that one goes in two pieces.
            write: (socket, answer) => {
              const at = cut - sent;
              sent += answer.length;
              if (at <= 0 || at >= answer.length) return void socket.write(answer);
              socket.write(answer.subarray(0, at), () => void turns(2).then(() => socket.write(answer.subarray(at))));
            },
          }),
        );
        const client = await RawClient.connect(rig.port);
        await client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('banner'));
        expect(client.text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\nbanner$/);
        client.close();
      }
    },
  );

  test('talks before a plain request was sent is no HTTP origin', async () => {
    put('socks5h');
    upstream.behave(speakSocks({ answers: { request: `${SOCKS5_CONSENT} 62616e6e6572` } }));
    const client = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_protocol\r\n/);
    expect(upstream.received()).not.toMatch(/GET/);
  });

  test('is this gateway is never dialled', async () => {
    for (const scheme of SCHEMES) {
      rig.put(1, 1, { endpoint: { scheme, host: '127.0.0.1', port: rig.port } });
      const client = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
      expect(client.text).toMatch(/^HTTP\/1\.1 508 loop_detected\r\n/);
    }
    expect(rig.gateway.holdings().clientConnections).toBeLessThanOrEqual(1);
  });
});

describe('a name that is looked up here', () => {
  test.each(['socks4', 'socks5'] as const)('goes up as an address (%s)', async (scheme) => {
    put(scheme);
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('CONNECT localhost:80')).until((c) => c.text.includes('\r\n\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 /);
    const address = text('7f000001');
    expect(upstream.received()).toContain(scheme === 'socks4' ? `\0\x50${address}` : `\x05\x01\0\x01${address}\0\x50`);
    expect(upstream.received()).not.toContain('localhost');
    client.close();
  });

  test.each(['socks4', 'socks5'] as const)(
    'and is not there is target_unreachable: nothing is sent (%s)',
    async (scheme) => {
      put(scheme);
      const client = await converse(rig.port, rig.head(`CONNECT ${'l'.repeat(63)}.invalid:443`));
      expect(client.text).toMatch(/^HTTP\/1\.1 502 target_unreachable\r\n/);
      expect(upstream.received()).toBe('');
    },
  );
});

test.each(['socks4a', 'socks5h'] as const)('usage is exact to the octet (%s)', async (scheme) => {
  put(scheme);
  const usage = new UsageSums();
  const client = await RawClient.connect(rig.port);
  await client.send(`${rig.head('CONNECT a.test:80')}hello`).until((c) => c.text.endsWith('hello'));
  client.socket.end();
  await client.untilEnd();
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  upstream.behave(speakSocks({ tunnel: origin }));
  const second = await RawClient.connect(rig.port);
  for (let i = 1; i <= 2; i++) {
    await second.send(rig.head('GET http://a.test/')).until((c) => c.text.split('\r\n\r\nok').length > i);
  }
  usage.add(await reportOf(rig.gateway));
  expect(usage.bySession.get(sessionId(1))).toEqual({
    requestCount: 3,
    errorCount: 0,
    bytesOut: upstream.received().length,
    bytesIn: client.text.length + second.text.length,
  });
  second.close();
  client.close();
});
