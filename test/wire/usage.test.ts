/**
 * Usage to the octet: what a raw client and a recording upstream counted on the
 * wire is what reports add up to and what the log says, however a request ends and
 * whatever becomes of its session, and traffic is told while it is under way.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Change } from '../../src/core/model.ts';
import { type GatewayRig, LOCAL, POOL, STATIC, sessionId, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { loggedTraffic, reportOf, UsageSums } from '../helpers/usage-report.ts';
import {
  answering, type Behaviour, echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream, turns,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

let rig: GatewayRig;
let log: RecordedLog;
let upstream: RecordingUpstream;
let usage: UsageSums;

beforeEach(async () => {
  log = recordedLog();
  rig = await startGatewayRig({ log, limits: { headTimeoutMs: 2_000 } });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
  usage = new UsageSums();
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

/** Everything finished and reported: the sums of session n, which are those of the log too. */
async function booked(n = 1) {
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
  await report();
  expect(usage.bySession).toEqual(loggedTraffic(log));
  expect(rig.gateway.holdings().placed).toBe(0);
  return usage.bySession.get(sessionId(n));
}

async function report(): Promise<void> {
  const deltas = await reportOf(rig.gateway);
  for (const delta of deltas) {
    expect(delta).toMatchObject({ workspaceId: WORKSPACE, poolId: POOL, accountName: '' });
    const counts = [delta.requestCount, delta.errorCount, delta.bytesOut, delta.bytesIn];
    expect(counts.every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
    expect(counts.some((count) => count > 0)).toBe(true);
  }
  usage.add(deltas);
}

/** Sends, and waits for `answers` times the last octets of an answer. */
async function ask(client: RawClient, octets: string, end: string, answers = 1): Promise<void> {
  const before = client.text.split(end).length - 1;
  await client.send(octets).until((c) => c.text.split(end).length - 1 >= before + answers);
}

describe('plain requests', () => {
  test('heads and bodies of every framing, interim answers, a kept connection', async () => {
    const client = await RawClient.connect(rig.port);
    await ask(client, rig.head('GET http://a.test/'), 'ok');
    await ask(client, rig.head('HEAD http://a.test/'), 'Length: 2\r\nSallyport');
    upstream.behave(({ socket, text }) => void (text.endsWith('end') && socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')));
    await ask(client, `${rig.head('POST http://a.test/', ['Content-Length: 2003'])}${'x'.repeat(2_000)}end`, 'ok');
    upstream.behave(({ socket, text }) => void (text.endsWith('0\r\n\r\n') && socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')));
    await ask(client, `${rig.head('POST http://a.test/', ['Transfer-Encoding: chunked'])}3;x=y\r\nabc\r\n0\r\n\r\n`, '\r\n0\r\n\r\n');
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
      if (text.endsWith('end')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfin');
    });
    await ask(client, rig.head('PUT http://a.test/', ['Content-Length: 3', 'Expect: 100-continue']), '100 Continue\r\n\r\n');
    await ask(client, 'end', 'fin');
    upstream.behave(answering('HTTP/1.1 200 OK\r\n\r\nuntil the end', (socket) => socket.end()));
    await ask(client, rig.head('GET http://a.test/'), 'until the end');
    await client.untilEnd();
    expect(await booked()).toEqual({
      requestCount: 6,
      errorCount: 0,
      bytesOut: upstream.received().length,
      bytesIn: client.text.length,
    });
    client.close();
  }); // biome-ignore format: one conversation a line

  test('an HTTP/1.0 client gets a chunked reply as bare data, and that is what counts', async () => {
    upstream.behave(answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'));
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('GET http://a.test/').replace('HTTP/1.1', 'HTTP/1.0')).untilEnd();
    expect(client.text).toMatch(/\r\n\r\nhello$/);
    expect(await booked()).toMatchObject({ bytesOut: upstream.received().length, bytesIn: client.text.length });
    client.close();
  });

  test('a download is told as it goes on, and each octet once', async () => {
    const parts = 5;
    const part = 'p'.repeat(50_000);
    upstream.behave(answering(`HTTP/1.1 200 OK\r\nContent-Length: ${parts * part.length}\r\n\r\n`));
    const client = await RawClient.connect(rig.port);
    client.send(rig.head('GET http://a.test/'));
    await eventually('the request is there', () => upstream.received().endsWith('\r\n\r\n'));
    for (let i = 1; i <= parts; i++) {
      upstream.connections[0]!.socket.write(part);
      await client.until((c) => c.text.length >= i * part.length + c.text.indexOf('\r\n\r\n') + 4);
      if (i < parts) {
        await report();
        expect(usage.bySession.get(sessionId(1))).toEqual({
          requestCount: 0,
          errorCount: 0,
          bytesOut: upstream.received().length,
          bytesIn: client.text.length,
        });
      }
    }
    expect(await booked()).toMatchObject({ requestCount: 1, errorCount: 0, bytesIn: client.text.length });
    client.close();
  });

  test('a LOCAL exit: our CONNECT counts for the request that opened the way, not for the next', async () => {
    rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
    const client = await RawClient.connect(rig.port);
    const request = rig.head(`GET http://127.0.0.1:${upstream.port}/`);
    await ask(client, request, 'ok');
    await report();
    const first = { ...usage.bySession.get(sessionId(1))! };
    const { length } = upstream.received();
    expect(first.bytesOut).toBeGreaterThan(length + `CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\r\n`.length);
    await ask(client, request, 'ok');
    expect(await booked()).toMatchObject({ bytesOut: first.bytesOut + length, bytesIn: client.text.length });
    client.close();
  });
});

describe('requests that fail', () => {
  test('are nobody’s usage before they have a session', async () => {
    const client = await RawClient.connect(rig.port);
    await ask(client, 'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'required.\n');
    await ask(client, rig.head('GET http://a.test/', [], 'nosuchpool'), 'name.\n');
    expect(await booked()).toBeUndefined();
    const requests = log.lines.filter(({ message }) => message === 'request');
    expect(requests.map(({ fields }) => fields.cause)).toEqual(['auth_required', 'pool_unknown']);
    client.close();
  });

  test.each<[string, Behaviour, string]>([
    ['an upstream that refuses the tunnel', answering('HTTP/1.1 403 no\r\n\r\n'), 'CONNECT a.test:443'],
    ['an upstream that answers noise', answering('noise\r\n\r\n'), 'GET http://a.test/'],
    ['an upstream that hangs up', answering('', (socket) => socket.destroy()), 'POST http://a.test/'],
    ['a reply that ends early', answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', (s) => s.end()), 'GET http://a.test/'],
  ])('%s', async (_, behaviour, line) => {
    upstream.behave(behaviour);
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(line)).until((c) => c.text.endsWith('.\n'));
    expect(await booked()).toEqual({
      requestCount: 1,
      errorCount: 1,
      bytesOut: upstream.received().length,
      bytesIn: client.text.length,
    });
    client.close();
  }); // biome-ignore format: one table

  test('an upstream that is not there: our answer is all that moved', async () => {
    const gone = await startRecordingUpstream();
    await gone.close();
    rig.put(1, gone.port);
    const client = await RawClient.connect(rig.port);
    await ask(client, rig.head('GET http://a.test/'), 'connection.\n');
    expect(await booked()).toEqual({ requestCount: 1, errorCount: 1, bytesOut: 0, bytesIn: client.text.length });
    client.close();
  });

  test('a session that this gateway does not dial has the refusal on its account', async () => {
    rig.put(1, 0, { endpoint: { scheme: 'socks5', host: '127.0.0.1', port: rig.port } });
    const client = await RawClient.connect(rig.port);
    await ask(client, rig.head('GET http://a.test/'), 'gateway.\n');
    expect(await booked()).toEqual({ requestCount: 1, errorCount: 1, bytesOut: 0, bytesIn: client.text.length });
    client.close();
  });
});

describe('tunnels', () => {
  beforeEach(() => upstream.behave(echoTunnel));

  async function openTunnel(behind = ''): Promise<RawClient> {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('CONNECT a.test:443') + behind).until((c) => c.text.includes('\r\n\r\n'));
    return client;
  }

  const moved = (client: RawClient) => ({ bytesOut: upstream.received().length, bytesIn: client.text.length });

  test('are told while they are open, and counted when they end', async () => {
    const client = await openTunnel('early');
    for (const octets of ['ping', 'x'.repeat(100_000)]) {
      await client.send(octets).until((c) => c.text.endsWith(octets));
      await report();
      expect(usage.bySession.get(sessionId(1))).toEqual({ requestCount: 0, errorCount: 0, ...moved(client) });
    }
    await report();
    expect(usage.bySession.get(sessionId(1))).toEqual({ requestCount: 0, errorCount: 0, ...moved(client) });
    client.socket.end('bye');
    await client.untilEnd();
    expect(await booked()).toEqual({ requestCount: 1, errorCount: 0, ...moved(client) });
    expect(upstream.received()).toMatch(/bye$/);
    client.close();
  });

  test('half-closed: what still comes the other way counts', async () => {
    upstream.behave(({ socket, text }) => void (text.endsWith('\r\n\r\n') && socket.write('HTTP/1.1 200 OK\r\n\r\nhello')));
    const client = await openTunnel();
    const side = upstream.connections[0]!.socket;
    side.removeAllListeners('end');
    side.once('end', () => side.end('the last words'));
    client.socket.end('question');
    await client.untilEnd();
    expect(client.text).toMatch(/hellothe last words$/);
    expect(await booked()).toEqual({ requestCount: 1, errorCount: 0, ...moved(client) });
    client.close();
  }); // biome-ignore format: one list

  test('an answer before the tunnel on the same connection is not the tunnel’s', async () => {
    const client = await RawClient.connect(rig.port);
    await ask(client, 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n', 'required.\n');
    const before = client.text.length;
    await ask(client, rig.head('CONNECT a.test:443'), 'Proxy-Status: sallyport\r\n\r\n');
    client.close();
    expect(await booked()).toMatchObject({ bytesIn: client.text.length - before });
  });

  const gone: [string, Change][] = [
    ['its session is deleted', { kind: 'session-gone', poolId: POOL, sessionId: sessionId(1) }],
    ['its pool is deleted', { kind: 'pool-gone', poolId: POOL }],
    ['its provider is deleted', { kind: 'provider-gone', providerId: STATIC }],
  ];
  test.each(gone)('are booked to what they resolved to when %s', async (_, change) => {
    const client = await openTunnel();
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    await report();
    await client.send('pong').until((c) => c.text.endsWith('pong'));
    rig.gateway.apply([change]);
    await client.untilEnd();
    expect(await booked()).toEqual({ requestCount: 1, errorCount: 1, ...moved(client) });
    client.close();
  });

  test('are booked on when their session gets another credential', async () => {
    const client = await openTunnel();
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    rig.put(1, upstream.port, { password: 'another' });
    await client.untilEnd();
    const next = await openTunnel();
    next.close();
    const { requestCount, bytesIn } = (await booked())!;
    expect([requestCount, bytesIn]).toEqual([2, client.text.length + next.text.length]);
    client.close();
  });

  test('reset in the middle of a flood: what was reported before is never taken back', async () => {
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write(`HTTP/1.1 200 OK\r\n\r\n${'f'.repeat(8_000_000)}`);
    });
    const client = await openTunnel();
    client.socket.pause();
    await eventually('the flood stands', () => {
      const { writableLength } = upstream.connections[0]!.socket;
      return writableLength > 0 && client.socket.isPaused();
    });
    await turns(20);
    await report();
    const before = { ...usage.bySession.get(sessionId(1))! };
    expect(before.bytesIn).toBeGreaterThan(client.text.length);
    client.socket.resetAndDestroy();
    const after = (await booked())!;
    expect(after.bytesIn).toBeGreaterThanOrEqual(before.bytesIn);
    expect(after).toMatchObject({ requestCount: 1, errorCount: 1 });
  });
});

test('a storm of everything, with reports all along: the sums are those of the log', { timeout: 20_000 }, async () => {
  const others = [2, 3].map((n) => ({ n, port: upstream.port }));
  for (const { n, port } of others) rig.put(n, port);
  upstream.behave((recorded, chunk) => {
    const { socket, text } = recorded;
    if (text.startsWith('CONNECT')) return echoTunnel(recorded, chunk);
    if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  let over = false;
  const reports = (async () => {
    for (; !over; await turns(1)) await report();
  })();
  const lanes = Array.from({ length: 12 }, async (_, lane) => {
    for (let i = 0; i < 25; i++) {
      const kind = (lane * 7 + i * 5) % 6;
      const client = await RawClient.connect(rig.port);
      if (kind < 2) await ask(client, rig.head('GET http://a.test/'), 'ok');
      else if (kind === 2) client.send(rig.head('GET http://a.test/'));
      else {
        await ask(client, rig.head('CONNECT a.test:443'), '\r\n\r\n');
        await ask(client, `${'d'.repeat(1_000 * kind)}!`, '!');
        if (kind === 4) client.socket.end();
        if (kind === 5) client.socket.resetAndDestroy();
      }
      if (i % 9 === lane % 9) rig.put(1 + (i % 3), upstream.port, { password: `other-${i}` });
      client.close();
    }
  });
  await Promise.all(lanes);
  over = true;
  await reports;
  await booked();
  expect([...usage.bySession.values()].reduce((sum, { requestCount }) => sum + requestCount, 0)).toBe(
    log.lines.filter(({ fields }) => fields.session_id !== undefined).length,
  );
  expect(usage.bySession.size).toBe(3);
});
