/**
 * Request bodies that come in pieces, and those that the client never finishes: an
 * upstream sees the first whole and the second cut by a reset. Bodies that are wrong
 * in themselves are in the bad-input catalogue.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { answerOk, eventually, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

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

describe('a body that is not there at once (F5, B45)', () => {
  const chunked = (body: string): string => rig.head('POST http://a.test/', ['Transfer-Encoding: chunked']) + body;
  test.each([
    ['a Content-Length body', () => `${rig.head('POST http://a.test/', ['Content-Length: 10'])}hello`],
    ['a chunked body', () => chunked('5\r\nhello\r\n')],
  ])('%s that the client ends early: the upstream sees a reset', async (_, octets) => {
    const errors: unknown[] = [];
    upstream.behave(({ socket, text }) => {
      socket.removeAllListeners('error').on('error', (error) => errors.push((error as NodeJS.ErrnoException).code));
      if (text.endsWith('hello') || text.endsWith('hello\r\n')) client.socket.end();
    });
    const client = await RawClient.connect(rig.port);
    client.send(octets());
    await client.untilEnd();
    await eventually('the upstream connection is over', () =>
      upstream.connections.every(({ socket }) => socket.destroyed),
    );
    expect(errors).toEqual(['ECONNRESET']);
    client.close();
  });

  test('a body in many pieces with pauses between arrives whole', async () => {
    const client = await RawClient.connect(rig.port);
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('0123456789')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    client.send(`${rig.head('POST http://a.test/', ['Content-Length: 10'])}01`);
    await eventually('the first piece is upstream', () => upstream.received().endsWith('\r\n\r\n01'));
    for (const piece of ['234', '5', '6789']) {
      const sofar = upstream.received().length;
      client.send(piece);
      await eventually('more is upstream', () => upstream.received().length === sofar + piece.length);
    }
    await client.until((c) => c.text.endsWith('ok'));
    client.close();
  });
});
