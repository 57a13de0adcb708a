/**
 * What a client that speaks SOCKS5 is told when it gets no tunnel: every cause that it can
 * meet, by its reply code (RFC 1928 section 6), its log line and its count.
 */
import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { CAUSES, type Cause, SOCKS_REPLIES } from '../../src/core/cause.ts';
import { type GatewayRig, KEY, startGatewayRig } from '../helpers/gateway-rig.ts';
import { ACCEPTED, greeting, METHOD, reply, request, usernamePassword } from '../helpers/socks-client.ts';
import { TROUBLES, type Trouble, type Undo } from '../helpers/troubles.ts';
import { answerOk, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const NEGOTIATED = METHOD.password + ACCEPTED;

interface Row extends Omit<Trouble, 'meets'> {
  /** In place of a request to `a.test`. */
  readonly sends?: string;
  /** Done between the negotiation and the request. */
  readonly between?: (rig: GatewayRig) => void;
}

/** What only SOCKS5 can get wrong, or only in its own way. */
const OWN: [Cause, number, string, Row][] = [
  ['method_unsupported', 7, 'BIND', { sends: request('a.test', 443, 2) }],
  ['method_unsupported', 7, 'UDP ASSOCIATE', { sends: request('a.test', 443, 3) }],
  ['bad_request', 8, 'an unknown address type', { sends: '\x05\x01\x00\x09' }],
  ['bad_request', 1, 'port 0', { sends: request('a.test', 0) }],
  ['bad_request', 1, 'a host that is none', { sends: request('a b', 443) }],
  ['head_timeout', 6, 'half a request', { limits: { headTimeoutMs: 100 }, sends: '\x05\x01' }],
  ['auth_failed', 2, 'a key that is revoked between the negotiation and the request', {
    between: ({ gateway }) =>
      gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update(KEY).digest('hex') }]),
  }],
]; // biome-ignore format: one table

const OF_TROUBLES: [keyof typeof TROUBLES, number][] = [
  ['selector_invalid', 2],
  ['pool_unknown', 2],
  ['pool_disabled', 1],
  ['destination_denied', 2],
  ['loop_detected', 2],
  ['limit_reached', 1],
  ['overloaded', 1],
  ['draining', 1],
  ['pool_empty', 1],
  ['pool_unhealthy', 1],
  ['session_unavailable', 1],
  ['upstream_dns', 4],
  ['upstream_refused', 5],
  ['upstream_reset', 1],
  ['upstream_unreachable', 3],
  ['upstream_connect_timeout', 6],
  ['upstream_reply_timeout', 6],
  ['upstream_tls', 1],
  ['upstream_auth_failed', 1],
  ['upstream_protocol', 1],
  ['upstream_denied_target', 2],
  ['target_unreachable', 4],
  ['internal', 1],
];

const ROWS = [
  ...OWN,
  ...OF_TROUBLES.map(([cause, code]): [Cause, number, string, Row] => [cause, code, 'as any client', TROUBLES[cause]]),
];

/** Causes that no reply tells, with the reason. */
const NEVER: Partial<Record<Cause, string>> = {
  head_too_large: 'its messages have lengths of their own',
  version_unsupported: 'another first octet is another protocol',
  body_too_large: 'it has no bodies',
  body_timeout: 'it has no bodies',
  expect_unsupported: 'it has no expectations',
  auth_required: 'refused by the answer to its greeting',
  first_byte_timeout: 'its tunnel is open by then',
  idle_timeout: 'its tunnel is cut',
  response_truncated: 'its tunnel is cut',
  revoked: 'its tunnel is cut',
  client_gone: 'nobody is left to be told',
};

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let client: RawClient;
let undo: Undo | undefined;

afterEach(async () => {
  client.close();
  await undo?.();
  await rig.close();
  await upstream.close();
});

/** The trouble is there before the client comes, as in `causes.test.ts`. */
async function produce({ limits, prepare, username = 'default', between, sends, meanwhile }: Row): Promise<void> {
  log = recordedLog();
  rig = await startGatewayRig({ ...(limits && { limits }), log });
  upstream = await startRecordingUpstream(answerOk);
  rig.put(1, upstream.port);
  undo = await prepare?.({ rig, upstream });
  client = await RawClient.connect(rig.port);
  client.send(greeting(0, 2) + usernamePassword(username, KEY));
  await client.until((c) => c.text.length >= NEGOTIATED.length);
  between?.(rig);
  client.send(sends ?? request('a.test', 443));
  await meanwhile?.({ rig, upstream });
}

test.each(ROWS)('%s: reply %i (%s)', async (cause, code, _, row) => {
  const { status, fault } = CAUSES[cause];
  await produce(row);
  expect(await client.untilEnd()).toBe(NEGOTIATED + reply(code));
  if (row.prepare === undefined) expect(upstream.received()).toBe('');
  expect(rig.counted(cause)).toBe(1);
  const lines = log.lines.filter(({ fields }) => fields.cause === cause);
  expect(lines).toMatchObject([
    { message: 'request', fields: { kind: 'connect', status, bytes_in: NEGOTIATED.length + reply(code).length } },
  ]);
  const outcome = rig.gateway.snapshot().requests.filter(({ labels }) => labels[2] === fault);
  expect(outcome.reduce((sum, { value }) => sum + value, 0)).toBe(1);
});

test('every cause has its reply here, which is the one that the catalogue tells, or is never told by one', () => {
  const told = ROWS.filter(([, code]) => code !== 8).map(([cause, code]) => [cause, code]);
  expect([...new Set(told.map(([cause]) => cause)), ...Object.keys(NEVER)].sort()).toEqual(Object.keys(CAUSES).sort());
  expect(SOCKS_REPLIES).toMatchObject(Object.fromEntries(told));
  const tunnels = (Object.entries(TROUBLES) as [Cause, Trouble][]).filter(([, { meets }]) => meets.includes('CONNECT'));
  expect(OF_TROUBLES.map(([cause]) => cause)).toEqual(tunnels.map(([cause]) => cause));
});
