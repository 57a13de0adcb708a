/**
 * `http://whoami.sallyport.test/`: what a client is told of itself through the proxy, and
 * that nobody is dialled for it, nobody tells it without a key, and no secret is in it.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type GatewayRig,
  KEY,
  KEY_ID,
  POOL,
  plainEntrance,
  sessionId,
  startGatewayRig,
  WORKSPACE,
} from '../helpers/gateway-rig.ts';
import { converse, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';
import { type RecordedLog, recordedLog } from '../helpers/wire-log.ts';

const URL = 'http://whoami.sallyport.test';
const HOST = 'Host: whoami.sallyport.test';

let log: RecordedLog;
let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeEach(async () => {
  log = recordedLog();
  rig = await startGatewayRig({
    log,
    entrances: [{ ...plainEntrance, binding: { apiKeyId: KEY_ID, selector: 'default-session-bound', from: [] } }],
  });
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
  log.lines.length = 0;
});
afterEach(async () => {
  await rig.close();
  await upstream.close();
});

/** A request with credentials, and the end of the connection behind it. */
async function ask(line: string, lines: readonly string[] = [], username?: string) {
  const { text } = await converse(rig.port, rig.head(line, ['Connection: close', ...lines], username));
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [status, ...fields] = head.split('\r\n');
  return { text, status, fields, body };
}

function expectNobodyDialled(): void {
  expect(upstream.connections).toEqual([]);
  expect(rig.gateway.holdings().inFlight).toBe(0);
}

describe('a client is told', () => {
  test('in lines of text who it is and what it would have got', async () => {
    const { status, fields, body } = await ask(`GET ${URL}/`);
    expect(status).toBe('HTTP/1.1 200 OK');
    expect(fields).toEqual([
      'Content-Type: text/plain',
      `Content-Length: ${body.length}`,
      'X-Content-Type-Options: nosniff',
      'Cache-Control: no-store',
      expect.stringMatching(/^Sallyport-Request-Id: [0-9a-f]{8}-[0-9a-f]{8}$/),
      `Sallyport-Session: ${sessionId(1)}`,
      'Proxy-Status: sallyport',
      'Connection: close',
    ]);
    expect(body.replace(/(127\.0\.0\.1):\d+/, '$1:PORT')).toBe(
      [
        `requestId: ${fields[4]!.split(': ')[1]}`,
        'clientAddress: 127.0.0.1:PORT',
        `apiKeyId: ${KEY_ID}`,
        'identifiedBy: credentials',
        `workspaceId: ${WORKSPACE}`,
        'poolName: default',
        `poolId: ${POOL}`,
        `sessionId: ${sessionId(1)}`,
        'account: -',
        'stickyKey: false',
        'chosenBy: round_robin',
        'until: -',
        '',
      ].join('\n'),
    );
    expectNobodyDialled();
  });

  test.each([
    ['/json', []],
    ['/json?a=b', []],
    ['/', ['Accept: text/html, Application/JSON;q=0.9']],
    ['?x', ['aCCept: application/json']],
  ])('in JSON at %s with %j', async (path, lines) => {
    const client = await RawClient.connect(rig.port);
    await client
      .send(rig.head(`GET ${URL}${path}`, ['Connection: close', ...lines], 'default-session-token-1'))
      .untilEnd();
    const [head, body] = client.text.split('\r\n\r\n');
    expect(head).toContain('\r\nContent-Type: application/json\r\n');
    expect(JSON.parse(body!)).toEqual({
      requestId: /Request-Id: (\S+)/.exec(head!)![1],
      clientAddress: `127.0.0.1:${client.socket.localPort}`,
      apiKeyId: KEY_ID,
      identifiedBy: 'credentials',
      workspaceId: WORKSPACE,
      poolName: 'default',
      poolId: POOL,
      sessionId: sessionId(1),
      account: null,
      stickyKey: true,
      chosenBy: 'token',
      until: null,
    });
    client.close();
    expectNobodyDialled();
  });

  test('how its session was chosen, as it comes to be chosen', async () => {
    const chosenBy = async (username: string) => JSON.parse((await ask(`GET ${URL}/json`, [], username)).body).chosenBy;
    expect(await chosenBy('default-session-k')).toBe('consistent');
    expect(await chosenBy('default-session-k')).toBe('sticky');
    expect(await chosenBy('default')).toBe('round_robin');
  });

  test('by which rule it was known, where it sent nothing', async () => {
    const { text } = await converse(rig.ports[1]!, `GET ${URL}/ HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n\r\n`);
    expect(text).toContain(`\nidentifiedBy: listener 127.0.0.1:${rig.ports[1]}\n`);
    expect(text).toContain('\nstickyKey: true\n');
  });

  test('the head alone, when it asks for that', async () => {
    const { body: whole } = await ask(`GET ${URL}/json`);
    const { fields, body } = await ask(`HEAD ${URL}/json`);
    const length = Number(/^Content-Length: (\d+)$/m.exec(fields.join('\n'))![1]);
    expect(Math.abs(length - whole.length)).toBeLessThanOrEqual(1); // The digits of its port.
    expect(body).toBe('');
  });

  test('nothing that is secret, nor where its upstream is', async () => {
    const { text } = await ask(`GET ${URL}/?${KEY}`, ['Accept: application/json'], 'default-session-s3cr3t');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    for (const secret of [KEY, 's3cr3t', 'user-1', 'pass-1', 'token-1', `:${upstream.port}`])
      expect(text).not.toContain(secret);
  });
});

describe('there is nothing else', () => {
  test.each([
    ['GET', '/other', '404 Not Found', []],
    ['GET', '/json/', '404 Not Found', []],
    ['GET', '//', '404 Not Found', []],
    ['POST', '/other', '404 Not Found', []],
    ['POST', '/', '405 Method Not Allowed', ['Allow: GET, HEAD']],
    ['DELETE', '/json', '405 Method Not Allowed', ['Allow: GET, HEAD']],
    ['OPTIONS', '', '405 Method Not Allowed', ['Allow: GET, HEAD']],
  ])('%s of %j: %s', async (method, path, status, allow) => {
    const answer = await ask(`${method} ${URL}${path}`);
    expect(answer.status).toBe(`HTTP/1.1 ${status}`);
    expect(answer.fields.filter((line) => line.startsWith('Allow'))).toEqual(allow);
    expect(answer.fields).toContain(`Content-Length: ${answer.body.length}`);
    expect(log.lines).toMatchObject([{ fields: { status: Number(status.slice(0, 3)), cause: 'ok' } }]);
    expectNobodyDialled();
  });

  test('whoever sends a body is answered and read no further', async () => {
    const behind = `hello${rig.head(`GET ${URL}/`)}`;
    const { text } = await converse(rig.port, rig.head(`POST ${URL}/`, ['Content-Length: 5']) + behind);
    expect(text).toMatch(/^HTTP\/1\.1 405 /);
    expect(text).toContain('\r\nConnection: close\r\n');
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test('nor is what comes behind an upgrade that is not granted', async () => {
    const lines = ['Connection: Upgrade', 'Upgrade: websocket'];
    const { text } = await converse(rig.port, rig.head(`GET ${URL}/`, lines) + rig.head(`GET ${URL}/`));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toContain('\r\nConnection: close\r\n');
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expectNobodyDialled();
  });
});

describe('it is asked like any other target', () => {
  test('a connection goes on behind it, in order, to us and to others', async () => {
    const client = await RawClient.connect(rig.port);
    client.send(rig.head(`GET ${URL}/`) + rig.head('GET http://a.test/') + rig.head(`GET ${URL}/json`));
    await client.until((c) => c.text.endsWith('}\n'));
    expect(client.text.match(/HTTP\/1\.1 200 OK\r\nContent-(Type: \S+|Length: 2)/g)).toEqual([
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain',
      'HTTP/1.1 200 OK\r\nContent-Length: 2',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json',
    ]);
    expect(client.text).toContain('Connection: keep-alive\r\n\r\nrequestId');
    expect(upstream.received().match(/^GET /gm)).toEqual(['GET ']);
    client.close();
  });

  test('only with a key', async () => {
    const { text } = await converse(rig.port, `GET ${URL}/ HTTP/1.0\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
    expect(text).not.toContain(WORKSPACE);
  });

  test('only through a pool that has a session and allows it', async () => {
    rig.putPool({ deny: ['whoami.sallyport.test'] });
    expect((await ask(`GET ${URL}/`)).status).toBe('HTTP/1.1 403 destination_denied');
    rig.putPool({});
    rig.remove(1);
    expect((await ask(`GET ${URL}/`)).status).toBe('HTTP/1.1 503 pool_empty');
  });

  test('in whatever spelling its name and port come', async () => {
    for (const url of ['HTTP://WhoAmI.Sallyport.TEST', `${URL}.`, `${URL}:80/`, `${URL}:`])
      expect((await ask(`GET ${url}`)).body).toMatch(/^requestId: /);
    expectNobodyDialled();
  });

  test('and what only resembles it is forwarded', async () => {
    for (const url of [`${URL}:8080/`, 'http://x.whoami.sallyport.test/', 'http://sallyport.test/'])
      expect((await ask(`GET ${url}`)).body).toBe('ok');
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head('CONNECT whoami.sallyport.test:80')).until((c) => c.text.includes('\r\n\r\n'));
    client.close();
    expect(upstream.received()).toContain('CONNECT whoami.sallyport.test:80 HTTP/1.1');
  });
});

test('it holds its slots no longer than its answer, and is on record', async () => {
  for (let i = 0; i < 3; i++) await ask(`GET ${URL}/`, i === 1 ? ['Connection: Upgrade', 'Upgrade: websocket'] : []);
  const { requests, tunnels, dials } = rig.gateway.holdings().slots;
  expect({ requests, tunnels, dials }).toEqual({ requests: 0, tunnels: 0, dials: 0 });
  expect(log.lines.map(({ fields }) => [fields.status, fields.cause, fields.attempts])).toEqual(
    Array(3).fill([200, 'ok', 0]),
  );
});
