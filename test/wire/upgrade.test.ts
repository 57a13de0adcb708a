/**
 * Upgrades of plain requests (P9, B52, B54): WebSocket alone, only where it was asked
 * for, and not an octet of it upstream before the upstream's 101. From then on the
 * two sockets are a tunnel, with a tunnel's accounting, backpressure and end.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, KEY, LOCAL, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answering,
  type Behaviour,
  converse,
  eventually,
  everySplit,
  RawClient,
  type RecordingUpstream,
  sendSplit,
  startRecordingUpstream,
  turns,
} from '../helpers/wire.ts';

const LIMITS = { tunnelIdleMs: 600, halfClosedMs: 300, firstByteTimeoutMs: 500 };
const ASKED = [
  'Connection: keep-alive, Upgrade',
  'Upgrade: WebSocket',
  'Sec-WebSocket-Key: x',
  'Sec-WebSocket-Version: 13',
];
const AGREED = 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\n';

/** Octets, far more than what the kernels of two connections hold (some tens of MiB where they are let). */
const OFFERED = 256 << 20;

let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;

beforeEach(async () => {
  rig = await startGatewayRig({ limits: LIMITS });
  upstream = await startRecordingUpstream(echoing());
  rig.put(1, upstream.port);
  client = await RawClient.connect(rig.port);
});
afterEach(async () => {
  client.close();
  await rig.close();
  await upstream.close();
});

/** Answers the first head with `agreed`, and sends back whatever comes after it. */
function echoing(agreed = AGREED): Behaviour {
  return ({ socket, text }, chunk) => {
    const head = text.indexOf('\r\n\r\n') + 4;
    if (head < 4) return;
    const before = text.length - chunk.length;
    if (before < head) socket.write(Buffer.from(agreed, 'latin1'));
    const data = chunk.subarray(Math.max(0, head - before));
    if (data.length > 0) socket.write(data);
  };
}

const ask = (): string => rig.head('GET http://a.test/chat', ASKED);
const isSwitched = (c: RawClient): boolean => c.text.includes('\r\n\r\n');

async function open(): Promise<void> {
  await client.send(ask()).until(isSwitched);
  client.text = '';
}

/** What the client saw behind the head, or behind what it saw when it was last emptied. */
const behindHead = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

describe('an upgrade that is asked for and agreed to', () => {
  test('goes upstream with connection fields of our own, and its 101 back', async () => {
    await client.send(ask()).until(isSwitched);
    expect(upstream.received()).toBe(
      'GET http://a.test/chat HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n' +
        'Connection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Proxy-Authorization: Basic ${Buffer.from('user-1:pass-1').toString('base64')}\r\n\r\n`,
    );
    expect(client.text).toMatch(
      /^HTTP\/1\.1 101 Switching\r\nSec-WebSocket-Accept: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSallyport-Request-Id: .*\r\nSallyport-Session: .*\r\nProxy-Status: sallyport\r\n\r\n$/,
    );
    expect(rig.gateway.holdings().tunnels).toBe(1);
    await client.send('\x81\x02hi').until((c) => c.text.endsWith('\x81\x02hi'));
  });

  test('at a session that is tunnelled, in origin-form to the target itself', async () => {
    const target = await startRecordingUpstream(echoing());
    const other = await startGatewayRig({ limits: LIMITS });
    other.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
    const ours = await RawClient.connect(other.port);
    await ours.send(other.head(`GET http://127.0.0.1:${target.port}/chat`, ASKED)).until(isSwitched);
    await ours.send('through').until((c) => c.text.endsWith('through'));
    expect(target.received()).toMatch(
      /^GET \/chat HTTP\/1\.1\r\n[\s\S]*\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/,
    );
    expect(target.received()).not.toContain('Proxy-Authorization');
    ours.close();
    await other.close();
    await target.close();
  });

  test('is heard with its head cut at every offset, with words of the other side behind it', async () => {
    const octets = Buffer.from(`HTTP/1.1 103 x\r\n\r\n${AGREED}first`);
    for (const at of everySplit(octets)) {
      upstream.behave(({ socket, text }) => {
        if (text.endsWith('\r\n\r\n')) void sendSplit(socket, octets, at);
      });
      const one = await RawClient.connect(rig.port);
      await one.send(ask()).until((c) => c.text.endsWith('first'));
      expect(behindHead(behindHead(one.text)), `cut at ${at}`).toBe('first');
      one.close();
    }
  });

  test('ends with an end, and counts its octets to the last one, as one plain request', async () => {
    await client.send(ask()).until(isSwitched);
    const answered = client.text.length;
    await client.send('0123456789').until((c) => c.text.endsWith('0123456789'));
    client.socket.end();
    await client.untilEnd();
    await eventually('it is finished', () => rig.gateway.holdings().inFlight === 0);
    const [entry] = await rig.gateway.drainUsage();
    const record = rig.gateway.snapshot().requests.find(({ labels }) => labels.includes('forward'));
    expect(entry).toMatchObject({ requestCount: 1, errorCount: 0, bytesIn: answered + 10 });
    expect(entry!.bytesOut).toBe(upstream.received().length);
    expect(record?.value).toBe(1);
    expect(rig.gateway.holdings()).toMatchObject({ tunnels: 0, placed: 0, idleUpstreams: 0 });
  });
});

describe('what is no upgrade is an ordinary request', () => {
  const line = 'GET http://a.test/chat';
  test.each([
    ['without the connection option', line, ['Upgrade: websocket'], ''],
    ['without the field', line, ['Connection: upgrade'], ''],
    ['to another protocol', line, ['Connection: upgrade', 'Upgrade: foo'], ''],
    ['to a choice of protocols', line, ['Connection: upgrade', 'Upgrade: websocket, foo'], ''],
    ['to h2c', line, ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'], ''],
    ['of a POST', 'POST http://a.test/chat', [...ASKED, 'Content-Length: 2'], 'hi'],
    ['of a HEAD', 'HEAD http://a.test/chat', ASKED, ''],
  ])('%s', async (_, requestLine, lines, body) => {
    upstream.behave(({ socket, text }) => {
      if (text.endsWith(`\r\n\r\n${body}`)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    await client.send(rig.head(requestLine, lines) + body).until((c) => c.text.endsWith('\r\n\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(upstream.received()).not.toMatch(/upgrade|http2-settings/i);
  });

  test('of a 1.0 client', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    await client.send(ask().replace('HTTP/1.1', 'HTTP/1.0')).until(isSwitched);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(upstream.received()).not.toMatch(/upgrade/i);
  });

  test('two protocols in two fields are refused', async () => {
    const { text } = await converse(rig.port, rig.head(line, [...ASKED, 'Upgrade: foo']));
    expect(text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    expect(upstream.received()).toBe('');
  });
});

describe('an upstream that does not agree', () => {
  test.each([
    ['another protocol', AGREED.replace('Upgrade: websocket', 'Upgrade: foo')],
    ['a choice of protocols', AGREED.replace('Upgrade: websocket', 'Upgrade: websocket, foo')],
    ['two protocols in two fields', AGREED.replace('Upgrade: websocket', 'Upgrade: websocket\r\nUpgrade: websocket')],
    ['no protocol', AGREED.replace('Upgrade: websocket\r\n', '')],
    ['no connection option', AGREED.replace('Connection: Upgrade\r\n', '')],
  ])('%s in its 101 → upstream_protocol', async (_, octets) => {
    upstream.behave(answering(octets));
    await client.send(`${ask()}GET /smuggled`).untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_protocol\r\n/);
    expect(upstream.received()).not.toContain('smuggled');
    expect(rig.counted('upstream_protocol')).toBe(1);
    expect(rig.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
  });

  test('its final answer is an ordinary response, and nothing behind the request is read as another', async () => {
    upstream.behave(answering('HTTP/1.1 426 No\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno'));
    await client.send(ask() + rig.head('GET http://a.test/smuggled')).untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 426 No\r\n[\s\S]*\r\nConnection: close\r\n\r\nno$/);
    expect(client.text).not.toMatch(/upgrade/i);
    await turns(10);
    expect(upstream.received()).not.toContain('smuggled');
    expect(rig.gateway.holdings()).toMatchObject({ tunnels: 0, idleUpstreams: 1 });
  });

  test('silence → first_byte_timeout', async () => {
    upstream.behave(() => undefined);
    await client.send(ask()).until(isSwitched);
    expect(client.text).toMatch(/^HTTP\/1\.1 504 first_byte_timeout\r\n/);
  });
});

describe('octets behind the head', () => {
  test('go upstream after the 101 only, once and in order', async () => {
    let agree = (): void => undefined;
    upstream.behave(({ socket, text }, chunk) => {
      agree = () => {
        upstream.behave(echoing(''));
        socket.write(AGREED);
      };
      if (!text.endsWith('\r\n\r\n')) throw new Error(`early octets upstream: ${chunk}`);
    });
    client.send(`${ask()}abc`);
    await eventually('the request is upstream', () => upstream.received() !== '');
    client.send('def');
    await turns(20);
    expect(upstream.received()).toMatch(/\r\n\r\n$/);
    agree();
    await eventually('they are upstream', () => upstream.received().endsWith('\r\n\r\nabcdef'));
    await client.send('ghi').until((c) => c.text.endsWith('ghi'));
    expect(upstream.received()).toMatch(/\r\n\r\nabcdefghi$/);
  });

  test.each([
    [16_383, 101],
    [16_384, 101],
    [16_385, 400],
  ])('%i of them → %i', async (n, status) => {
    let agree = (): void => undefined;
    upstream.behave(({ socket }) => {
      agree = () => socket.write(AGREED);
    });
    client.send(ask());
    await eventually('the request is upstream', () => upstream.received() !== '');
    client.send(Buffer.alloc(n, 'x'));
    if (status === 101) {
      await eventually('they are read', () => client.socket.writableLength === 0);
      await turns(20);
      agree();
      await eventually('they are upstream', () => behindHead(upstream.received()).length === n);
    }
    await client.until(isSwitched);
    expect(client.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 400) expect(behindHead(upstream.received())).toBe('');
  });

  test('in the very packet of the head, too many of them → 400 and nothing of them upstream', async () => {
    await client.send(`${ask()}${'x'.repeat(16_385)}`).untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    await turns(10);
    expect(upstream.received()).not.toContain('x'.repeat(10));
  });
});

describe('once they are joined', () => {
  test.each([
    ['the session is removed', () => rig.remove(1)],
    ['the session’s credential changes', () => rig.put(1, upstream.port, { password: 'changed' })],
    [
      'the key is revoked',
      () => rig.gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update(KEY).digest('hex') }]),
    ],
  ])('both sides are cut when %s', async (_, change) => {
    await open();
    change();
    await eventually('both sides are over', () => client.closed && upstream.connections[0]!.socket.destroyed, 1_000);
    expect(client.failed).toBe(true);
    await eventually('it is counted', () => rig.counted('revoked') === 1);
    expect(rig.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
  });

  test('a drain lets them go on for its grace, then ends them', async () => {
    await open();
    const drained = rig.gateway.drain(200);
    await client.send('still').until((c) => c.text.endsWith('still'));
    await drained;
    await eventually('it is counted', () => rig.counted('draining') === 1);
    expect(client.ended).toBe(true);
  });

  test('a reset by either side is a reset for the other', async () => {
    await open();
    upstream.connections[0]!.socket.resetAndDestroy();
    await eventually('the client sees it', () => client.failed);
    const another = await RawClient.connect(rig.port);
    await another.send(ask()).until(isSwitched);
    const side = upstream.connections[1]!.socket;
    const failed = new Promise((resolve) => side.once('error', resolve));
    another.socket.resetAndDestroy();
    await failed;
    await eventually('nothing is held', () => rig.gateway.holdings().inFlight === 0);
    expect(rig.counted('client_gone')).toBe(1);
  });

  test('silence ends them with idle_timeout', async () => {
    await open();
    await eventually('the client is cut', () => client.closed, 3_000);
    expect(rig.counted('idle_timeout')).toBe(1);
  });

  test.each(['up', 'down'])('a side that stands still holds the other back (%s)', async (way) => {
    await open();
    const [from, to] =
      way === 'up'
        ? [client.socket, upstream.connections[0]!.socket]
        : [upstream.connections[0]!.socket, client.socket];
    to.pause();
    const block = Buffer.alloc(65_536, 'x');
    let written = 0;
    let stillSince = performance.now();
    // Until the kernel and the gateway took nothing more for a while: far below what was offered.
    while (performance.now() - stillSince < 150 && written < OFFERED) {
      if (from.writableLength === 0) {
        from.write(block);
        written += block.length;
        stillSince = performance.now();
      }
      await turns(1);
    }
    expect(written).toBeLessThan(OFFERED / 2);
    const before = way === 'up' ? upstream.connections[0]!.text.length : client.text.length;
    upstream.behave(() => undefined);
    to.resume();
    const arrived = (): number => (way === 'up' ? upstream.connections[0]!.text.length : client.text.length);
    await eventually('all of it arrives', () => arrived() - before === written, 20_000);
  });
});

describe('before the 101', () => {
  beforeEach(async () => {
    upstream.behave(() => undefined);
    client.send(ask());
    await eventually('the request is upstream', () => upstream.received() !== '');
  });

  test('a session that is revoked is not joined', async () => {
    rig.remove(1);
    await client.untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 503 session_unavailable\r\n/);
    expect(rig.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
  });

  test('the end of the client’s side stays one: it is passed on behind what came before', async () => {
    const { socket } = upstream.connections[0]!;
    client.send('last words').socket.end();
    await turns(20);
    const ended = new Promise((resolve) => socket.once('end', resolve));
    socket.write(AGREED);
    await ended;
    expect(upstream.received()).toMatch(/\r\n\r\nlast words$/);
    await client.untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 101 /);
    await eventually('it is finished', () => rig.gateway.holdings().inFlight === 0);
    expect(rig.gateway.snapshot().causes).toEqual([]);
  });

  test('a client that goes cancels it', async () => {
    client.socket.resetAndDestroy();
    await eventually('nothing is held', () => rig.gateway.holdings().inFlight === 0, 1_000);
    expect(rig.gateway.holdings().tunnels).toBe(0);
    await eventually('the upstream sees it', () => upstream.connections[0]!.socket.destroyed, 1_000);
    expect(rig.counted('client_gone')).toBe(1);
  });
});

test('in a drain no upgrade begins', async () => {
  rig.gateway.announceDrain();
  rig.gateway.refuseTunnels();
  await client.send(ask()).untilEnd();
  expect(client.text).toMatch(/^HTTP\/1\.1 503 draining\r\n/);
  expect(upstream.received()).toBe('');
});
