/**
 * What a pool may ask for on plain requests: `Via` (P13), by which a request that
 * comes back is told, and responses without lines of ours (`quiet`).
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, LOCAL, startGatewayRig } from '../helpers/gateway-rig.ts';
import { answering, converse, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const PSEUDONYM = /Via: 1\.[01] (sallyport-[0-9a-f]{16})\r\n/;

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream(answering(OK));
  rig.put(1, upstream.port);
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

/** The answer to one request on a connection of its own. */
async function get(lines: readonly string[] = [], minor = 1): Promise<string> {
  const head = rig.head('GET http://a.test/', [...lines, 'Connection: close']);
  return (await converse(rig.port, minor === 1 ? head : head.replace('HTTP/1.1', 'HTTP/1.0'))).text;
}

describe('Via', () => {
  test('is not added by itself', async () => {
    expect(await get()).not.toMatch(/via:/i);
    expect(upstream.received()).not.toMatch(/via:/i);
  });

  test('is appended behind what is there, both ways, with the version that each message came in', async () => {
    rig.putPool({ via: true });
    upstream.behave(
      answering(
        'HTTP/1.1 103 x\r\nvia: 1.1 near\r\n\r\nHTTP/1.0 200 OK\r\nVia: 1.1 far (a, b)\r\nContent-Length: 0\r\n\r\n',
      ),
    );
    const text = await get(['VIA: 1.0 before, 1.1 after']);
    const [, name] = PSEUDONYM.exec(upstream.received())!;
    expect(upstream.received()).toContain(`\r\nVIA: 1.0 before, 1.1 after\r\nVia: 1.1 ${name}\r\n`);
    expect(text).toContain(`HTTP/1.1 103 x\r\nvia: 1.1 near\r\nVia: 1.1 ${name}\r\n\r\n`);
    expect(text).toContain(`\r\nVia: 1.1 far (a, b)\r\n`);
    expect(text.slice(text.indexOf('far'))).toContain(`\r\nVia: 1.0 ${name}\r\n`);
  });

  test('says 1.0 of a client that does', async () => {
    rig.putPool({ via: true });
    await get([], 0);
    expect(upstream.received()).toMatch(/\r\nVia: 1\.0 sallyport-/);
  });

  test('is a pseudonym of this gateway, and another one of the next', async () => {
    rig.putPool({ via: true });
    await get();
    const another = await startGatewayRig();
    another.putPool({ via: true });
    another.put(1, upstream.port);
    await converse(another.port, another.head('GET http://a.test/', ['Connection: close']));
    const names = upstream.connections.map(({ text }) => PSEUDONYM.exec(text)![1]);
    expect(new Set(names).size).toBe(2);
    await another.close();
  });

  test('is on a plain request inside a tunnel too, and not on a CONNECT', async () => {
    rig.putPool({ via: true });
    rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
    await converse(rig.port, rig.head(`GET http://127.0.0.1:${upstream.port}/`, ['Connection: close']));
    expect(upstream.received()).toMatch(PSEUDONYM);
    const proxied = await startRecordingUpstream(answering('HTTP/1.1 200 OK\r\n\r\n'));
    rig.put(1, proxied.port);
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
    expect(client.text + proxied.received()).not.toMatch(/via:/i);
    client.close();
    await proxied.close();
  });
});

describe('a request that had been here', () => {
  async function pseudonym(): Promise<string> {
    rig.putPool({ via: true });
    await get();
    const [, name] = PSEUDONYM.exec(upstream.received())!;
    upstream.reset();
    return name!;
  }

  test.each([
    ['GET', true],
    ['GET', false],
    ['CONNECT', true],
    ['CONNECT', false],
  ])('is loop_detected, and goes nowhere (%s, via %s)', async (method, via) => {
    const name = await pseudonym();
    rig.putPool({ via });
    const line = method === 'GET' ? 'GET http://a.test/' : 'CONNECT a.test:443';
    for (const value of [`1.1 ${name}`, `1.0 fred, 1.1 ${name} (ours)`, `1.1 ${name}, 1.1 p.example`]) {
      const lines = ['Via: 1.1 first', `vIA:${value}`, 'Connection: close'];
      const { text } = await converse(rig.port, rig.head(line, lines));
      expect(text, value).toMatch(/^HTTP\/1\.1 508 loop_detected\r\n/);
      expect(text).toContain('Proxy-Status: sallyport; error=proxy_loop_detected; details="loop_detected"\r\n');
    }
    expect(upstream.received()).toBe('');
    expect(rig.counted('loop_detected')).toBe(3);
    expect(rig.gateway.holdings()).toMatchObject({ inFlight: 0, placed: 0 });
  });

  test('is not taken for one by a name in another field, in a comment, or one that is only alike', async () => {
    const name = await pseudonym();
    for (const line of [
      `X-Seen: 1.1 ${name}`,
      `Via: 1.1 other (${name})`,
      `Via: 1.1 ${name}0`,
      `Via: 1.1 x${name}`,
      'Via: 1.1 sallyport-0000000000000000',
    ]) {
      expect(await get([line]), line).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    }
  });

  test('is refused to nobody who is not let in: 407 first', async () => {
    const name = await pseudonym();
    const { text } = await converse(
      rig.port,
      `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nVia: 1.1 ${name}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 407 /);
  });

  test('comes back through another proxy once, and no further', async () => {
    rig.putPool({ via: true });
    // An upstream proxy that hands every request to the gateway again.
    const back = await startRecordingUpstream(({ socket, text }) => {
      if (!text.endsWith('\r\n\r\n')) return;
      const again = text.replace(/Proxy-Authorization: .*\r\n/, `Proxy-Authorization: ${rig.authorization()}\r\n`);
      void converse(rig.port, again.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')).then((c) =>
        socket.end(c.text, 'latin1'),
      );
    });
    rig.put(1, back.port);
    expect(await get()).toMatch(/^HTTP\/1\.1 508 loop_detected\r\n/);
    expect(back.connections).toHaveLength(1);
    await back.close();
  });
});

describe('a quiet pool', () => {
  const OURS = /sallyport|proxy-status/i;
  beforeEach(() => rig.putPool({ quiet: true }));

  test('has responses forwarded without lines of ours', async () => {
    expect(await get()).toBe('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    upstream.behave(answering('HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'));
    const client = await RawClient.connect(rig.port);
    client.send(rig.head('GET http://a.test/', ['Connection: upgrade', 'Upgrade: websocket']));
    expect(await client.until((c) => c.text.endsWith('\r\n\r\n'))).not.toMatch(OURS);
    client.close();
  });

  test('but answers of our own have them', async () => {
    upstream.behave(answering('HTTP/1.1 999 x\r\n\r\n'));
    const text = await get();
    expect(text).toMatch(/^HTTP\/1\.1 502 upstream_protocol\r\n/);
    expect(text).toMatch(/\r\nSallyport-Request-Id: .*\r\nSallyport-Session: .*\r\nProxy-Status: sallyport; error=/);
  });

  test('and so has the 200 of a CONNECT', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\n\r\n'));
    const client = await RawClient.connect(rig.port);
    client.send(rig.head('CONNECT a.test:443'));
    expect(await client.until((c) => c.text.endsWith('\r\n\r\n'))).toMatch(/\r\nSallyport-Request-Id: /);
    client.close();
  });
});
