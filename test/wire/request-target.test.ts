/**
 * The request line and the target: decided once, by one grammar; what goes
 * upstream is written from the parts, with one spelling of each host (F9, P5).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { converse, RawClient, type RecordingUpstream, startRecordingUpstream, turns } from '../helpers/wire.ts';

let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  rig = await startGatewayRig();
  upstream = await startRecordingUpstream();
  rig.put(1, upstream.port);
});
beforeEach(() => upstream.reset());
afterAll(async () => {
  await rig.close();
  await upstream.close();
});

async function statusLineOf(octets: string | Buffer): Promise<string> {
  const client = await converse(rig.port, octets);
  await turns();
  expect(upstream.received()).toBe('');
  return client.text.split('\r\n')[0]!;
}

describe('targets of plain requests', () => {
  test.each([
    ['http://A.TEST/', 'http://a.test/', 'a.test'],
    ['HTTP://a.test/', 'http://a.test/', 'a.test'],
    ['http://a.test', 'http://a.test/', 'a.test'],
    ['http://a.test:80/x', 'http://a.test/x', 'a.test'],
    ['http://a.test:/x', 'http://a.test/x', 'a.test'],
    ['http://a.test:8080?q=1', 'http://a.test:8080/?q=1', 'a.test:8080'],
    ['http://a.test./', 'http://a.test/', 'a.test'],
    ['http://xn--bcher-kva.test/', 'http://xn--bcher-kva.test/', 'xn--bcher-kva.test'],
    ['http://127.1:81/', 'http://127.0.0.1:81/', '127.0.0.1:81'],
    ['http://2130706433/', 'http://127.0.0.1/', '127.0.0.1'],
    ['http://0x7f.1/', 'http://127.0.0.1/', '127.0.0.1'],
    ['http://0177.0.0.1/', 'http://127.0.0.1/', '127.0.0.1'],
    ['http://[::1]/', 'http://[::1]/', '[::1]'],
    ['http://[::FFFF:127.0.0.1]:81/', 'http://[::ffff:7f00:1]:81/', '[::ffff:7f00:1]:81'],
    ['http://[2001:DB8:0:0::1]/', 'http://[2001:db8::1]/', '[2001:db8::1]'],
    ['http://a.test/../../x//;a/%2e%2e/', 'http://a.test/../../x//;a/%2e%2e/', 'a.test'],
    ['http://a.test/%0d%0aX:%20y%00', 'http://a.test/%0d%0aX:%20y%00', 'a.test'],
  ])('%s goes upstream as %s', async (target, uri, host) => {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`GET ${target}`)).until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toMatch(/^GET /);
    expect(upstream.received().split('\r\n').slice(0, 2)).toEqual([`GET ${uri} HTTP/1.1`, `Host: ${host}`]);
    client.close();
  });

  test.each([
    '/', '*', 'a.test:80', 'admin', './x', '//a.test/',
    'ftp://a.test/', 'file:///etc/passwd', 'gopher://a.test/', 'ws://a.test/', 'https://a.test/', 'rtsp://a.test/',
    'connect:a.test', 'http:a.test', 'http:/a.test/', 'http:///x', 'http://', 'http://:80/', 'http://?x',
    'http://u:p@a.test/', 'http://@a.test/', 'http://a.test\\@b.test/', 'http://a.test%2f@b.test/', 'http://a.test:80@b.test/',
    'http://a.test/#x', 'http://a.test#x', 'http://a.test:0/', 'http://a.test:65536/', 'http://a.test:080/', 'http://a.test:x/',
    'http://a.test:80:80/', 'http://a..test/', 'http://..a.test/', 'http://./', 'http://a.test../', 'http://a_b%2e/',
    `http://${'l'.repeat(64)}.test/`, `http://${'a.'.repeat(127)}aa/`, 'http://1.2.3.4.5/', 'http://256.1.1.1/',
    'http://[::1/', 'http://::1/', 'http://[::1%25lo]/', 'http://[127.0.0.1]/', 'http://[a.test]/', 'http://[::1]x/',
    'http://b\xfccher.test/', 'http://\xe2\x91\xa0\xe2\x91\xa1.test/', 'http://a.test/\xe9', 'http://a.test/\x01', 'http://a.test/\0', 'http://a.test/\x7f',
  ])('%j is refused', async (target) => {
    expect(await statusLineOf(rig.head(`GET ${target}`))).toBe('HTTP/1.1 400 bad_request');
  }); // biome-ignore format: one list
});

describe('request lines', () => {
  const rest = (): string => `\r\nHost: a.test\r\nProxy-Authorization: ${rig.authorization()}\r\n\r\n`;
  test.each([
    ['GET  http://a.test/ HTTP/1.1', 400],
    ['GET http://a.test/  HTTP/1.1', 400],
    ['GET\thttp://a.test/\tHTTP/1.1', 400],
    ['GET http://a.test/ HTTP/1.1 ', 400],
    [' GET http://a.test/ HTTP/1.1', 400],
    ['GET http://a.test/ x HTTP/1.1', 400],
    ['GET http://a.test/', 400],
    ['GET', 400],
    ['GET http://a.test/ HTTP/1', 400],
    ['GET http://a.test/ HTTP/01.01', 400],
    ['GET http://a.test/ HTTP/1.10', 400],
    ['GET http://a.test/ http/1.1', 400],
    ['GET http://a.test/ RTSP/1.0', 400],
    ['GET http://a.test/ ICE/1.0', 400],
    ['GET http://a.test/ HTTP/1.2', 505],
    ['GET http://a.test/ HTTP/2.0', 505],
    ['GET http://a.test/ HTTP/0.9', 505],
    ['PRI * HTTP/2.0', 505],
    ['get http://a.test/ HTTP/1.1', 501],
    ['FOO http://a.test/ HTTP/1.1', 501],
    [',BAD, http://a.test/ HTTP/1.1', 400],
    [`${'M'.repeat(64)} http://a.test/ HTTP/1.1`, 501],
    [`${'M'.repeat(65)} http://a.test/ HTTP/1.1`, 400],
    [`${'M'.repeat(102_400)} http://a.test/ HTTP/1.1`, 400],
    ['TRACE http://a.test/ HTTP/1.1', 405],
  ])('%j → %i', async (line, status) => {
    expect((await statusLineOf(line + rest())).slice(9, 12)).toBe(String(status));
  });

  test('405 says what is allowed', async () => {
    const client = await converse(rig.port, rig.head('TRACE http://a.test/', ['Max-Forwards: 0']));
    expect(client.text).toMatch(/\r\nAllow: [A-Z, ]*GET[A-Z, ]*\r\n/);
    expect(client.text.match(/Allow: .*/)![0]).not.toContain('TRACE');
  });

  test.each([
    ['HTTP/0.9', 'GET http://a.test/\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['SOCKS4', '\x04\x01\x00\x50\x7f\x00\x00\x01\x00'],
    ['a PROXY v1 line', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['a PROXY v2 header', '\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c'],
    ['an SSH banner', 'SSH-2.0-OpenSSH_9.7\r\n'],
    ['noise', '\xff\xfe\x00\x01'],
    ['three empty lines', '\r\n\r\n\r\n'],
    ['a flood of empty lines', '\r\n'.repeat(10_000)],
  ])('%s is told at once, with no byte of it in the answer', async (_, octets) => {
    const started = performance.now();
    expect(await statusLineOf(octets)).toBe('HTTP/1.1 400 bad_request');
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('two empty lines before a request are forgiven', async () => {
    const client = await RawClient.connect(rig.port);
    await client.send(`\r\n\r\n${rig.head('GET http://a.test/')}`).until((c) => c.text.endsWith('ok'));
    client.close();
  });

  test.each(['HEAD', 'PROPFIND', 'PURGE', 'QUERY'])('%s is a method like any other', async (method) => {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`${method} http://a.test/`)).until((c) => c.text.includes('\r\n\r\n'));
    expect(upstream.received()).toMatch(new RegExp(`^${method} http://a\\.test/ HTTP/1\\.1\\r\\n`));
    client.close();
  });
});

describe('OPTIONS and Max-Forwards (P14)', () => {
  test.each([
    ['*', []],
    ['http://a.test/', ['Max-Forwards: 0']],
  ])('OPTIONS %s with %j is answered here, to whoever has a key', async (target, lines) => {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`OPTIONS ${target}`, lines)).until((c) => c.text.endsWith('\r\n\r\n'));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\nAllow: GET, .*\r\nContent-Length: 0\r\n/);
    expect(upstream.received()).toBe('');
    await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
    client.close();
    const stranger = await RawClient.connect(rig.port);
    await stranger
      .send(`OPTIONS ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`)
      .until((c) => c.text.includes('required.'));
    expect(stranger.text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
    stranger.close();
  });

  test.each([
    ['OPTIONS', 'Max-Forwards: 7', 'Max-Forwards: 6'],
    ['OPTIONS', 'max-forwards:\t10 ', 'max-forwards:\t9 '],
    ['OPTIONS', 'Max-Forwards: x', 'Max-Forwards: x'],
    ['GET', 'Max-Forwards: 0', 'Max-Forwards: 0'],
  ])('%s with %j goes on with %j', async (method, sent, forwarded) => {
    const client = await RawClient.connect(rig.port);
    await client.send(rig.head(`${method} http://a.test/`, ['A: 1', sent, 'B: 2'])).until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toContain(`\r\nA: 1\r\n${forwarded}\r\nB: 2\r\n`);
    client.close();
  });

  test('only exactly the asterisk is that form', async () => {
    for (const target of ['*/test', '**', '/']) {
      expect(await statusLineOf(rig.head(`OPTIONS ${target}`))).toBe('HTTP/1.1 400 bad_request');
    }
  });
});

describe('Host', () => {
  const request = (version: string, hosts: string[]): string =>
    [`GET http://a.test/ ${version}`, ...hosts, `Proxy-Authorization: ${rig.authorization()}`, '', ''].join('\r\n');
  test.each([
    ['none in 1.1', []],
    ['two that agree', ['Host: a.test', 'Host: a.test']],
    ['two that differ', ['Host: a.test', 'Host: b.test']],
    ['a list', ['Host: a,b']],
    ['userinfo', ['Host: u@a.test']],
    ['empty', ['Host:']],
    ['a path', ['Host: a.test/x']],
    ['a port that is none', ['Host: a.test:x']],
  ])('%s → 400', async (_, hosts) => {
    expect(await statusLineOf(request('HTTP/1.1', hosts))).toBe('HTTP/1.1 400 bad_request');
  });

  test('the target decides, whatever Host says', async () => {
    const client = await RawClient.connect(rig.port);
    await client.send(request('HTTP/1.1', ['Host: b.test:99'])).until((c) => c.text.endsWith('ok'));
    expect(upstream.received()).toMatch(/^GET http:\/\/a\.test\/ HTTP\/1\.1\r\nHost: a\.test\r\n/);
    expect(upstream.received()).not.toContain('b.test');
    client.close();
  });
});

describe('Expect (F13)', () => {
  test.each(['y 100-continue', '100-continue, x', 'foo', '100-continued', ''])('%j → 417', async (value) => {
    expect(await statusLineOf(`${rig.head('POST http://a.test/', ['Content-Length: 2', `Expect: ${value}`])}hi`)).toBe(
      'HTTP/1.1 417 expect_unsupported',
    );
  });

  test('of a 1.0 client is ignored and not forwarded', async () => {
    const head = rig.head('POST http://a.test/', ['Content-Length: 2', 'Expect: 100-continue']).replace('1.1', '1.0');
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('hi'))
        socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    const client = await converse(rig.port, `${head}hi`);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(upstream.received()).not.toContain('Expect');
  });
});
