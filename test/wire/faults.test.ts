/**
 * Faults of our own (R15): a throw in the phases of one request, or at the start of its relay, is
 * that request's end and nobody else's; one line says where, without a word of the request.
 * A throw anywhere else ends the process (`process.test.ts`).
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AddressGuard } from '../../gateway/address-guard.ts';
import { enterPhases } from '../../gateway/admission.ts';
import { Credentials } from '../../gateway/credentials.ts';
import type { Exchange } from '../../gateway/exchange.ts';
import { UpstreamPool } from '../../gateway/upstream-pool.ts';
import { UpstreamTls } from '../../gateway/upstream-tls.ts';
import { Via } from '../../gateway/via.ts';
import { CAUSES } from '../../src/core/cause.ts';
import { Directory } from '../../src/core/pool-index/directory.ts';
import { type GatewayRig, KEY, sessionId, startGatewayRig } from '../helpers/gateway-rig.ts';
import { ACCEPTED, greeting, METHOD, reply, request, usernamePassword } from '../helpers/socks-client.ts';
import { reportOf } from '../helpers/usage-report.ts';
import {
  answerOk, echoTunnel, eventually, RawClient, type RecordingUpstream, startRecordingUpstream,
} from '../helpers/wire.ts'; // biome-ignore format: one list
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const GET = 'GET http://a.test/';
const CONNECT = 'CONNECT a.test:443';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket'];

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
/** Somebody else, with a tunnel. */
let other: RawClient;
let client: RawClient;

beforeEach(async () => {
  log = recordedLog();
  rig = await startGatewayRig({ log });
  upstream = await startRecordingUpstream((recorded, chunk) =>
    (recorded.text.startsWith('CONNECT') ? echoTunnel : answerOk)(recorded, chunk),
  );
  rig.put(1, upstream.port);
  other = await RawClient.connect(rig.port);
  await other.send(rig.head(CONNECT)).until((c) => c.text.endsWith('\r\n\r\n'));
  client = await RawClient.connect(rig.port);
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const one of [client, other]) one.close();
  await rig.close();
  await upstream.close();
});

/** A method of a part of the gateway throws when it is called next: an error that quotes the request, with a cause. */
function breaks<Part extends object>(part: Part, method: keyof Part): () => void {
  return () => {
    vi.spyOn(part, method as never).mockImplementationOnce((() => {
      throw new TypeError('cannot read a.test', { cause: new RangeError('secret of a.test') });
    }) as never);
  };
}

const faultLines = () => log.lines.filter(({ message }) => message === 'a request met a fault of ours');
const requestLines = () => log.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields);

const noSlotIsHeld = () =>
  eventually('no slot is held', () => Object.values(rig.gateway.holdings().slots).every((slot) => slot === 0));

async function expectNothingElseHurt(): Promise<void> {
  await other.send('still').until((c) => c.text.endsWith('still'));
  client.close();
  other.close();
  await noSlotIsHeld();
  expect(rig.gateway.holdings()).toMatchObject({
    clientConnections: 0, inFlight: 0, placed: 0, tunnels: 0, idleUpstreams: 0,
  }); // biome-ignore format: one list
  const next = await RawClient.connect(rig.port);
  await next.send(rig.head(GET)).until((c) => c.text.endsWith('ok'));
  next.close();
}

function expectOneFault(fields: Readonly<Record<string, unknown>>): void {
  expect(rig.counted('internal')).toBe(1);
  expect(requestLines().filter(({ cause }) => cause === 'internal')).toMatchObject([{ status: 500, ...fields }]);
  const id = requestLines().find(({ cause }) => cause === 'internal')!.request_id;
  expect(faultLines()).toMatchObject([{
    fields: { request_id: id, error: [{ name: 'TypeError' }, { name: 'RangeError' }] },
  }]); // biome-ignore format: one line
  const [{ stack } = { stack: [] }] = faultLines()[0]!.fields.error as { stack: string[] }[];
  expect(stack[0]).toMatch(/^at .*faults\.test\.ts:\d+/);
  expect(JSON.stringify(faultLines())).not.toMatch(/a\.test:443|a\.test\/|cannot read|secret/);
}

describe('one request ends with `internal`, and its connection', () => {
  const cases: [string, () => void, string, readonly string[], Record<string, unknown>][] = [
    ['its credentials are read', breaks(Credentials.prototype, 'identify'), GET, [], { stage: 'head' }],
    ['its pool is looked up', breaks(Directory.prototype, 'findPool'), GET, [], { stage: 'select' }],
    ['its head is looked through, with a slot and a session', breaks(Via.prototype, 'isLoop'), GET, [], { stage: 'resolve', session_id: sessionId(1) }],
    ['the tunnel was admitted', breaks(Via.prototype, 'isLoop'), CONNECT, [], { stage: 'resolve' }],
    ['its relay starts', breaks(UpstreamPool.prototype, 'take'), GET, [], { stage: 'resolve' }],
    ['an upgrade starts', breaks(UpstreamPool.prototype, 'take'), GET, UPGRADE, { stage: 'resolve' }],
    ['its upstream is dialled', breaks(AddressGuard.prototype, 'literal'), GET, [], { stage: 'dial', attempts: 1 }],
    ['its tunnel is dialled', breaks(AddressGuard.prototype, 'literal'), CONNECT, [], { stage: 'dial', attempts: 1 }],
    ['an upgrade is dialled', breaks(AddressGuard.prototype, 'literal'), GET, UPGRADE, { stage: 'dial', attempts: 1 }],
  ]; // biome-ignore format: one table

  test.each(cases)('when we fail as %s', async (_, breakIt, line, lines, fields) => {
    breakIt();
    await client.send(rig.head(line, lines)).untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 500 internal\r\n/);
    expect(client.text).toContain('\r\nConnection: close\r\n');
    expect(client.text.endsWith(`\r\n\r\n${CAUSES.internal.sentence}\n`)).toBe(true);
    expectOneFault(fields);
    await expectNothingElseHurt();
  });

  test('when its TLS cannot be made', async () => {
    other.close();
    rig.put(1, 1, { endpoint: { scheme: 'https', host: '127.0.0.1', port: upstream.port } });
    breaks(UpstreamTls.prototype, 'secure')();
    await client.send(rig.head(GET)).untilEnd();
    expect(client.text).toMatch(/^HTTP\/1\.1 500 internal\r\n/);
    expectOneFault({ stage: 'dial' });
    client.close();
    await noSlotIsHeld();
  });

  test('with a request behind it that nobody answers', async () => {
    breaks(Directory.prototype, 'findPool')();
    await client.send(rig.head(GET) + rig.head(GET)).untilEnd();
    expect(client.text.split('HTTP/1.1 ')).toHaveLength(2);
    expect(upstream.connections).toHaveLength(1);
    await expectNothingElseHurt();
  });

  test('on a kept connection to the upstream, which is not used again', async () => {
    await client.send(rig.head(GET)).until((c) => c.text.endsWith('ok'));
    expect(rig.gateway.holdings().idleUpstreams).toBe(1);
    // What a head is written with is asked for when the connection is the request's already.
    rig.putPool({ via: true });
    breaks(Via.prototype, 'line')();
    await client.send(rig.head(GET)).untilEnd();
    expect(client.text).toContain('HTTP/1.1 500 internal\r\n');
    await eventually('the upstream is left', () => upstream.connections.at(-1)!.socket.destroyed);
    expectOneFault({ attempts: 0 });
    await expectNothingElseHurt();
  });

  test.each<[string, () => void, Record<string, unknown>]>([
    ['admitted', breaks(Directory.prototype, 'findPool'), { stage: 'select' }],
    ['dialled', breaks(AddressGuard.prototype, 'literal'), { stage: 'dial' }],
  ])('in the words of SOCKS5, when we fail as it is %s', async (_, breakIt, fields) => {
    const negotiated = METHOD.password + ACCEPTED;
    client.send(greeting(2) + usernamePassword('default', KEY));
    await client.until((c) => c.text.length === negotiated.length);
    breakIt();
    await client.send(request('a.test', 443)).untilEnd();
    expect(client.text).toBe(negotiated + reply(1));
    expectOneFault({ kind: 'connect', ...fields });
    await expectNothingElseHurt();
  });
});

test('what it moved is booked, to the octet, as a request that failed', async () => {
  await reportOf(rig.gateway);
  breaks(AddressGuard.prototype, 'literal')();
  await client.send(rig.head(GET)).untilEnd();
  const report = await reportOf(rig.gateway);
  expect(report).toMatchObject([{ requestCount: 1, errorCount: 1, bytesOut: 0, bytesIn: client.text.length }]);
});

test('a throw behind the end of the request is none of its own', () => {
  const fault = new Error('counted twice');
  const ended = { id: '1', finished: true, stage: 'relay' } as Exchange;
  const entrant = {
    enter: () => {
      throw fault;
    },
  };
  expect(() => enterPhases(null as never, entrant, GET, ended)).toThrow(fault);
});
