/**
 * What a client is told whose selector is not understood: a 400 that names the key, in a
 * fixed sentence, by every way of asking; and nothing of what it sent, in the answer or in the log.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, KEY, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { ACCEPTED, greeting, METHOD, reply, request, usernamePassword } from '../helpers/socks-client.ts';
import { converse, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

/** In every value that is refused here. */
const CANARY = 'cAnArY';

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  log = recordedLog();
  rig = await startGatewayRig({ log });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => {
  upstream.reset();
  log.lines.length = 0;
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

async function ask(line: string, username: string, lines: readonly string[] = []): Promise<string> {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(line, lines, username)).untilEnd();
  client.close();
  return client.text;
}

function expectRefusal(answer: string, sentence: string, name: string | undefined): void {
  const [head, body] = answer.split('\r\n\r\n');
  const lines = head!.split('\r\n');
  expect(lines[0]).toBe('HTTP/1.1 400 selector_invalid');
  expect(lines).toContain('Proxy-Status: sallyport; error=http_request_error; details="selector_invalid"');
  expect(lines).toContain(`Content-Length: ${sentence.length + 1}`);
  expect(body).toBe(`${sentence}\n`);
  expect(body!.length).toBeLessThanOrEqual(256);
  expect(log.lines).toMatchObject([{ message: 'request', fields: { cause: 'selector_invalid', stage: 'select' } }]);
  expect(log.lines[0]!.fields.selector_key).toBe(name);
  for (const text of [answer, JSON.stringify(log.lines)])
    expect(text.toLowerCase()).not.toContain(CANARY.toLowerCase());
  expect(upstream.received()).toBe('');
}

const invalid = (key: string): string => `The selector's "${key}" is not valid.`;
const doubled = (key: string): string => `The selector has "${key}" more than once.`;

const USERNAMES: [string, string, string][] = [
  [`${CANARY}`, 'pool', invalid('pool')],
  [`default-session-${CANARY}/`, 'session', invalid('session')],
  [`default-sessid-${CANARY}-session-${CANARY}`, 'session', doubled('session')],
  [`default-account-${CANARY}%`, 'account', invalid('account')],
  [`default-cc-${CANARY}%2Cus`, 'country', invalid('country')],
  [`default-country-us-cc-${CANARY}`, 'country', doubled('country')],
  [`default-city-${CANARY}+`, 'city', invalid('city')],
  [`default-isp-${CANARY},`, 'isp', invalid('isp')],
  [`default-type-"${CANARY}"`, 'type', invalid('type')],
  [`default-provider-${CANARY}%0d%0aX%3A y`, 'provider', invalid('provider')],
  [`default-sesstime-${CANARY}`, 'ttl', invalid('ttl')],
  [`default-ttl-5-lifetime-${CANARY}`, 'ttl', doubled('ttl')],
  [`default-strict-${CANARY}`, 'strict', invalid('strict')],
];

describe('a username', () => {
  test.each(USERNAMES)('%s: told of %s', async (username, name, sentence) => {
    expectRefusal(await ask('GET http://a.test/', username), sentence, name);
  });

  test('of a CONNECT is told the same', async () => {
    expectRefusal(await ask('CONNECT a.test:443', `default-ttl-${CANARY}`), invalid('ttl'), 'ttl');
  });

  test.each(USERNAMES)('%s: foreseen with its key', (username, name) => {
    expect(
      rig.gateway.explain({ workspaceId: WORKSPACE, username, targetHost: 'a.test', targetPort: 80 }),
    ).toMatchObject({
      cause: 'selector_invalid',
      reason: `selector_invalid:${name}`,
      sessionId: null,
    });
  });

  test('of a SOCKS5 client is told of in the log alone', async () => {
    const octets = greeting(2) + usernamePassword(`default-cc-${CANARY}%`, KEY) + request('a.test', 443);
    const { text } = await converse(rig.port, Buffer.from(octets, 'latin1'));
    expect(text).toBe(METHOD.password + ACCEPTED + reply(2));
    expect(log.lines).toMatchObject([{ fields: { cause: 'selector_invalid', selector_key: 'country' } }]);
    expect(JSON.stringify(log.lines)).not.toContain(CANARY);
  });
});

describe('a Proxy-Selector', () => {
  test.each([
    [`${CANARY}=x`, 'unknown_key', 'The Proxy-Selector has a key that is not known.'],
    [CANARY, undefined, 'The proxy username or Proxy-Selector is not a valid selector.'],
    [`session=a;${CANARY.repeat(250)}=x`, undefined, 'The proxy username or Proxy-Selector is not a valid selector.'],
    [`pool=${CANARY}`, 'pool', invalid('pool')],
    [`pool=default;pool=${CANARY}`, 'pool', doubled('pool')],
    [`session=a;SESSID=${CANARY}`, 'session', doubled('session')],
    [`session=a; lifetime=${CANARY}`, 'ttl', invalid('ttl')],
  ])('%.40s: told of %s', async (header, name, sentence) => {
    expectRefusal(await ask('GET http://a.test/', 'default', [`Proxy-Selector: ${header}`]), sentence, name);
  });
});

test('the answer to HEAD is the same without its body', async () => {
  const answer = await ask('HEAD http://a.test/', `default-ttl-${CANARY}`);
  expect(answer).toContain(`Content-Length: ${invalid('ttl').length + 1}\r\n`);
  expect(answer.endsWith('\r\n\r\n')).toBe(true);
});

test('the log line of a request that was understood names no key', async () => {
  await ask('GET http://a.test/', 'nowhere');
  expect(log.lines).toMatchObject([{ fields: { cause: 'pool_unknown', selector_key: undefined } }]);
});

test.each(['default-isp-a', 'default-provider-a', 'default-session-b-country-us'])(
  '%s asks for sessions that the pool does not have',
  async (username) => {
    expect(await ask('GET http://a.test/', username, ['Connection: close'])).toMatch(/^HTTP\/1\.1 503 pool_empty\r\n/);
  },
);
