/**
 * CONNECT as the client sees it: early data, splits, half-closes and resets; the
 * grammar of targets (F4) is in the bad-input catalogue. What the upstream recorded tells that no client octet went
 * there before its 2xx, and that every one did so once and in order after it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import {
  echoTunnel, eventually, everySplit, RawClient, type RecordingUpstream, sendSplit, startRecordingUpstream, turns,
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
});

describe('an open tunnel', () => {
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
