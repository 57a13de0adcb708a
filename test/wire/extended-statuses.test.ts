/**
 * `errorStatus: extended`: on such a listener the numbers of proxy-chain in place of
 * 502 and 504, and nothing else is another; on the listener beside it nothing is.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause, EXTENDED_STATUSES } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type GatewayRig, plainEntrance, startGatewayRig } from '../helpers/gateway-rig.ts';
import { answering, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { startBlackhole } from '../helpers/wire-blackhole.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const GET = 'GET http://a.test/';
const CONNECT = 'CONNECT a.test:443';

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;

/** A gateway with these bounds in place of the one there is. */
async function restart(limits: Partial<GatewayLimits>): Promise<void> {
  await rig?.close();
  rig = await startGatewayRig({ limits, entrances: [{ ...plainEntrance, errorStatus: 'extended' }], log });
  rig.put(1, upstream.port);
}

beforeEach(async () => {
  log = recordedLog();
  upstream = await startRecordingUpstream();
  await restart({});
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

async function ask(port: number, line: string): Promise<string> {
  const client = await RawClient.connect(port);
  await client.send(rig.head(line)).until((c) => /\r\n\r\n[\s\S]*\n$/.test(c.text));
  client.close();
  return client.text;
}

type Produce = () => (() => unknown) | undefined | Promise<(() => unknown) | undefined>;
const answers =
  (octets: string): Produce =>
  () =>
    void upstream.behave(answering(octets));
/** An upstream that accepts and says nothing, at a gateway that does not wait long. */
const silent =
  (limits: Partial<GatewayLimits>): Produce =>
  async () => {
    upstream.behave(() => undefined);
    await restart(limits);
    return undefined;
  };
const dials =
  (scheme: 'http' | 'https', host: string, port = 1): Produce =>
  () =>
    void rig.put(1, 1, { endpoint: { scheme, host, port: port === 0 ? upstream.port : port } });

const PRODUCED: [Cause, number, string, Produce][] = [
  ['upstream_denied_target', 590, CONNECT, answers('HTTP/1.1 403 x\r\n\r\n')],
  ['target_unreachable', 590, CONNECT, answers('HTTP/1.1 503 x\r\n\r\n')],
  ['upstream_protocol', 592, GET, answers('garbage\r\n\r\n')],
  ['upstream_dns', 593, GET, dials('http', `${'l'.repeat(64)}.invalid`)],
  ['upstream_refused', 594, GET, async () => {
    const gone = await startRecordingUpstream();
    await gone.close();
    rig.put(1, gone.port);
    return undefined;
  }],
  ['upstream_reset', 595, GET, () => void upstream.behave(({ socket }) => socket.end())],
  ['upstream_auth_failed', 597, GET, answers('HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n')],
  ['upstream_unreachable', 599, GET, dials('http', '255.255.255.255')],
  ['upstream_connect_timeout', 599, GET, async () => {
    await restart({ connectTimeoutMs: 100 });
    const blackhole = await startBlackhole();
    rig.put(1, blackhole.port);
    return () => blackhole.close();
  }],
  ['upstream_reply_timeout', 599, CONNECT, silent({ connectReplyTimeoutMs: 100 })],
  ['upstream_tls', 599, GET, () => {
    upstream.behave(({ socket }) => socket.write('HTTP/1.1 400 this is no TLS\r\n\r\n'));
    return dials('https', '127.0.0.1', 0)();
  }],
  ['first_byte_timeout', 599, GET, silent({ firstByteTimeoutMs: 100 })],
]; // biome-ignore format: one table

describe('the number is another, and nothing else', () => {
  test.each(PRODUCED)('%s: %i', async (cause, status, line, produce) => {
    const after = await produce();
    const [plain, extended] = [await ask(rig.ports[0]!, line), await ask(rig.ports[1]!, line)];
    expect(plain.split('\r\n')[0]).toBe(`HTTP/1.1 ${CAUSES[cause].status} ${cause}`);
    expect(extended.split('\r\n')[0]).toBe(`HTTP/1.1 ${status} ${cause}`);
    const rest = (answer: string) => answer.slice(answer.indexOf('\r\n')).replace(/Request-Id: \S+/, '');
    expect(rest(extended)).toBe(rest(plain));
    const lines = log.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields);
    expect(lines.map((fields) => [fields.cause, fields.status])).toEqual([
      [cause, CAUSES[cause].status],
      [cause, status],
    ]);
    expect(rig.counted(cause)).toBe(2);
    await after?.();
  });

  test('every cause that is a 502 or a 504 has one, no other has, and each is produced here', () => {
    const gateways = (Object.keys(CAUSES) as Cause[]).filter((cause) => [502, 504].includes(CAUSES[cause].status));
    expect(Object.keys(EXTENDED_STATUSES).sort()).toEqual(gateways.sort());
    expect(Object.fromEntries(PRODUCED.map(([cause, status]) => [cause, status]))).toEqual(EXTENDED_STATUSES);
  });
});

test.each([
  ['407 auth_required', 'GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['400 bad_request', 'GET / HTTP/1.1\r\n\r\n'],
  ['405 method_unsupported', 'TRACE http://a.test/ HTTP/1.1\r\n\r\n'],
])('%s stays what it is', async (line, head) => {
  const client = await RawClient.connect(rig.ports[1]!);
  await client.send(head).until((c) => c.text.includes('\r\n\r\n'));
  expect(client.text.split('\r\n')[0]).toBe(`HTTP/1.1 ${line}`);
  client.close();
});

test('pool_empty is 503 there too', async () => {
  rig.remove(1);
  expect((await ask(rig.ports[1]!, GET)).split('\r\n')[0]).toBe('HTTP/1.1 503 pool_empty');
});
