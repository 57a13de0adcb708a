/**
 * CONNECT as the client sees it: the grammar of targets (F4), early data, splits
 * and half-closes. What the upstream recorded tells that no client octet went
 * there before its 2xx, and that every one did so once and in order after it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  converse, echoTunnel, eventually, everySplit, RawClient, type RecordingUpstream, sendSplit, startRecordingUpstream, turns,
} from '../helpers/wire.ts'; // biome-ignore format: one list

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig({ limits: { headTimeoutMs: 2_000 } });
  upstream = await startRecordingUpstream(echoTunnel);
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.behave(echoTunnel);
  upstream.reset();
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

const CREDENTIAL = `Basic ${Buffer.from('user-1:pass-1').toString('base64')}`;

function upstreamHead(authority: string): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: ${CREDENTIAL}\r\n\r\n`;
}

/** Opens a tunnel and answers the client, with the 200 taken off its text. */
async function openTunnel(target = 'a.test:443'): Promise<RawClient> {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(`CONNECT ${target}`)).until((c) => c.text.includes('\r\n\r\n'));
  expect(client.text).toMatch(/^HTTP\/1\.1 200 Connection established\r\n/);
  client.text = client.text.slice(client.text.indexOf('\r\n\r\n') + 4);
  return client;
}

describe('targets', () => {
  test.each([
    ['a.test:443', 'a.test:443'],
    ['A.TEST:443', 'a.test:443'],
    ['a.test.:443', 'a.test:443'],
    ['127.1:443', '127.0.0.1:443'],
    ['[::1]:443', '[::1]:443'],
    ['[2001:DB8::0:1]:65535', '[2001:db8::1]:65535'],
    ['a_b.test:1', 'a_b.test:1'],
  ])('%s is asked for as %s', async (target, authority) => {
    const client = await openTunnel(target);
    expect(upstream.received()).toBe(upstreamHead(authority));
    client.close();
  });

  test.each([
    'a.test', 'a.test:', ':443', ':', '/', '*', '//a.test:443', 'http://a.test:443', 'https://a.test:443',
    'a.test:0', 'a.test:65536', 'a.test:007', 'a.test:-1', 'a.test:+1', 'a.test:https', 'a.test:4\xbc3', 'a.test:443/', 'a.test:443?x', 'a.test:443#x',
    'u:p@a.test:443', 'a.test:443@b.test:80', 'a.test..:443', '..:443', '[::1]', '[::1:443', '::1:443', '[::1%lo]:443', 'a.test:443:443', 'a b:443',
  ])('%j → 400, nothing upstream', async (target) => {
    const client = await converse(rig.port, rig.head(`CONNECT ${target}`));
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    await turns();
    expect(upstream.received()).toBe('');
  }); // biome-ignore format: one list

  test('an empty target → 400', async () => {
    expect((await converse(rig.port, rig.head('CONNECT '))).text).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('heads', () => {
  test.each(['1.0', '1.1'])('HTTP/%s without Host', async (version) => {
    const client = await RawClient.connect(rig.port);
    client.send(`CONNECT a.test:443 HTTP/${version}\r\nProxy-Authorization: ${rig.authorization()}\r\n\r\n`);
    await client.until((c) => c.text.includes('\r\n\r\n'));
    // Python ≤ 3.11 sends no Host with its 1.0 CONNECT (F12); in 1.1 it is a must.
    expect(client.text.slice(9, 12)).toBe(version === '1.0' ? '200' : '400');
    client.close();
  });

  test.each([
    ['Content-Length: 5', 'hello'],
    ['Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
  ])('a body by %s → 400', async (line, body) => {
    const client = await converse(rig.port, rig.head('CONNECT a.test:443', [line]) + body);
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    expect(upstream.received()).toBe('');
  });

  test('nothing of the client’s lines is in our CONNECT', async () => {
    const client = await RawClient.connect(rig.port);
    const lines = [
      'User-Agent: canary',
      'Cookie: canary',
      'Authorization: canary',
      'Connection: X-Foo',
      'X-Foo: canary',
    ];
    await client
      .send(rig.head('CONNECT a.test:443', [...lines, ...Array.from({ length: 50 }, (_, i) => `X-${i}: canary`)]))
      .until((c) => c.text.includes('\r\n\r\n'));
    expect(upstream.received()).toBe(upstreamHead('a.test:443'));
    client.close();
  });
});

describe('early data', () => {
  test('head and data cut at every offset: delivered once, in order, after the 200', async () => {
    const data = '\x16\x03\x01 early \r\n\r\n data';
    const octets = Buffer.from(rig.head('CONNECT a.test:443') + data, 'latin1');
    for (const at of everySplit(octets)) {
      upstream.reset();
      const client = await RawClient.connect(rig.port);
      await sendSplit(client.socket, octets, at);
      await client.until((c) => c.text.endsWith(data));
      expect(client.text.slice(client.text.indexOf('\r\n\r\n') + 4), `cut at ${at}`).toBe(data);
      expect(upstream.received(), `cut at ${at}`).toBe(upstreamHead('a.test:443') + data);
      client.close();
    }
  });

  test('no octet of it is upstream before the 2xx', async () => {
    let open = (): void => undefined;
    upstream.behave((recorded) => {
      open = () => {
        upstream.behave(echoTunnel);
        recorded.socket.write('HTTP/1.1 200 OK\r\n\r\n');
      };
    });
    const client = await RawClient.connect(rig.port);
    client.send(`${rig.head('CONNECT a.test:443')}early`);
    await eventually('the CONNECT is upstream', () => upstream.received().endsWith('\r\n\r\n'));
    client.send(' and more');
    await turns();
    expect(upstream.received()).toBe(upstreamHead('a.test:443'));
    open();
    await eventually('the data is upstream', () => upstream.received().endsWith('early and more'));
    expect(upstream.received()).toBe(`${upstreamHead('a.test:443')}early and more`);
    client.close();
  });

  test('1 MiB of it is held back at 64 KiB and then delivered whole', async () => {
    let open = (): void => undefined;
    upstream.behave(({ socket }) => {
      open = () => {
        upstream.behave(() => undefined);
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
      };
    });
    const data = Buffer.alloc(1 << 20, 'd');
    const client = await RawClient.connect(rig.port);
    client.send(rig.head('CONNECT a.test:443')).send(data);
    await eventually('the CONNECT is upstream', () => upstream.received().endsWith('\r\n\r\n'));
    await turns(50);
    expect(upstream.received()).toBe(upstreamHead('a.test:443'));
    open();
    const length = upstreamHead('a.test:443').length + data.length;
    await eventually('all of it is upstream', () => upstream.received().length === length);
    client.close();
  });

  test.each(['403 Forbidden', '502 Bad Gateway'])(
    'behind a %s it is dropped, never read as a request',
    async (status) => {
      upstream.behave(({ socket }) => socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`));
      const client = await converse(rig.port, rig.head('CONNECT a.test:443') + rig.head('GET http://evil.test/'));
      expect(client.text).toMatch(/^HTTP\/1\.1 502 /);
      expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
      expect(upstream.received()).toBe(upstreamHead('a.test:443'));
    },
  );

  test('behind a 407 of ours it is dropped too', async () => {
    const wrong = rig.head('CONNECT a.test:443').replace(rig.authorization(), 'Basic eDp5');
    const client = await converse(rig.port, wrong + rig.head('GET http://evil.test/'));
    expect(client.text).toMatch(/^HTTP\/1\.1 407 auth_failed\r\n/);
    expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(upstream.received()).toBe('');
  });
});

describe('an open tunnel', () => {
  test('is opaque: a second CONNECT is data', async () => {
    const client = await openTunnel();
    const inner = rig.head('CONNECT b.test:443');
    await client.send(inner).until((c) => c.text === inner);
    client.close();
  });

  test('the client ends: the upstream sees an end and can still answer', async () => {
    let ended = false;
    const client = await openTunnel();
    const { socket } = upstream.connections.at(-1)!;
    socket.removeAllListeners('end').on('end', () => {
      ended = true;
      socket.end('last words');
    });
    client.socket.end('bye');
    await client.untilEnd();
    expect(ended).toBe(true);
    expect(client.text).toBe('byelast words');
    expect(client.failed).toBe(false);
    await eventually('nothing is under way', () => rig.gateway.holdings().tunnels === 0);
  });

  test('the upstream ends: the client sees an end and can still send', async () => {
    const client = await openTunnel();
    const { socket } = upstream.connections.at(-1)!;
    socket.end('done');
    await client.untilEnd();
    expect(client.text).toBe('done');
    client.send('still here').socket.end();
    await eventually('it is upstream', () => upstream.received().endsWith('still here'));
    await eventually('nothing is under way', () => rig.gateway.holdings().tunnels === 0);
  });

  test.each(['client', 'upstream'])('a reset by the %s is a reset for the other', async (side) => {
    const client = await openTunnel();
    const { socket } = upstream.connections.at(-1)!;
    let code: unknown;
    const [cutter, other] = side === 'client' ? [client.socket, socket] : [socket, client.socket];
    other.on('error', (error) => {
      code = (error as NodeJS.ErrnoException).code;
    });
    cutter.resetAndDestroy();
    await eventually('the other side is over', () => other.destroyed);
    expect(code).toBe('ECONNRESET');
    await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  });
});

test.each(['ends', 'resets'])('a client that %s before the reply cancels the attempt', async (way) => {
  upstream.behave(() => undefined);
  const client = await RawClient.connect(rig.port);
  client.send(rig.head('CONNECT a.test:443'));
  await eventually('the CONNECT is upstream', () => upstream.received().endsWith('\r\n\r\n'));
  if (way === 'ends') client.socket.end();
  else client.socket.resetAndDestroy();
  await eventually(
    'the upstream connection is over',
    () => upstream.connections.every((c) => c.socket.destroyed),
    1_000,
  );
  await eventually('the client connection too', () => rig.gateway.holdings().clientConnections === 0, 1_000);
  client.close();
});
