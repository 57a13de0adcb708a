/**
 * Header lines in both directions (P3, P4): what is hop-by-hop or nominated by
 * Connection goes no further, everything else arrives byte for byte and in order,
 * and the client's credential is nowhere upstream.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, KEY, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answering,
  answerOk,
  converse,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
  turns,
} from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.behave(answerOk);
  upstream.reset();
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

const HOP_BY_HOP = [
  'Keep-Alive',
  'Proxy-Connection',
  'Proxy-Authenticate',
  'Proxy-Authentication-Info',
  'TE',
  'Trailer',
  'Upgrade',
  'HTTP2-Settings',
];
const PROTECTED = [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Authorization',
  'Cookie',
  'Cache-Control',
  'Proxy-Authorization',
  'Expect',
  'Content-Type',
  'Range',
];

const anyCase = (name: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => [...name].map((c, i) => (upper[i] ? c.toUpperCase() : c.toLowerCase())).join(''));
const endToEnd = fc.record({
  line: fc
    .tuple(
      fc.constantFrom('X-A', 'x-b', 'Accept', 'Cookie', 'Authorization', 'Via', 'Cache-Control'),
      fc.constantFrom('', ' ', '  ', '\t'),
      fc.constantFrom('1', 'a, b', '"q;"', 'ü'.normalize(), 'x '),
    )
    .map(([name, blank, value]) => `${name}:${blank}${Buffer.from(value, 'latin1').toString('latin1')}`),
  travels: fc.constant(true),
});
const hopByHop = fc
  .constantFrom(...HOP_BY_HOP)
  .chain(anyCase)
  .map((name) => ({ line: `${name}: canary`, travels: false }));
const nominated = fc
  .constantFrom('X-Hop', 'X-Gone')
  .chain(anyCase)
  .map((name) => ({ line: `${name}: canary`, travels: false }));
const connection = fc
  .constantFrom('X-Hop', ' x-hop ,', 'keep-alive, X-Gone', 'x-GONE,,X-HOP', 'TE, Upgrade')
  .map((value) => ({ line: `Connection: ${value}`, travels: false }));
const sections = fc
  .array(fc.oneof(endToEnd, hopByHop, nominated, connection), { maxLength: 12 })
  // A repeated single-valued field is refused, which is another test's business.
  .filter((lines) => lines.filter(({ line }) => /^upgrade:/i.test(line)).length < 2)
  .map((lines) => [...lines, { line: 'Connection: X-Hop, X-Gone', travels: false }]);

test('requests: a random list of lines arrives without the hop-by-hop ones, the rest as it was', async () => {
  const client = await RawClient.connect(rig.port);
  await fc.assert(
    fc.asyncProperty(sections, async (lines) => {
      upstream.reset();
      client.text = '';
      await client
        .send(
          rig.head(
            'GET http://a.test/',
            lines.map(({ line }) => line),
          ),
        )
        .until((c) => c.text.endsWith('ok'));
      const kept = lines.filter(({ travels }) => travels).map(({ line }) => `${line}\r\n`);
      const ours = `Proxy-Authorization: Basic ${Buffer.from('user-1:pass-1').toString('base64')}\r\n`;
      expect(upstream.received()).toBe(`GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${kept.join('')}${ours}\r\n`);
    }),
    { numRuns: 200 },
  );
  client.close();
});

test('replies: the same', async () => {
  const client = await RawClient.connect(rig.port);
  await fc.assert(
    fc.asyncProperty(sections, async (lines) => {
      client.text = '';
      upstream.behave(
        answering(`HTTP/1.1 200 OK\r\n${lines.map(({ line }) => `${line}\r\n`).join('')}Content-Length: 0\r\n\r\n`),
      );
      await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('\r\n\r\n'));
      const kept = lines.filter(({ travels }) => travels).map(({ line }) => `${line}\r\n`);
      expect(client.text.slice(0, client.text.indexOf('Content-Length'))).toBe(`HTTP/1.1 200 OK\r\n${kept.join('')}`);
      expect(client.text).not.toContain('canary');
    }),
    { numRuns: 200 },
  );
  client.close();
});

describe('Connection may not name', () => {
  test.each(PROTECTED)('%s', async (name) => {
    const client = await converse(
      rig.port,
      rig.head('GET http://a.test/', [`Connection: close, ${name.toLowerCase()}`]),
    );
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
    await turns();
    expect(upstream.received()).toBe('');
  });
});

test('an upgrade nobody serves is an ordinary request, and nothing behind its head goes upstream before the reply', async () => {
  let reply = (): void => undefined;
  upstream.behave(({ socket }) => {
    reply = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const client = await RawClient.connect(rig.port);
  client.send(
    `${rig.head('GET http://a.test/', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'])}GET /smug HTTP/1.1\r\n\r\n`,
  );
  await eventually('the request is upstream', () => upstream.received() !== '');
  await turns();
  expect(upstream.received()).toMatch(/\r\n\r\n$/);
  expect(upstream.received()).not.toMatch(/upgrade|http2|smug/i);
  reply();
  await client.untilEnd();
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*okHTTP\/1\.1 400 bad_request\r\n/);
  client.close();
});

test('the client’s credential is nowhere upstream, in no form (P4)', async () => {
  const secret = rig.authorization('default-session-canary');
  const spellings = [
    KEY,
    secret.slice(6),
    encodeURIComponent(KEY),
    Buffer.from(KEY).toString('base64').slice(0, 40),
    Buffer.from(KEY).toString('hex'),
  ];
  const client = await RawClient.connect(rig.port);
  const lines = ['Proxy-Selector: session=canary', 'Authorization: Bearer end-to-end'];
  await client
    .send(rig.head('GET http://a.test/', lines, 'default-session-canary'))
    .until((c) => c.text.endsWith('ok'));
  upstream.behave(({ socket, text }) => {
    if (text.endsWith('\r\n0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npost');
  });
  await client
    .send(
      `${rig.head('POST http://a.test/', ['Transfer-Encoding: chunked', 'Trailer: Proxy-Authorization'], 'default-session-canary')}2\r\nhi\r\n0\r\nProxy-Authorization: ${secret}\r\nHost: evil\r\n\r\n`,
    )
    .until((c) => c.text.endsWith('post'));
  upstream.behave(echoTunnel);
  await client
    .send(rig.head('CONNECT a.test:443', lines, 'default-session-canary'))
    .until((c) => c.text.includes('established'));
  client.close();
  for (const spelling of spellings) expect(upstream.received()).not.toContain(spelling);
  expect(upstream.received()).not.toMatch(/canary|evil|Proxy-Selector/);
  // What is meant for the origin is not ours to take.
  expect(upstream.received()).toContain('\r\nAuthorization: Bearer end-to-end\r\n');
});
