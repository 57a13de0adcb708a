import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

test('a plain request goes upstream in absolute-form with the session credential and its own lines in order', async () => {
  const client = await RawClient.connect(rig.port);
  client.send(
    `GET http://A.test:80/x?y=1 HTTP/1.1\r\nX-One: 1\r\nHost: b.test\r\nProxy-Authorization: ${rig.authorization()}\r\nx-TWO:  2 \r\nProxy-Connection: keep-alive\r\n\r\n`,
  );
  const text = await client.until((c) => c.text.endsWith('ok'));
  expect(upstream.received()).toBe(
    `GET http://a.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nx-TWO:  2 \r\nProxy-Authorization: Basic ${Buffer.from('user-1:pass-1').toString('base64')}\r\n\r\n`,
  );
  expect(text).toMatch(
    /^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\nSallyport-Request-Id: [0-9a-f-]+\r\nSallyport-Session: 018f8c22-0000-7000-8000-000000000001\r\nProxy-Status: sallyport\r\n\r\nok$/,
  );
  client.close();
});

test('keep-alive on both sides: two requests share one client and one upstream connection', async () => {
  const client = await RawClient.connect(rig.port);
  const request = `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${rig.authorization()}\r\n\r\n`;
  await client.send(request).until((c) => c.text.endsWith('ok'));
  client.text = '';
  await client.send(request).until((c) => c.text.endsWith('ok'));
  expect(upstream.connections).toHaveLength(1);
  client.close();
});
