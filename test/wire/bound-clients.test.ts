/**
 * Clients that send no credentials: who they are by the listener they came in by or
 * by their address, that what they send always decides, and that a key that is no
 * longer valid closes the door.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Entrance } from '../../src/core/entrance.ts';
import type { ApiKeyId, ApiKeyState, PoolId, WorkspaceId } from '../../src/core/model.ts';
import {
  type GatewayRig, KEY, KEY_ID, plainEntrance, poolState, sessionId, startGatewayRig, WORKSPACE,
} from '../helpers/gateway-rig.ts'; // biome-ignore format: one list
import { GRANTED, greeting, METHOD, REJECTED, reply, request, usernamePassword } from '../helpers/socks-client.ts';
import {
  answerOk,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const OTHER_KEY = '018f8c20-0000-7000-8000-00000000000b' as ApiKeyId;
const NO_KEY = '018f8c20-0000-7000-8000-00000000000c' as ApiKeyId;
const OTHER_WORKSPACE = '018f8c1e-7a2b-7c3d-9e4f-000000000002' as WorkspaceId;
const OTHER_POOL = '018f8c21-2222-7c8c-8ddd-000000000002' as PoolId;

const bound = (apiKeyId: ApiKeyId, selector: string, ...from: string[]): Entrance => ({
  ...plainEntrance,
  binding: { apiKeyId, selector, from },
});
/** By what they are for: their place in `rig.ports`. */
const OPEN = 0;
const BOUND = 1;
const MEANT_FOR_NINE = 2;
const DEAD = 3;
const ENTRANCES = [
  bound(KEY_ID, 'default-session-token-1'),
  bound(KEY_ID, 'default-session-token-2', '127.0.0.9'),
  bound(NO_KEY, 'default'),
];
const CLIENT_RANGES = [
  { range: '127.0.1.0/24', apiKeyId: KEY_ID, selector: 'default-session-token-3' },
  { range: '127.0.1.7', apiKeyId: OTHER_KEY, selector: 'default' },
];

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;
let clients: RawClient[];

const keyOf = (fields: Partial<ApiKeyState> = {}): ApiKeyState => ({
  id: KEY_ID,
  workspaceId: WORKSPACE,
  hash: createHash('sha256').update(KEY).digest('hex'),
  mayUseGateway: true,
  expiresAtMs: null,
  ...fields,
});

beforeEach(async () => {
  clients = [];
  log = recordedLog();
  rig = await startGatewayRig({ entrances: ENTRANCES, clientRanges: CLIENT_RANGES, log });
  upstream = await startRecordingUpstream((recorded, chunk) =>
    (recorded.text.startsWith('CONNECT') ? echoTunnel : answerOk)(recorded, chunk),
  );
  for (const n of [1, 2, 3, 4]) rig.put(n, upstream.port);
  const otherKey = keyOf({ id: OTHER_KEY, workspaceId: OTHER_WORKSPACE, hash: 'ab'.repeat(32) });
  rig.gateway.apply([
    { kind: 'key-put', key: otherKey },
    { kind: 'pool-put', pool: poolState({ id: OTHER_POOL, workspaceId: OTHER_WORKSPACE }) },
  ]);
  rig.put(9, upstream.port, { poolId: OTHER_POOL });
});
afterEach(async () => {
  for (const client of clients) client.close();
  await rig.close();
  await upstream.close();
});

async function connect(entrance: number, from = '127.0.0.1'): Promise<RawClient> {
  const client = await RawClient.connect(rig.ports[entrance]!, from);
  clients.push(client);
  return client;
}

/** A whole answer to a GET with these lines more. */
async function ask(client: RawClient, lines: readonly string[] = []): Promise<string> {
  client.text = '';
  const text = ['GET http://a.test/ HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n');
  return client.send(text).until((c) => /\r\n\r\n[\s\S]/.test(c.text));
}

const statusOf = (answer: string): string => answer.slice('HTTP/1.1 '.length, answer.indexOf('\r\n'));
const sessionOf = (answer: string): string | undefined => /Sallyport-Session: (\S+)/.exec(answer)?.[1];
const identified = () =>
  log.lines.filter(({ message }) => message === 'request').map(({ fields }) => fields.identified_by);
const listener = (entrance: number): string => `listener 127.0.0.1:${rig.ports[entrance]}`;

describe('without credentials', () => {
  test.each<[string, number, string, number | null, (() => string) | null]>([
    ['at an open listener, from nowhere in particular', OPEN, '127.0.0.1', null, null],
    ['at an open listener, from a range', OPEN, '127.0.1.1', 3, () => 'range 127.0.1.0/24'],
    ['at an open listener, from the longer of two ranges', OPEN, '127.0.1.7', 9, () => 'range 127.0.1.7'],
    ['at a bound listener', BOUND, '127.0.0.1', 1, () => listener(BOUND)],
    ['at a bound listener, from a range', BOUND, '127.0.1.1', 1, () => listener(BOUND)],
    ['at a listener that is meant for it', MEANT_FOR_NINE, '127.0.0.9', 2, () => listener(MEANT_FOR_NINE)],
    ['at a listener that is meant for others', MEANT_FOR_NINE, '127.0.0.8', null, null],
    [
      'at a listener that is meant for others, from a range',
      MEANT_FOR_NINE,
      '127.0.1.1',
      3,
      () => 'range 127.0.1.0/24',
    ],
  ])('%s', async (_, entrance, from, session, rule) => {
    const answer = await ask(await connect(entrance, from));
    expect(statusOf(answer)).toBe(session === null ? '407 auth_required' : '200 OK');
    expect(sessionOf(answer)).toBe(session === null ? undefined : sessionId(session));
    expect(identified()).toEqual([rule?.()]);
    expect(upstream.received() !== '').toBe(session !== null);
  });

  test('the record of a request says which rule it was', async () => {
    const answer = await ask(await connect(BOUND));
    const id = /Sallyport-Request-Id: (\S+)/.exec(answer)![1]!;
    expect(rig.gateway.findRequest(id)).toMatchObject({ keyId: KEY_ID, identifiedBy: listener(BOUND) });
    const sent = await ask(await connect(BOUND), [`Proxy-Authorization: ${rig.authorization()}`]);
    const other = /Sallyport-Request-Id: (\S+)/.exec(sent)![1]!;
    expect(rig.gateway.findRequest(other)).toMatchObject({ keyId: KEY_ID, identifiedBy: 'credentials' });
  });

  test('a CONNECT is bound as well', async () => {
    const client = await connect(BOUND);
    await client
      .send('CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n')
      .until((c) => c.text.endsWith('\r\n\r\n'));
    expect(sessionOf(client.text)).toBe(sessionId(1));
    await client.send('ping').until((c) => c.text.endsWith('ping'));
  });

  test("a Proxy-Selector of the client's own is refused: what is asked for is the operator's word", async () => {
    const client = await connect(BOUND);
    expect(statusOf(await ask(client, ['Proxy-Selector: session=token-4']))).toBe('400 selector_invalid');
    expect(upstream.received()).toBe('');
    const again = await connect(BOUND);
    const lines = [`Proxy-Authorization: ${rig.authorization()}`, 'Proxy-Selector: session=token-4'];
    expect(sessionOf(await ask(again, lines))).toBe(sessionId(4));
  });
});

describe('credentials decide, wherever they are sent', () => {
  test.each([
    ['a bound listener', BOUND, '127.0.0.1'],
    ['a range', OPEN, '127.0.1.1'],
    ['a listener whose binding has no key', DEAD, '127.0.0.1'],
  ])('at %s', async (_, entrance, from) => {
    const good = await ask(await connect(entrance, from), [
      `Proxy-Authorization: ${rig.authorization('default-session-token-4')}`,
    ]);
    expect([statusOf(good), sessionOf(good)]).toEqual(['200 OK', sessionId(4)]);
    for (const wrong of ['Basic eDp5', 'Basic', 'Bearer nonsense', '']) {
      const answer = await ask(await connect(entrance, from), [`Proxy-Authorization: ${wrong}`]);
      expect(statusOf(answer)).toBe('407 auth_failed');
    }
    expect(identified()).toEqual(['credentials', ...Array(4).fill(undefined)]);
  });
});

describe('the key of a binding', () => {
  const revoke = () => rig.gateway.apply([{ kind: 'key-gone', hash: keyOf().hash }]);
  const CHANGES: [string, () => void][] = [
    ['that is revoked', revoke],
    ['that expires', () => rig.gateway.apply([{ kind: 'key-put', key: keyOf({ expiresAtMs: Date.now() - 1 }) }])],
    ['that loses its power', () => rig.gateway.apply([{ kind: 'key-put', key: keyOf({ mayUseGateway: false }) }])],
  ];

  test.each(CHANGES)('%s closes the door at the next request of the same connection', async (_, change) => {
    const client = await connect(BOUND);
    expect(statusOf(await ask(client))).toBe('200 OK');
    change();
    expect(statusOf(await ask(client))).toBe('407 auth_failed');
    expect(statusOf(await ask(await connect(OPEN, '127.0.1.1')))).toBe('407 auth_failed');
    expect(rig.counted('auth_failed')).toBe(2);
  });

  test.each(CHANGES.filter(([what]) => what !== 'that expires'))('%s cuts its tunnels', async (_, change) => {
    const client = await connect(BOUND);
    await client
      .send('CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n')
      .until((c) => c.text.endsWith('\r\n\r\n'));
    change();
    await eventually('it is cut', () => client.failed);
  });

  test('that is put back opens it again', async () => {
    revoke();
    const client = await connect(BOUND);
    expect(statusOf(await ask(client))).toBe('407 auth_failed');
    rig.gateway.apply([{ kind: 'key-put', key: keyOf() }]);
    expect(statusOf(await ask(await connect(BOUND)))).toBe('200 OK');
  });

  test('that nobody has is auth_failed, and counts as one', async () => {
    expect(statusOf(await ask(await connect(DEAD)))).toBe('407 auth_failed');
    expect(rig.gateway.snapshot().authFailures).toEqual([{ labels: ['unknown'], value: 1 }]);
  });
});

describe('SOCKS5', () => {
  const toTarget = request('a.test', 443);

  test.each([
    ['a bound listener', BOUND, '127.0.0.1', 1],
    ['a range', OPEN, '127.0.1.1', 3],
  ])('a client that offers no method but none is known at %s', async (_, entrance, from, session) => {
    const client = await connect(entrance, from);
    client.send(greeting(0) + toTarget);
    const opened = METHOD.none + GRANTED;
    expect(await client.until((c) => c.text.length >= opened.length)).toBe(opened);
    await client.send('ping').until((c) => c.text.endsWith('ping'));
    client.close();
    await eventually('it is told', () => log.lines.some(({ message }) => message === 'request'));
    expect(log.lines.find(({ message }) => message === 'request')!.fields).toMatchObject({
      session_id: sessionId(session),
    });
    expect(identified()).toEqual([entrance === BOUND ? listener(BOUND) : 'range 127.0.1.0/24']);
  });

  test('a client that offers a password is asked for it, and it decides', async () => {
    const good = await connect(BOUND);
    good.send(greeting(0, 2) + usernamePassword('default-session-token-4', KEY) + toTarget);
    await good.until((c) => c.text.endsWith(GRANTED));
    expect(good.text.startsWith(METHOD.password)).toBe(true);
    const wrong = await connect(BOUND);
    expect(await wrong.send(greeting(0, 2) + usernamePassword('default', 'wrong')).untilEnd()).toBe(
      METHOD.password + REJECTED,
    );
  });

  test('nobody is let in where the key is gone, before or after the greeting', async () => {
    const dead = await connect(DEAD);
    expect(await dead.send(greeting(0)).untilEnd()).toBe(METHOD.unacceptable);
    const client = await connect(BOUND);
    await client.send(greeting(0)).until((c) => c.text === METHOD.none);
    rig.gateway.apply([{ kind: 'key-gone', hash: keyOf().hash }]);
    expect(await client.send(toTarget).untilEnd()).toBe(METHOD.none + reply(2));
    expect(rig.counted('auth_failed')).toBe(2);
    expect(upstream.received()).toBe('');
  });

  test('nobody is let in where nothing is bound', async () => {
    const client = await connect(MEANT_FOR_NINE, '127.0.0.8');
    expect(await client.send(greeting(0)).untilEnd()).toBe(METHOD.unacceptable);
    expect(rig.counted('auth_required')).toBe(1);
  });
});
