/**
 * `errorStatus: extended`: on such a listener the numbers of proxy-chain in place of
 * 502 and 504, and nothing else is another; on the listener beside it nothing is.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAUSES, type Cause, EXTENDED_STATUSES } from '../../src/core/cause.ts';
import type { GatewayLimits } from '../../src/core/limits.ts';
import { type GatewayRig, plainEntrance, startGatewayRig } from '../helpers/gateway-rig.ts';
import { TROUBLES, type Trouble } from '../helpers/troubles.ts';
import { RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
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

const NUMBERS: [keyof typeof TROUBLES & Cause, number][] = [
  ['upstream_denied_target', 590],
  ['target_unreachable', 590],
  ['upstream_protocol', 592],
  ['upstream_dns', 593],
  ['upstream_refused', 594],
  ['upstream_reset', 595],
  ['upstream_auth_failed', 597],
  ['upstream_unreachable', 599],
  ['upstream_connect_timeout', 599],
  ['upstream_reply_timeout', 599],
  ['upstream_tls', 599],
  ['first_byte_timeout', 599],
];

describe('the number is another, and nothing else', () => {
  test.each(NUMBERS)('%s: %i', async (cause, status) => {
    const trouble: Trouble = TROUBLES[cause];
    await restart(trouble.limits ?? {});
    const undo = await trouble.prepare?.({ rig, upstream });
    const line = trouble.meets[0] === 'GET' ? GET : CONNECT;
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
    await undo?.();
  });

  test('every cause that is a 502 or a 504 has one, no other has, and each is here', () => {
    const gateways = (Object.keys(CAUSES) as Cause[]).filter((cause) => [502, 504].includes(CAUSES[cause].status));
    expect(Object.keys(EXTENDED_STATUSES).sort()).toEqual(gateways.sort());
    expect(Object.fromEntries(NUMBERS)).toEqual(EXTENDED_STATUSES);
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
