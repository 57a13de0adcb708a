/** The bound of a request body, to the octet, with a length and in chunks; what is beyond it is never completed upstream. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { eventually, RawClient, type RecordingUpstream, startRecordingUpstream, turns } from '../helpers/wire.ts';

const MAX = 1_000;
const REFUSED = /^HTTP\/1\.1 413 body_too_large\r\n[\s\S]*\r\nConnection: close\r\n/;

let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;

beforeEach(async () => {
  rig = await startGatewayRig({ limits: { maxBodyBytes: MAX } });
  upstream = await startRecordingUpstream(({ socket, text }) => {
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    const [, length] = /Content-Length: (\d+)/.exec(text) ?? [];
    const done = length === undefined ? text.endsWith('0\r\n\r\n') : body.length === Number(length);
    if (done) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  rig.put(1, upstream.port);
  client = await RawClient.connect(rig.port);
});
afterEach(async () => {
  client.close();
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  await rig.close();
  await upstream.close();
});

/** A body of `size` octets in chunks of `each`, with extensions, which do not count. */
function chunked(size: number, each: number): string {
  let text = '';
  for (let left = size; left > 0; left -= each) {
    const n = Math.min(each, left);
    text += `${n.toString(16)};a=b\r\n${'x'.repeat(n)}\r\n`;
  }
  return `${text}0\r\n\r\n`;
}

test.each([MAX - 1, MAX])('a length of %d octets passes', async (size) => {
  client.send(rig.head('POST http://a.test/', [`Content-Length: ${size}`]) + 'x'.repeat(size));
  await client.until(({ text }) => text.endsWith('ok'));
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
});

test.each([MAX + 1, 2 ** 40])('a length of %d octets is refused before anything is dialled', async (size) => {
  client.send(rig.head('POST http://a.test/', [`Content-Length: ${size}`, 'Expect: 100-continue']));
  expect(await client.untilEnd()).toMatch(REFUSED);
  expect(upstream.connections).toEqual([]);
  expect(rig.counted('body_too_large')).toBe(1);
});

test.each([
  [MAX - 1, 100],
  [MAX, 100],
  [MAX, 1],
  [MAX, MAX],
])('%d octets in chunks of %d pass', async (size, each) => {
  client.send(rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']) + chunked(size, each));
  await client.until(({ text }) => text.endsWith('ok'));
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(upstream.received()).toContain('x\r\n0\r\n\r\n');
});

test.each([
  [MAX + 1, 100],
  [MAX + 1, 1],
  [MAX + 1, MAX + 1],
  [MAX * 50, 7],
])('%d octets in chunks of %d are refused, and the upstream sees a reset', async (size, each) => {
  client.send(rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']));
  await eventually('the head is upstream', () => upstream.connections[0]?.text.endsWith('\r\n\r\n') ?? false);
  const { socket } = upstream.connections[0]!;
  let failed = false;
  socket.on('error', () => {
    failed = true;
  });
  client.send(chunked(size, each));
  expect(await client.untilEnd()).toMatch(REFUSED);
  await eventually('the upstream sees the end', () => socket.destroyed);
  expect(failed).toBe(true);
  expect(upstream.received()).not.toContain('0\r\n\r\n');
  expect(upstream.received().split('\r\n\r\n').slice(1).join('').split('x').length - 1).toBeLessThanOrEqual(MAX);
  expect(rig.counted('body_too_large')).toBe(1);
});

test('once a response has begun, the client is cut in place of a second answer', async () => {
  upstream.behave(({ socket, text }) => {
    if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
  });
  client.send(rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']));
  await client.until(({ text }) => text.endsWith('hello'));
  client.send(chunked(MAX + 1, 100));
  await eventually('the connection is cut', () => client.closed);
  await turns();
  expect(client.failed).toBe(true);
  expect(client.text).not.toContain('body_too_large');
  expect(rig.counted('body_too_large')).toBe(1);
});
