/**
 * Clients that speak SOCKS5 (RFC 1928, RFC 1929): what they must say and what they
 * are told, at every split. `socks-causes.test.ts` has the reply code of each cause.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GatewayLimits } from '../../src/core/limits.ts';
import type { ApiKeyId } from '../../src/core/model.ts';
import { type GatewayRig, KEY, sessionId, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import {
  ACCEPTED, GRANTED, greeting, METHOD, REJECTED, reply, request, usernamePassword,
} from '../helpers/socks-client.ts'; // biome-ignore format: one list
import { reportOf } from '../helpers/usage-report.ts';
import {
  echoTunnel, eventually, everySplit, RawClient, type RecordingUpstream, sendSplit, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const CREDENTIALS = usernamePassword('default', KEY);
const TO_TARGET = request('a.test', 443);
const NEGOTIATED = METHOD.password + ACCEPTED;

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;

/** A gateway with these bounds in place of the one there is, and a client of it. */
async function restart(limits: Partial<GatewayLimits>): Promise<void> {
  client?.close();
  await rig?.close();
  rig = await startGatewayRig({ limits, log });
  rig.put(1, upstream.port);
  client = await RawClient.connect(rig.port);
}

beforeEach(async () => {
  log = recordedLog();
  upstream = await startRecordingUpstream(echoTunnel);
  await restart({ maxEarlyBytes: 1_024 });
});
afterEach(async () => {
  client.close();
  await rig.close();
  await upstream.close();
});

/** Sends these messages, each after so many octets have come; answers all that came once `total` octets have, or the end. */
async function negotiate(messages: readonly (readonly [sent: string, total: number])[], to = client): Promise<string> {
  for (const [sent, total] of messages) await to.send(sent).until((c) => c.text.length >= total);
  return to.text;
}

const authenticated = (username = 'default', password = KEY): [string, number][] => [
  [greeting(0, 2), 2],
  [usernamePassword(username, password), 4],
];

async function openTunnel(to = client): Promise<void> {
  expect(await negotiate([...authenticated(), [TO_TARGET, 14]], to)).toBe(NEGOTIATED + GRANTED);
}

const requestLines = () => log.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields);

describe('a tunnel', () => {
  test('is opened by the session that the username asks for, and carries octets both ways', async () => {
    rig.put(2, upstream.port);
    const address = `127.0.0.1:${client.socket.localPort}`;
    const asked = authenticated('default-session-token-2');
    expect(await negotiate([...asked, [TO_TARGET, 14]])).toBe(NEGOTIATED + GRANTED);
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    expect(upstream.received()).toMatch(
      /^CONNECT a\.test:443 HTTP\/1\.1\r\nHost: a\.test:443\r\nProxy-Authorization: Basic \S+\r\n\r\nping$/,
    );
    expect(upstream.received()).not.toContain(KEY);
    client.socket.end();
    await client.untilEnd();
    await eventually('it is recorded', () => requestLines().length === 1);
    expect(requestLines()[0]).toMatchObject({
      kind: 'connect', method: 'CONNECT', target: 'a.test:443', status: 200, cause: 'ok', session_id: sessionId(2),
      identified_by: 'credentials', bytes_in: client.text.length, bytes_out: upstream.received().length,
      client: address,
    }); // biome-ignore format: one table
    const [delta] = await reportOf(rig.gateway);
    expect(delta).toMatchObject({ requestCount: 1, errorCount: 0, bytesIn: client.text.length });
  });

  test.each([
    ['the key as username, with an empty password', KEY, ''],
    ['the key as password, with an empty username', '', KEY],
  ])('%s', async (_, username, password) => {
    expect(await negotiate([...authenticated(username, password), [TO_TARGET, 14]])).toBe(NEGOTIATED + GRANTED);
  });

  test.each<[string, string | number[], string]>([
    ['a name', 'A.Test.', 'a.test:443'],
    ['an odd spelling', '0300.0.2.1', '192.0.2.1:443'],
    ['an IPv4 address', [192, 0, 2, 1], '192.0.2.1:443'],
    ['an IPv6 address', [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1], '[2001:db8::1]:443'],
  ])('to %s', async (_, host, authority) => {
    await negotiate([...authenticated(), [request(host, 443), 14]]);
    expect(upstream.received()).toMatch(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`);
  });

  test('is opened whatever the split, and all at once', async () => {
    const all = Buffer.from(`${greeting(2)}${CREDENTIALS}${TO_TARGET}early`, 'latin1');
    // Every cut in two, in flights of forty clients; then octet by octet.
    const expected = `${NEGOTIATED}${GRANTED}early`;
    const splits = [...everySplit(all), all.length];
    for (let from = 0; from < splits.length; from += 40) {
      await Promise.all(splits.slice(from, from + 40).map(async (at) => {
        const one = await RawClient.connect(rig.port);
        await sendSplit(one.socket, all, at);
        expect(await one.until((c) => c.text.length >= expected.length)).toBe(expected);
        one.close();
      }));
    }
    for (const octet of all) await new Promise((resolve) => client.socket.write(Buffer.of(octet), resolve));
    expect(await client.until((c) => c.text.length >= expected.length)).toBe(expected);
  }); // biome-ignore format: one call a line

  test('holds early data with the socket paused, and gives it all on', async () => {
    let open = (): void => undefined;
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) open = () => socket.write('HTTP/1.1 200 OK\r\n\r\n');
    });
    const flood = Buffer.alloc(8 << 20, 'e');
    await negotiate(authenticated());
    client.send(TO_TARGET);
    await eventually('it is asked for', () => upstream.received().endsWith('\r\n\r\n'));
    const before = upstream.received().length;
    client.send(flood);
    await eventually('the client is stopped', () => client.socket.writableLength > 0);
    expect(upstream.received().length).toBe(before);
    open();
    await eventually('all of it came through', () => upstream.received().length === before + flood.length, 10_000);
  });

  test('passes the ends of both sides on', async () => {
    await openTunnel();
    client.send('last').socket.end();
    await client.untilEnd();
    expect(client.text.endsWith('last')).toBe(true);
    await eventually('nothing is left', () => rig.gateway.holdings().clientConnections === 0);
    expect(rig.gateway.holdings()).toMatchObject({ inFlight: 0, tunnels: 0 });
  });

  test('a reset upstream resets the client', async () => {
    await openTunnel();
    upstream.connections[0]!.socket.resetAndDestroy();
    await eventually('the client is reset', () => client.failed);
  });

  test('a revoked key cuts it', async () => {
    await openTunnel();
    rig.gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update(KEY).digest('hex') }]);
    await eventually('the client is reset', () => client.failed);
    expect(rig.counted('revoked')).toBe(1);
  });
});

describe('who is not let in', () => {
  test.each<[string, [string, number][], string, string]>([
    ['no credentials offered', [[greeting(0), 2]], METHOD.unacceptable, 'auth_required'],
    ['methods that nobody knows', [[greeting(1, 3, 128), 2]], METHOD.unacceptable, 'auth_required'],
    ['no methods', [['\x05\x00', 2]], METHOD.unacceptable, 'bad_request'],
    ['an unknown key', authenticated('default', 'sp_live_x'), METHOD.password + REJECTED, 'auth_failed'],
    ['the key with a blank behind', authenticated('default', `${KEY} `), METHOD.password + REJECTED, 'auth_failed'],
    ['nothing in both fields', authenticated('', ''), METHOD.password + REJECTED, 'auth_failed'],
    [
      'another sub-negotiation',
      [
        [greeting(2), 2],
        ['\x02\x01a\x01b', 4],
      ],
      METHOD.password + REJECTED,
      'bad_request',
    ],
  ])('%s', async (_, messages, answer, cause) => {
    await negotiate(messages);
    expect(await client.untilEnd()).toBe(answer);
    expect(upstream.received()).toBe('');
    expect(rig.counted(cause)).toBe(1);
    expect(requestLines()).toMatchObject([{ kind: 'connect', cause, bytes_in: answer.length }]);
    expect(requestLines()[0]!.identified_by).toBeUndefined();
  });

  test('failures count as those of HTTP do', async () => {
    await negotiate(authenticated('default', 'wrong'));
    const http = await RawClient.connect(rig.port);
    await http
      .send('CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic eDp5\r\n\r\n')
      .until((c) => c.text.includes('\n\r\n'));
    http.close();
    expect(rig.gateway.snapshot().authFailures).toEqual([{ labels: ['unknown'], value: 2 }]);
  });
});

test('ourselves is no target', async () => {
  expect(await negotiate([...authenticated(), [request([127, 0, 0, 1], rig.port), 14]])).toBe(NEGOTIATED + reply(2));
  expect(rig.counted('loop_detected')).toBe(1);
});

test.each<[string, string]>([
  ['pool_unknown', 'nowhere'],
  ['selector_invalid', 'default-session-'],
])('%s is of a client that is known, and of a target', async (cause, username) => {
  await negotiate([...authenticated(username), [TO_TARGET, 14]]);
  expect(requestLines()).toMatchObject([{ cause, target: 'a.test:443', identified_by: 'credentials' }]);
});

describe('a client that stops', () => {
  beforeEach(() => restart({ headTimeoutMs: 200 }));

  test.each<[string, string, string]>([
    ['in its greeting', '\x05', METHOD.unacceptable],
    ['in its credentials', greeting(2) + CREDENTIALS.slice(0, 9), METHOD.password + REJECTED],
    ['before its request', greeting(2) + CREDENTIALS, NEGOTIATED + reply(6)],
    ['in its request', greeting(2) + CREDENTIALS + TO_TARGET.slice(0, -1), NEGOTIATED + reply(6)],
  ])('%s is told so within the time of a head', async (_, sent, answer) => {
    const started = performance.now();
    client.send(sent);
    expect(await client.untilEnd()).toBe(answer);
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(rig.counted('head_timeout')).toBe(1);
    expect(upstream.received()).toBe('');
  });

  test('dribbling does not buy time', async () => {
    const all = Buffer.from(greeting(2) + CREDENTIALS + TO_TARGET, 'latin1');
    const started = performance.now();
    for (let at = 0; !client.ended && at < all.length - 1; at++) {
      client.send(all.subarray(at, at + 1));
      await client.until(() => false, 25).catch(() => undefined);
    }
    await client.untilEnd();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(rig.counted('head_timeout')).toBe(1);
  });

  test.each([
    ['in its greeting', '\x05'],
    ['before its request', greeting(2) + CREDENTIALS],
  ])('and ends %s leaves nothing', async (_, sent) => {
    client.send(sent).socket.end();
    await eventually('it is gone', () => rig.gateway.holdings().clientConnections === 0);
    expect(rig.gateway.holdings().inFlight).toBe(0);
  });

  test.each(['end', 'resetAndDestroy'] as const)('while it waits for its tunnel (%s) cancels the dial', async (how) => {
    upstream.behave(() => undefined);
    await negotiate(authenticated());
    client.send(TO_TARGET);
    await eventually('it is asked for', () => upstream.received().endsWith('\r\n\r\n'));
    client.socket[how]();
    await eventually('the dial is given up', () => upstream.connections[0]!.socket.destroyed);
    expect(rig.counted('client_gone')).toBe(1);
    await eventually('nothing is left', () => rig.gateway.holdings().clientConnections === 0);
  });
});

test('a drain waits for tunnels, then cuts them; who is negotiating is refused', async () => {
  await openTunnel();
  const late = await RawClient.connect(rig.port);
  await negotiate(authenticated(), late);
  const drained = rig.gateway.drain(400);
  await negotiate([[TO_TARGET, 14]], late);
  expect(late.text).toBe(NEGOTIATED + reply(1));
  await client.send('still').until((c) => c.text.endsWith('still'));
  await client.untilEnd();
  for (const one of [client, late]) one.close();
  await drained;
  expect(rig.gateway.holdings()).toMatchObject({ clientConnections: 0, inFlight: 0, tunnels: 0 });
  expect(rig.counted('draining')).toBe(2);
});

test('who may not have a second tunnel is told so', async () => {
  await restart({ maxConnectionsPerKey: 1 });
  const first = await RawClient.connect(rig.port);
  await openTunnel(first);
  const second = await RawClient.connect(rig.port);
  expect(await negotiate([...authenticated(), [TO_TARGET, 14]], second)).toBe(NEGOTIATED + reply(1));
  first.close();
  await eventually('the slot is free', () => rig.gateway.holdings().tunnels === 0);
  const third = await RawClient.connect(rig.port);
  await openTunnel(third);
  for (const one of [second, third]) one.close();
});

test('an expired key, at the millisecond of its request', async () => {
  const id = '018f8c20-0000-7000-8000-0000000000ee' as ApiKeyId;
  const hash = createHash('sha256').update('brief').digest('hex');
  const put = (expiresAtMs: number) =>
    rig.gateway.apply([
      { kind: 'key-put', key: { id, workspaceId: WORKSPACE, hash, mayUseGateway: true, expiresAtMs } },
    ]);
  put(Date.now() + 60_000);
  await negotiate(authenticated('default', 'brief'));
  put(Date.now() - 1);
  expect(await negotiate([[TO_TARGET, 14]])).toBe(NEGOTIATED + reply(2));
  expect(rig.gateway.snapshot().authFailures).toEqual([{ labels: ['expired'], value: 1 }]);
});
