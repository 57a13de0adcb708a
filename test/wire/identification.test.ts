/**
 * Who may use the gateway, and what the username asks for: each accepted form,
 * one and the same 407 for every other (A01–A09), and the selector's grammar at
 * the front door.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ApiKeyId, PoolId, WorkspaceId } from '../../src/core/model.ts';
import { type GatewayRig, KEY, poolState, sessionId, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const OTHER = '018f8c1e-7a2b-7c3d-9e4f-000000000002' as WorkspaceId;
const WEB = '018f8c21-2222-7c8c-8ddd-000000000003' as PoolId;

let rig: GatewayRig;
let upstream: RecordingUpstream;

function putKey(
  raw: string,
  fields: { workspaceId?: WorkspaceId; mayUseGateway?: boolean; expiresAtMs?: number | null } = {},
): void {
  const id = `018f8c20-0000-7000-8000-${createHash('sha256').update(raw).digest('hex').slice(0, 12)}` as ApiKeyId;
  const hash = createHash('sha256').update(raw).digest('hex');
  rig.gateway.apply([
    { kind: 'key-put', key: { id, workspaceId: WORKSPACE, hash, mayUseGateway: true, expiresAtMs: null, ...fields } },
  ]);
}

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.gateway.apply([{ kind: 'pool-put', pool: poolState({ id: WEB, name: 'web-eu' }) }]);
  for (let n = 1; n <= 4; n++) rig.put(n, upstream.port);
  rig.put(9, upstream.port, { poolId: WEB });
  putKey('powerless', { mayUseGateway: false });
  putKey('expired', { expiresAtMs: Date.now() - 1 });
  putKey('elsewhere', { workspaceId: OTHER });
});
beforeEach(() => upstream.reset());
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

/** The answer's head to a GET with these lines. */
async function ask(lines: string[]): Promise<string> {
  const client = await RawClient.connect(rig.port);
  await client
    .send(['GET http://a.test/ HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n'))
    .until((c) => /\r\n\r\n[\s\S]+/.test(c.text));
  client.close();
  return client.text;
}
const basic = (pair: string): string => `Proxy-Authorization: Basic ${Buffer.from(pair, 'latin1').toString('base64')}`;
const sessionOf = (answer: string): string | undefined => /Sallyport-Session: (\S+)/.exec(answer)?.[1];

describe('accepted', () => {
  test.each([
    ['username and key', [basic(`default:${KEY}`)]],
    ['empty username and key', [basic(`:${KEY}`)]],
    ['the key as username, empty password', [basic(`${KEY}:`)]],
    ['basic in any case', [basic(`default:${KEY}`).replace('Basic', 'bAsIc')]],
    ['base64 without padding', [basic(`default:${KEY}`).replace(/=+$/, '')]],
    ['Bearer', [`Proxy-Authorization: Bearer ${KEY}`]],
    ['Bearer with a selector', [`Proxy-Authorization: bearer ${KEY}`, 'Proxy-Selector: session=a; pool=default']],
  ])('%s', async (_, lines) => {
    expect(await ask(lines)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(upstream.received()).toContain('GET');
  });
});

describe('everything else is one and the same 407', () => {
  const REFUSED: [string, string[]][] = [
    ['an unknown key', [basic('default:unknown')]],
    ['a key without the permission', [basic('default:powerless')]],
    ['an expired key', [basic('default:expired')]],
    ['the key with a blank behind', [basic(`default:${KEY} `)]],
    ['an empty password and username', [basic(':')]],
    ['no colon', [basic(KEY)]],
    ['no parameter', ['Proxy-Authorization: Basic']],
    ['an empty parameter', ['Proxy-Authorization: Basic ']],
    ['no base64', ['Proxy-Authorization: Basic !!!']],
    ['base64url', ['Proxy-Authorization: Basic _-8=']],
    ['octets that are no UTF-8', [basic('\xff\xfe:\xff')]],
    ['Digest', ['Proxy-Authorization: Digest username="x"']],
    ['two schemes in one value', [`Proxy-Authorization: Bearer ${KEY}, Basic eDp5`]],
    ['an empty value', ['Proxy-Authorization:']],
    ['a value of 15 KiB', [`Proxy-Authorization: Basic ${'QUFB'.repeat(3_500)}`]],
  ];
  const EXPECTED =
    'HTTP/1.1 407 auth_failed\r\nContent-Type: text/plain\r\nContent-Length: 43\r\nX-Content-Type-Options: nosniff\r\n' +
    'Cache-Control: no-store\r\nProxy-Authenticate: Basic realm="sallyport"\r\nSallyport-Request-Id: ID\r\n' +
    'Proxy-Status: sallyport; error=http_request_denied; details="auth_failed"\r\nConnection: keep-alive\r\n\r\n' +
    'The proxy credentials were not accepted.\n';
  test.each(REFUSED)('%s', async (_, lines) => {
    const answer = (await ask(lines)).replace(/Request-Id: \S+/, 'Request-Id: ID');
    expect(answer).toBe(EXPECTED.replace('43', String(answer.split('\r\n\r\n')[1]!.length)));
    expect(upstream.received()).toBe('');
  });

  test.each([
    ['nothing at all', []],
    ['the key in Authorization', [`Authorization: Bearer ${KEY}`]],
    ['the key in a cookie', [`Cookie: key=${KEY}`]],
  ])('%s is auth_required', async (_, lines) => {
    expect(await ask(lines)).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
    expect(upstream.received()).toBe('');
  });

  test('two of them are a bad request', async () => {
    expect(await ask([basic(`default:${KEY}`), basic(`default:${KEY}`)])).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
  });
});

test('a key of another workspace finds none of our pools', async () => {
  expect(await ask([basic('default:elsewhere')])).toMatch(/^HTTP\/1\.1 403 pool_unknown\r\n/);
  expect(await ask([basic('web-eu-session-token-9:elsewhere')])).toMatch(/^HTTP\/1\.1 403 pool_unknown\r\n/);
});

test('a key is checked on every request of a connection', async () => {
  putKey('brief');
  const client = await RawClient.connect(rig.port);
  const request = `GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n${basic('default:brief')}\r\n\r\n`;
  await client.send(request).until((c) => c.text.endsWith('ok'));
  client.text = '';
  rig.gateway.apply([{ kind: 'key-gone', hash: createHash('sha256').update('brief').digest('hex') }]);
  await client.send(request).until((c) => c.text.includes('accepted.'));
  expect(client.text).toMatch(/^HTTP\/1\.1 407 auth_failed\r\n/);
  client.close();
});

describe('the username', () => {
  test.each([
    ['', 200], ['default', 200], ['web-eu', 200], ['web-eu-session-x', 200], ['default-sessid-x', 200], ['-session-x', 200],
    ['default-session-a.b_c~d-e', 200], ['default-session-a%2Db', 200], [`default-session-${'x'.repeat(128)}`, 200],
    ['unknown', 403], ['web-eu-foo-bar', 403],
    ['default-session-', 400], [`default-session-${'x'.repeat(129)}`, 400], ['default-session-a b', 400], ['default-session-a@b', 400],
    ['default-session-%0d%0a', 400], ['default-session-../', 400], ['default-session-a%252Db', 400], ['default-session-%zz', 400],
    ['default-session-\xe9', 400], ['default-session-a-session-b', 400], ['default-session-a-sessid-b', 400],
    ['DEFAULT', 400], ['def ault', 400], ['-default', 400], ['default-country-', 400],
  ])('%j → %i', async (username, status) => {
    expect((await ask([basic(`${username}:${KEY}`)])).slice(9, 12)).toBe(String(status));
  }); // biome-ignore format: one table

  test('a sticky key keeps its session, and a live token is that session', async () => {
    const first = sessionOf(await ask([basic(`default-session-abc:${KEY}`)]));
    for (let i = 0; i < 8; i++) expect(sessionOf(await ask([basic(`default-session-abc:${KEY}`)]))).toBe(first);
    for (let n = 1; n <= 4; n++)
      expect(sessionOf(await ask([basic(`default-session-token-${n}:${KEY}`)]))).toBe(sessionId(n));
  });
});

describe('Proxy-Selector', () => {
  test('wins over the username and is never forwarded', async () => {
    const answer = await ask([basic(`default-session-token-1:${KEY}`), 'Proxy-Selector: session=token-3']);
    expect(sessionOf(answer)).toBe(sessionId(3));
    expect(sessionOf(await ask([basic(`default:${KEY}`), 'proxy-selector: pool = web-eu ; SESSION=x']))).toBe(
      sessionId(9),
    );
    expect(upstream.received()).not.toMatch(/selector/i);
  });

  test.each([
    '',
    'session',
    'session=',
    'session=a;session=b',
    'pool=a;pool=b',
    'pool=No',
    'foo=bar',
    'session=a b',
    `session=a;${' '.repeat(2_000)}`,
  ])('%j → selector_invalid', async (value) => {
    expect(await ask([basic(`default:${KEY}`), `Proxy-Selector: ${value}`])).toMatch(
      /^HTTP\/1\.1 400 selector_invalid\r\n/,
    );
  });
});
