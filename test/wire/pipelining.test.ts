/**
 * Several requests on one client connection: answered in order, whatever comes
 * too early or is wrong behind them, and never answered into each other (F6, P12).
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  type Behaviour,
  converse,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
  turns,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

/** Answers each request with its own path as the body. */
const answerPath: Behaviour = ({ socket }, chunk) => {
  for (const [, path] of chunk.toString('latin1').matchAll(/^[A-Z]+ http:\/\/a\.test\/(\S*) HTTP/gm)) {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path!.length}\r\n\r\n${path}`);
  }
};

beforeAll(async () => {
  rig = await startGatewayRig({ limits: { headTimeoutMs: 500 } });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.behave(answerPath);
  upstream.reset();
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

function bodiesOf(text: string): string[] {
  return text.split(/HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/).slice(1);
}

const numbers = Array.from({ length: 100 }, (_, i) => `n${i}`);

test.each(['keeps its side open', 'ends its side'])(
  '100 pipelined requests of a client that %s are answered in order',
  async (way) => {
    const client = await RawClient.connect(rig.port);
    client.send(numbers.map((n) => rig.head(`GET http://a.test/${n}`)).join(''));
    if (way === 'ends its side') client.socket.end();
    await client.until((c) => c.text.endsWith('n99'));
    expect(bodiesOf(client.text)).toEqual(numbers);
    expect(upstream.received().match(/^GET http:\/\/a\.test\/n\d+ HTTP\/1\.1$/gm)).toHaveLength(100);
    if (way === 'ends its side') await client.untilEnd();
    client.close();
  },
);

test('a body and the request behind it in one packet are two requests, each with its own credential', async () => {
  const post = (auth: string): string =>
    rig.head('POST http://a.test/p', ['Content-Length: 3']).replace(rig.authorization(), auth);
  const client = await converse(rig.port, `${post(rig.authorization())}abc${post('Basic eDp5')}`);
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\npHTTP\/1\.1 407 auth_failed\r\n/);
  expect(upstream.received().match(/POST/g)).toHaveLength(1);
});

test('octets behind a body of length 0 are the next head, and refused', async () => {
  const client = await converse(rig.port, `${rig.head('POST http://a.test/p', ['Content-Length: 0'])}ZZZZ\x01\r\n\r\n`);
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\npHTTP\/1\.1 400 bad_request\r\n/);
  expect(upstream.received()).not.toContain('ZZZZ');
});

test('garbage behind a request whose reply streams leaves that reply whole (F6)', async () => {
  let finish = (): void => undefined;
  upstream.behave(({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345');
    finish = () => socket.write('67890');
  });
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('GET http://a.test/x')).until((c) => c.text.endsWith('12345'));
  client.send('GARBAGE\r\n\r\n');
  await turns();
  finish();
  await client.untilEnd();
  expect(client.text).toMatch(/\r\n\r\n1234567890HTTP\/1\.1 400 bad_request\r\n/);
  client.close();
});

test('behind a request that closes nothing is read', async () => {
  const close = rig.head('GET http://a.test/one', ['Connection: close']);
  const client = await converse(rig.port, close + rig.head('GET http://a.test/two'));
  expect(bodiesOf(client.text)).toEqual(['one']);
  expect(upstream.received()).not.toContain('two');
});

test('a failure of ours keeps a connection that may go on, and what was pipelined is served', async () => {
  upstream.behave((recorded, chunk) => {
    if (chunk.includes('http://a.test/bad')) recorded.socket.write('garbage\r\n\r\n');
    else answerPath(recorded, chunk);
  });
  const client = await RawClient.connect(rig.port);
  client.send(rig.head('GET http://a.test/bad') + rig.head('GET http://a.test/good'));
  await client.until((c) => c.text.endsWith('good'));
  expect(client.text).toMatch(
    /^HTTP\/1\.1 502 upstream_protocol\r\n[\s\S]*\r\nConnection: keep-alive\r\n[\s\S]*HTTP\/1\.1 200 OK\r\n/,
  );
  client.close();
});

test('a failure of ours ends a connection whose request asked for that', async () => {
  upstream.behave(({ socket }) => socket.write('garbage\r\n\r\n'));
  const client = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
  expect(client.text).toMatch(/^HTTP\/1\.1 502 [\s\S]*\r\nConnection: close\r\n/);
});

test('a 407 leaves the connection for the retry', async () => {
  const client = await RawClient.connect(rig.port);
  await client
    .send('GET http://a.test/r HTTP/1.1\r\nHost: a.test\r\n\r\n')
    .until((c) => c.text.includes('required.\n'));
  expect(client.text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n[\s\S]*\r\nConnection: keep-alive\r\n/);
  expect(client.text).toContain('\r\nProxy-Authenticate: Basic realm="sallyport"\r\n');
  await client.send(rig.head('GET http://a.test/r')).until((c) => c.text.endsWith('r') && c.text.includes(' 200 '));
  client.text = '';
  await client.send('CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n').until((c) => c.text.includes('required.\n'));
  expect(client.text).toMatch(/\r\nConnection: keep-alive\r\n/);
  client.close();
});

test('a 407 to a request with a body closes, and the body is never a request', async () => {
  const head = rig.head('POST http://a.test/', ['Content-Length: 40']).replace(rig.authorization(), 'Basic eDp5');
  const client = await RawClient.connect(rig.port);
  await client.send(head).until((c) => c.text.includes('accepted.\n'));
  client.send(rig.head('GET http://a.test/evil'));
  await client.untilEnd();
  expect(client.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  expect(upstream.received()).toBe('');
  client.close();
});

test('HTTP/1.0 closes unless it asked to keep', async () => {
  const old = (lines: string[]): string => rig.head('GET http://a.test/o', lines).replace('HTTP/1.1', 'HTTP/1.0');
  expect((await converse(rig.port, old([]))).text).toMatch(/\r\nConnection: close\r\n/);
  const client = await RawClient.connect(rig.port);
  await client.send(old(['Connection: Keep-Alive'])).until((c) => c.text.endsWith('o'));
  expect(client.text).toMatch(/\r\nConnection: keep-alive\r\n/);
  await client.send(old([])).untilEnd();
  expect(bodiesOf(client.text)).toHaveLength(2);
  client.close();
});

test('a head that dribbles in on a kept connection has the head timeout, not the keep-alive one', async () => {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('GET http://a.test/k')).until((c) => c.text.endsWith('k'));
  client.text = '';
  const started = performance.now();
  await client.send('GET http://a.test/').untilEnd();
  expect(client.text).toMatch(/^HTTP\/1\.1 408 head_timeout\r\n/);
  expect(performance.now() - started).toBeLessThan(1_500);
  client.close();
});

test('a client that went away while its request was under way takes the upstream connection with it', async () => {
  upstream.behave(() => undefined);
  const client = await RawClient.connect(rig.port);
  client.send(rig.head('GET http://a.test/'));
  await eventually('the request is upstream', () => upstream.received() !== '');
  client.socket.resetAndDestroy();
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0, 1_000);
  await eventually(
    'the upstream connection is over',
    () => upstream.connections.every(({ socket }) => socket.destroyed),
    1_000,
  );
});
