/**
 * Chunked bodies in both directions, cut at every offset: data and sizes arrive
 * as they were, extensions and trailers do not travel, wherever a packet ends.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { everySplit, RawClient, type RecordingUpstream, sendSplit, startRecordingUpstream } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

const SENT =
  '5;name=value;q="x"\r\nhello\r\n00C;y\r\n\r\n 0\r\n\r\nworl\r\n1\r\nd\r\n000\r\nContent-Length: 50\r\nProxy-Authorization: x\r\n\r\n';
const TRAVELS = '5\r\nhello\r\n00C\r\n\r\n 0\r\n\r\nworl\r\n1\r\nd\r\n000\r\n\r\n';
const DATA = 'hello\r\n 0\r\n\r\nworld';

test('towards the upstream', async () => {
  const octets = Buffer.from(rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']) + SENT);
  upstream.behave(({ socket, text }) => {
    if (text.endsWith('000\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const client = await RawClient.connect(rig.port);
  for (const at of everySplit(octets)) {
    upstream.reset();
    client.text = '';
    await sendSplit(client.socket, octets, at);
    await client.until((c) => c.text.endsWith('ok'));
    const text = upstream.received();
    expect(text.slice(text.indexOf('\r\n\r\n') + 4), `cut at ${at}`).toBe(TRAVELS);
    expect(text.match(/POST/g), `cut at ${at}`).toHaveLength(1);
  }
  client.close();
});

test.each(['1.1', '1.0'])('towards an HTTP/%s client', async (version) => {
  const octets = Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${SENT}`);
  for (const at of everySplit(octets)) {
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) void sendSplit(socket, octets, at);
    });
    const client = await RawClient.connect(rig.port);
    await client
      .send(rig.head('GET http://a.test/', ['Connection: close']).replace('HTTP/1.1', `HTTP/${version}`))
      .untilEnd();
    const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4);
    expect(body, `cut at ${at}`).toBe(version === '1.1' ? TRAVELS : DATA);
    expect(client.failed, `cut at ${at}`).toBe(false);
    client.close();
  }
});
