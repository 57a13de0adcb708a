/**
 * What of a client's head is for us alone: an upgrade that nobody serves, and its
 * credential, which is nowhere upstream in any form (P4). What is hop-by-hop in general
 * is in `hop-by-hop.test.ts`.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, KEY, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  answerOk,
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
