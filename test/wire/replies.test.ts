/**
 * Replies to plain requests, from upstreams that are odd, broken or hostile (F8,
 * U09–U22): what is valid arrives with framing of our own, what is not is one
 * 502, and a reply that was cut is always seen to be (P8).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answering,
  converse,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig({ limits: { responseIdleMs: 300, firstByteTimeoutMs: 300 } });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => upstream.reset());
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** The answer to one request on a connection of its own, without our identity lines. */
async function answerTo(octets: string): Promise<RawClient> {
  const client = await converse(rig.port, octets);
  client.text = client.text.replace(
    /Sallyport-Request-Id: .*\r\nSallyport-Session: .*\r\nProxy-Status: sallyport\r\n/,
    '',
  );
  return client;
}

const get = (): string => rig.head('GET http://a.test/', ['Connection: close']);
const get10 = (): string => rig.head('GET http://a.test/').replace('HTTP/1.1', 'HTTP/1.0');

describe('framing towards the client', () => {
  test.each([
    [
      'a length',
      'HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n\r\nhi',
      'HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi',
    ],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    ],
    ['no content', 'HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 204 x\r\nConnection: close\r\n\r\n'],
    [
      '304 with a length',
      'HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n',
      'HTTP/1.1 304 x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n',
    ],
    [
      'no reason',
      'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    ],
    [
      'obs-text in the reason',
      'HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    ],
    [
      'a redirect',
      'HTTP/1.1 302 x\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 302 x\r\nLocation: http://b/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    ],
  ])('%s', async (_, octets, expected) => {
    upstream.behave(answering(octets));
    expect((await answerTo(get())).text).toBe(expected);
  });

  test('a reply that ends with the connection ends with ours, cleanly', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\n\r\nhi', (socket) => socket.end()));
    const client = await answerTo(rig.head('GET http://a.test/'));
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi');
    expect(client.failed).toBe(false);
  });

  test('a 1.0 client gets chunks decoded, up to the end of the connection', async () => {
    upstream.behave(
      answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n3\r\n-ho\r\n0\r\nT: 1\r\n\r\n'),
    );
    expect((await answerTo(get10())).text).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi-ho');
  });

  test('HEAD tells the length and has no body, and the connection goes on', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n'));
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('HEAD http://a.test/')).until((c) => c.text.includes('\r\n\r\n'));
    expect(client.text).toContain('\r\nContent-Length: 99\r\n');
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    expect(upstream.connections).toHaveLength(1);
    client.close();
  });

  test.each(['HEAD 200', 'GET 204', 'GET 304'])(
    'octets behind a reply without a body (%s) never reach anyone',
    async (way) => {
      const [method, status] = way.split(' ');
      upstream.behave(
        answering(`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 poison\r\nContent-Length: 0\r\n\r\n`),
      );
      const client = await RawClient.connect(rig.port);
      await client.send(rig.head(`${method} http://a.test/`)).until((c) => c.text.includes('\r\n\r\n'));
      upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
      await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
      expect(client.text).not.toContain('poison');
      expect(upstream.connections).toHaveLength(2);
      client.close();
    },
  );
});

describe('interim replies (P7)', () => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n';
  const final = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
  test('103 and 102 reach a 1.1 client, before the final reply, without hop-by-hop lines', async () => {
    upstream.behave(answering(`HTTP/1.1 102 Processing\r\n\r\n${early}${final}`));
    expect((await answerTo(get())).text).toBe(
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
  });

  test('none reaches a 1.0 client', async () => {
    upstream.behave(answering(early + final));
    expect((await answerTo(get10())).text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('100 nobody asked for goes nowhere', async () => {
    upstream.behave(answering(`HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n${final}`));
    expect((await answerTo(get())).text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a client that expects 100-continue gets it from upstream, and then sends its body', async () => {
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      if (text.endsWith('hi')) socket.write(final);
    });
    const client = await RawClient.connect(rig.port);
    client.send(rig.head('POST http://a.test/', ['Content-Length: 2', 'Expect: 100-Continue']));
    await client.until((c) => c.text === 'HTTP/1.1 100 Continue\r\n\r\n');
    expect(upstream.received()).toContain('\r\nExpect: 100-continue\r\n');
    await client.send('hi').until((c) => c.text.endsWith('\r\n\r\n') && c.text.includes(' 200 '));
    client.close();
  });

  test('a final reply in place of 100 is passed on, and the connection ends', async () => {
    upstream.behave(answering('HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n'));
    const client = await converse(
      rig.port,
      rig.head('POST http://a.test/', ['Content-Length: 2', 'Expect: 100-continue']),
    );
    expect(client.text).toMatch(/^HTTP\/1\.1 401 x\r\n[\s\S]*\r\nConnection: close\r\n\r\n$/);
    expect(upstream.received()).not.toMatch(/hi$/);
  });

  test.each([
    [16, 200],
    [17, 502],
    [5_000, 502],
  ])('%i of them → %i', async (n, status) => {
    upstream.behave(answering(`${'HTTP/1.1 103 x\r\n\r\n'.repeat(n)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`));
    const client = await converse(rig.port, get());
    expect(client.text.match(/HTTP\/1\.1 103/g)).toHaveLength(16);
    expect(client.text.match(/HTTP\/1\.1 [2-5].*/)![0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});

describe('replies that are not valid → 502 upstream_protocol', () => {
  test.each([
    ['status 099', 'HTTP/1.1 099 x\r\n\r\n'],
    ['status 000', 'HTTP/1.1 000 x\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 x\r\n\r\n'],
    ['status 999', 'HTTP/1.1 999 x\r\n\r\n'],
    ['status 1000', 'HTTP/1.1 1000 x\r\n\r\n'],
    ['101 nobody asked for', 'HTTP/1.1 101 x\r\n\r\n'],
    ['101 with Upgrade', 'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['HTTP/2 200', 'HTTP/2 200\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['HTML', '<html></html>'],
    ['length and chunked', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['chunked and length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['length -2', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n'],
    ['length 5,5', 'HTTP/1.1 200 OK\r\nContent-Length: 5,5\r\n\r\n'],
    ['gzip, chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['chunked in 1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a control octet in the reason', 'HTTP/1.1 200 \x1b[2J\r\n\r\n'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n'],
    ['bare LF everywhere', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: a\r\n b\r\n\r\n'],
    ['1,001 lines', `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(1_001)}\r\n`],
    ['a head beyond 16 KiB', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(16_384)}\r\n\r\n`],
    ['Connection that names Set-Cookie', 'HTTP/1.1 200 OK\r\nConnection: Set-Cookie\r\nSet-Cookie: a=b\r\n\r\n'],
  ])('%s', async (_, octets) => {
    upstream.behave(answering(octets));
    const client = await converse(rig.port, get());
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_protocol\r\n/);
    expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    await eventually('the upstream connection is over', () =>
      upstream.connections.every(({ socket }) => socket.destroyed),
    );
  });

  test('an upstream 407 is ours to solve: 502, and its realm goes nowhere', async () => {
    upstream.behave(
      answering('HTTP/1.1 407 canary\r\nProxy-Authenticate: Basic realm="canary"\r\nContent-Length: 6\r\n\r\ncanary'),
    );
    const client = await converse(rig.port, get());
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_auth_failed\r\n/);
    expect(client.text).not.toMatch(/canary|Proxy-Authenticate/);
  });
});

describe('a reply that is cut is seen to be (P8)', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  test.each([
    ['inside the status line', 'HTTP/1.1 2', 502],
    ['inside a header line', 'HTTP/1.1 200 OK\r\nContent-', 502],
    ['before the empty line', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n', 502],
    ['behind the head', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 0],
    ['inside a body of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 0],
    ['inside a chunk', `${chunked}5\r\nhel`, 0],
    ['inside a chunk size', `${chunked}5\r\nhello\r\n1`, 0],
    ['before the last chunk', `${chunked}5\r\nhello\r\n`, 0],
    ['before the trailers end', `${chunked}5\r\nhello\r\n0\r\n`, 0],
    ['inside a trailer', `${chunked}5\r\nhello\r\n0\r\nX: y`, 0],
  ])('%s', async (_, octets, status) => {
    for (const [way, request] of [
      ['end', get()],
      ['reset', get()],
      ['end', get10()],
      ['silence', get()],
    ] as const) {
      upstream.behave(
        answering(octets, (socket) => {
          if (way === 'end') socket.end();
          else if (way === 'reset') setImmediate(() => socket.resetAndDestroy());
        }),
      );
      const client = await converse(rig.port, request);
      if (status === 502) {
        expect(client.text, way).toMatch(way === 'silence' ? /^HTTP\/1\.1 504 / : /^HTTP\/1\.1 502 upstream_reset\r\n/);
        continue;
      }
      await eventually('the client sees a reset', () => client.failed);
      expect(client.text, way).not.toMatch(/\r\n0\r\n\r\n$/);
      expect(client.text.match(/HTTP\/1\.1 \d/g)?.length ?? 0, way).toBeLessThan(2);
    }
  });

  test.each(['5x', '+5', ' 5', '5 ', '', 'FFFFFFFFFFFFFFFFF'])('chunk size "%s" breaks it off', async (size) => {
    upstream.behave(answering(`${chunked}2\r\nhi\r\n${size}\r\nhello\r\n0\r\n\r\n`));
    const client = await converse(rig.port, get());
    await eventually('the client sees a reset', () => client.failed);
    expect(client.text).not.toContain('hello');
  });
});
