/**
 * Clients that reach the gateway over TLS: all that a plain connection can, and the
 * ways in which only one with TLS goes wrong.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Entrance } from '../../src/core/entrance.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type GatewayRig, KEY, plainEntrance, startGatewayRig } from '../helpers/gateway-rig.ts';
import { ACCEPTED, GRANTED, greeting, METHOD, request, usernamePassword } from '../helpers/socks-client.ts';
import { makeCertificate } from '../helpers/target.ts';
import { connectOverTls, type TlsClient } from '../helpers/tls-client.ts';
import {
  answering, answerOk, echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

/** The first octets of a ClientHello. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1]);

let certificate: { cert: string; key: string };
let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let port: number;

beforeAll(async () => {
  certificate = await makeCertificate();
});
/** A gateway with these bounds in place of the one there is. */
async function restart(limits: Partial<GatewayLimits>): Promise<void> {
  const entrance: Entrance = { ...plainEntrance, tls: certificate };
  await rig?.close();
  rig = await startGatewayRig({ limits, entrances: [entrance], log });
  rig.put(1, upstream.port);
  port = rig.ports[1]!;
}

beforeEach(async () => {
  log = recordedLog();
  upstream = await startRecordingUpstream((recorded, chunk) =>
    (recorded.text.startsWith('CONNECT') ? echoTunnel : answerOk)(recorded, chunk),
  );
  await restart({});
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

const requestLines = () => log.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields);
const nobodyIsLeft = () => eventually('nobody is left', () => rig.gateway.holdings().clientConnections === 0);

async function openTunnel(): Promise<TlsClient> {
  const opened = await connectOverTls(port);
  await opened.client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
  opened.client.text = '';
  return opened;
}

describe('what a plain connection can', () => {
  test('requests one after the other, pipelined ones, and a body', async () => {
    const { client } = await connectOverTls(port);
    const count = () => client.text.split('HTTP/1.1 200 OK').length - 1;
    await client.send(rig.head('GET http://a.test/1')).until(() => count() === 1);
    await client.send(rig.head('GET http://a.test/2') + rig.head('GET http://a.test/3')).until(() => count() === 3);
    const body = 'b'.repeat(300_000);
    upstream.behave(({ socket, text }) => {
      if (text.endsWith(body)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    client.send(rig.head('POST http://a.test/4', [`Content-Length: ${body.length}`]) + body);
    await client.until(() => count() === 4);
    client.close();
    await nobodyIsLeft();
    // Octets are those inside TLS.
    expect(requestLines().map(({ bytes_in: octets }) => octets)).toEqual(Array(4).fill(client.text.length / 4));
  });

  test('a refusal, read to its end before the connection closes', async () => {
    const { client } = await connectOverTls(port);
    const sent = `GET / HTTP/1.1\r\n\r\n${'x'.repeat(20_000)}`;
    expect(await client.send(sent).untilEnd()).toMatch(/^HTTP\/1\.1 400 bad_request\r\n[\s\S]*\.\n$/);
    expect(client.failed).toBe(false);
    client.close();
    await nobodyIsLeft();
  });

  test('a tunnel, with early data', async () => {
    const { client } = await connectOverTls(port);
    await client.send(`${rig.head('CONNECT a.test:443')}early`).until((c) => c.text.endsWith('early'));
    client.send('more').socket.end();
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\nearlymore$/);
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'ok', bytes_in: client.text.length }]);
  });

  test('SOCKS5', async () => {
    const { client } = await connectOverTls(port);
    client.send(greeting(2) + usernamePassword('default', KEY) + request('a.test', 443));
    const opened = METHOD.password + ACCEPTED + GRANTED;
    await client.until((c) => c.text.length === opened.length);
    expect(client.text).toBe(opened);
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    client.close();
    await nobodyIsLeft();
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s, with http/1.1 of what is offered', async (version) => {
    const { client, socket } = await connectOverTls(port, {
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, 'http/1.1']);
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    client.close();
  });
});

describe('a handshake that fails', () => {
  test.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['h2 alone', { ALPNProtocols: ['h2'] }],
  ] as const)('%s is refused in words of TLS', async (_, options) => {
    await expect(connectOverTls(port, { ...options } as object)).rejects.toMatchObject({ code: /^ERR_SSL_.*ALERT/ });
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'bad_request', stage: 'head', status: 0, bytes_in: 0 }]);
  });

  test.each([
    ['HTTP in clear', 'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
    ['SOCKS in clear', greeting(0, 1, 2, 3, 128)],
    ['noise', '\x16\x03\x01\xff\xffzzzzz'],
  ])('%s is closed at once, unanswered and told', async (_, octets) => {
    const client = await RawClient.connect(port);
    const started = performance.now();
    await client.send(octets).untilEnd();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(client.text).not.toContain('HTTP');
    client.close();
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'bad_request', status: 0 }]);
  });

  test('one that stops half-way is cut within the time of a head', async () => {
    await restart({ headTimeoutMs: 200 });
    const client = await RawClient.connect(port);
    await client.send(HALF_HELLO).untilEnd(2_000);
    client.close();
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'head_timeout', status: 0 }]);
  });

  test.each([
    ['ends', (client: RawClient) => client.socket.end()],
    ['is reset', (client: RawClient) => client.socket.resetAndDestroy()],
  ])('a client that %s half-way leaves nothing, not even a line', async (_, leave) => {
    const client = await RawClient.connect(port);
    client.send(HALF_HELLO);
    await eventually('it is there', () => rig.gateway.holdings().clientConnections === 1);
    leave(client);
    await nobodyIsLeft();
    client.close();
    expect(requestLines()).toEqual([]);
  });

  test('a client that says nothing is nobody', async () => {
    await restart({ headTimeoutMs: 500 });
    const silent = await RawClient.connect(port);
    await silent.untilEnd(2_000);
    const { client } = await connectOverTls(port);
    await client.untilEnd(2_000);
    for (const one of [silent, client]) one.close();
    await nobodyIsLeft();
    // A handshake and no request after it is a connection in reserve, as browsers have them.
    expect(requestLines()).toEqual([]);
  });

  test('garbage behind the handshake resets the connection', async () => {
    const { client, carrier } = await connectOverTls(port);
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    carrier.write('garbage that is no record');
    await eventually('it is closed', () => client.closed);
    await nobodyIsLeft();
  });

  test('a renegotiation ends it', async () => {
    const { client, socket } = await connectOverTls(port, { maxVersion: 'TLSv1.2' });
    socket.renegotiate({}, () => undefined);
    await eventually('it is closed', () => client.closed);
    await nobodyIsLeft();
  });
});

describe('ends', () => {
  test("a client's end goes through a tunnel, and octets still come back", async () => {
    upstream.behave((recorded, chunk) => {
      echoTunnel(recorded, chunk);
      recorded.socket.removeAllListeners('end').once('end', () => recorded.socket.end('last words'));
    });
    const { client } = await openTunnel();
    client.socket.end();
    expect(await client.untilEnd()).toBe('last words');
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'ok' }]);
  });

  test("an upstream's end goes through, and octets still go up", async () => {
    const { client } = await openTunnel();
    const [recorded] = upstream.connections;
    recorded!.socket.end();
    await client.untilEnd();
    client.send('still here');
    await eventually('it is upstream', () => recorded!.text.endsWith('still here'));
    client.socket.end();
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'ok' }]);
  });

  test('a reset upstream is a reset for the client, never an end', async () => {
    const { client } = await openTunnel();
    upstream.connections[0]!.socket.resetAndDestroy();
    await eventually('it is closed', () => client.closed);
    expect([client.ended, client.failed]).toEqual([false, true]);
    await nobodyIsLeft();
  });

  test('a reset client is a reset upstream', async () => {
    const { carrier } = await openTunnel();
    let failed = false;
    upstream.connections[0]!.socket.on('error', () => {
      failed = true;
    });
    carrier.resetAndDestroy();
    await eventually('the upstream is reset', () => failed);
    await nobodyIsLeft();
    expect(requestLines()).toMatchObject([{ cause: 'client_gone' }]);
  });

  test('a response that is cut upstream is cut for the client', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', (socket) => socket.end()));
    const { client } = await connectOverTls(port);
    client.send(rig.head('GET http://a.test/'));
    await eventually('it is closed', () => client.closed);
    expect([client.ended, client.failed]).toEqual([false, true]);
    expect(client.text.endsWith('hel')).toBe(true);
  });

  test('a tunnel is alive while octets move, and idle when none do', async () => {
    await restart({ tunnelIdleMs: 600 });
    const { client } = await openTunnel();
    const started = performance.now();
    for (let i = 0; i < 10; i++) {
      client.text = '';
      await client.send('tick').until((c) => c.text === 'tick');
      await client.until(() => false, 100).catch(() => undefined);
    }
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(client.closed).toBe(false);
    await eventually('it is cut', () => client.closed);
    expect(rig.counted('idle_timeout')).toBe(1);
  });

  test('a tunnel that is half-closed for too long is ended', async () => {
    await restart({ halfClosedMs: 200 });
    const { client } = await openTunnel();
    upstream.connections[0]!.socket.end();
    await client.untilEnd();
    await nobodyIsLeft();
    // A client that has read our end sees the reset when it writes.
    client.send('too late');
    await eventually('it is closed', () => client.closed);
    expect(client.failed).toBe(true);
    expect(requestLines()).toMatchObject([{ cause: 'idle_timeout' }]);
  });
});

describe('a side that stands still', () => {
  const BLOCK = Buffer.alloc(64 << 10, 'b');

  test('a client that does not read stops the upstream; once it reads, all of it comes', async () => {
    const { client, socket } = await openTunnel();
    const side = upstream.connections[0]!.socket;
    socket.pause();
    let sent = 0;
    for (let i = 0; i < 1_000; i++) {
      sent += BLOCK.length;
      side.write(BLOCK);
    }
    let last = -1;
    await eventually('the upstream stands still', () => {
      const still = side.writableLength === last && last > 0;
      last = side.writableLength;
      return still;
    });
    let received = 0;
    socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.resume();
    await eventually('all of it came', () => received === sent, 20_000);
    client.close();
    await nobodyIsLeft();
  });

  test('an upstream that does not read stops the client', async () => {
    const { client, socket } = await openTunnel();
    upstream.connections[0]!.socket.pause();
    for (let i = 0; i < 500; i++) socket.write(BLOCK);
    await eventually('the client stands still', () => socket.writableLength > 1 << 20);
    const before = socket.writableLength;
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(socket.writableLength).toBeGreaterThan(before / 2);
    client.close();
    for (const { socket: side } of upstream.connections) side.resume();
    await nobodyIsLeft();
  });

  test('a client that is reset while its upstream does not read is noticed', async () => {
    const { socket, carrier } = await openTunnel();
    const side = upstream.connections[0]!.socket.pause();
    for (let i = 0; i < 500; i++) socket.write(BLOCK);
    await eventually('the client stands still', () => socket.writableLength > 1 << 20);
    carrier.resetAndDestroy();
    await nobodyIsLeft();
    side.resume();
  });
});

describe('the end of the gateway', () => {
  test('a drain lets requests finish, ends who is idle or half-way in, and cuts tunnels at its end', async () => {
    let finish = (): void => undefined;
    const { client: tunnel } = await openTunnel();
    const { client: idle } = await connectOverTls(port);
    const half = await RawClient.connect(port);
    half.send(HALF_HELLO);
    const { client: busy } = await connectOverTls(port);
    upstream.behave(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
      finish = () => socket.write('lf');
    });
    await busy.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ha'));
    const drained = rig.gateway.drain(800);
    await Promise.all([idle.untilEnd(), half.untilEnd()]);
    finish();
    expect(await busy.untilEnd()).toMatch(/half$/);
    await tunnel.untilEnd();
    for (const one of [busy, idle, half, tunnel]) one.close();
    await drained;
    expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, inFlight: 0, tunnels: 0 });
  });

  test('close() cuts all of them, whatever they were at', async () => {
    const { client: tunnel } = await openTunnel();
    const { client: idle } = await connectOverTls(port);
    const half = await RawClient.connect(port);
    half.send(HALF_HELLO);
    await eventually('all are in', () => rig.gateway.holdings().clientConnections === 3);
    await rig.close();
    await eventually('all are out', () => [tunnel, idle, half].every((one) => one.closed || one.ended));
    for (const one of [tunnel, idle, half]) one.close();
  });
});
