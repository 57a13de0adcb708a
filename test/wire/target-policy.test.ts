/**
 * A pool's policy on targets: names as names, addresses in every spelling as
 * addresses, ports of tunnels; asked before a session is resolved, and nothing is
 * dialled for what it denies (K19).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type DnsServer, startDnsServer } from '../helpers/dns-server.ts';
import { type GatewayRig, LOCAL, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { echoTunnel, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

let dns: DnsServer;
let rig: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  dns = await startDnsServer(() => 'nxdomain');
  rig = await startGatewayRig({ dnsServers: [dns.address] });
  upstream = await startRecordingUpstream(echoTunnel);
});
beforeEach(() => {
  rig.put(1, upstream.port);
  upstream.behave(echoTunnel);
  upstream.reset();
});
afterAll(async () => {
  await rig.close();
  await upstream.close();
  await dns.close();
});

/** `ok`, or the reason phrase of our answer, to a CONNECT or a plain request. */
async function outcome(target: string): Promise<string> {
  const plain = target.startsWith('http:');
  if (plain) {
    upstream.behave(({ socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
  }
  const client = await RawClient.connect(rig.port);
  const line = plain ? `GET ${target}` : `CONNECT ${target}`;
  await client.send(rig.head(line)).until((c) => c.text.includes('\r\n\r\n'));
  client.close();
  const [, status, reason] = /^HTTP\/1\.1 (\d+) (\S+)/.exec(client.text)!;
  return status === '200' ? 'ok' : reason!;
}

const DENIED = 'destination_denied';

describe('what is denied', () => {
  test.each([
    ['evil.test:443', DENIED],
    ['EVIL.Test.:443', DENIED],
    ['www.evil.test:443', DENIED],
    ['http://a.b.evil.test/', DENIED],
    ['notevil.test:443', 'ok'],
    ['evil.test.good.test:443', 'ok'],
    ['10.1.2.3:443', DENIED],
    ['http://10.1.2.3/', DENIED],
    ['10.66051:443', DENIED],
    ['0xa010203:443', DENIED],
    ['167838211:443', DENIED],
    ['012.1.2.3:443', DENIED],
    ['10.1.2.3.:443', DENIED],
    ['[::ffff:10.1.2.3]:443', DENIED],
    ['[::ffff:a01:203]:443', DENIED],
    ['[64:ff9b::a01:203]:443', DENIED],
    ['http://[::FFFF:10.1.2.3]/', DENIED],
    ['11.1.2.3:443', 'ok'],
    ['[2001:db8:1::5]:443', DENIED],
    ['[2001:DB8:1:0:0::5]:443', DENIED],
    ['[2001:db8:2::5]:443', 'ok'],
    ['any.test:25', DENIED],
    ['http://any.test:25/', DENIED],
    ['half.test:8080', DENIED],
    ['half.test:443', 'ok'],
    ['below.test:443', 'ok'],
    ['x.below.test:443', DENIED],
  ])('%s: %s', async (target, expected) => {
    rig.putPool({ deny: ['evil.test', '10.0.0.0/8', '2001:db8:1::/48', ':25', 'half.test:8080', '.below.test'] });
    expect(await outcome(target)).toBe(expected);
    if (expected === DENIED) expect(upstream.received()).toBe('');
  });
});

test('once something is allowed, nothing else is, and what is denied of it stays denied', async () => {
  rig.putPool({ allow: ['good.test', '192.0.2.0/24:443'], deny: ['bad.good.test'] });
  const targets = [
    'good.test:443',
    'a.good.test:22',
    'bad.good.test:443',
    'other.test:443',
    '192.0.2.9:443',
    '192.0.2.9:80',
  ];
  const outcomes: string[] = [];
  for (const target of targets) outcomes.push(await outcome(target));
  expect(outcomes).toEqual(['ok', 'ok', DENIED, DENIED, 'ok', DENIED]);
});

test('ports are those of tunnels: plain requests go to any', async () => {
  rig.putPool({ connectPorts: [443, 8443] });
  expect(await outcome('a.test:443')).toBe('ok');
  expect(await outcome('a.test:8443')).toBe('ok');
  for (const port of [80, 25, 22, 6379]) expect(await outcome(`a.test:${port}`)).toBe(DENIED);
  expect(await outcome('http://a.test/')).toBe('ok');
});

test('a change is in force for the next request, on the same connection too', async () => {
  rig.putPool({});
  upstream.behave(({ socket, text }) => {
    if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
  rig.putPool({ deny: ['a.test'] });
  await client.send(rig.head('GET http://a.test/')).until((c) => c.text.includes('or upstream.\n'));
  expect(client.text).toContain(`HTTP/1.1 403 ${DENIED}\r\n`);
  rig.putPool({});
  await client.send(rig.head('GET http://a.test/')).until((c) => c.text.endsWith('ok'));
  client.close();
});

test('a refusal comes before the choice of a session, and explains itself the same way', async () => {
  rig.putPool({ deny: ['evil.test'], connectPorts: [443] });
  rig.remove(1);
  const explain = (targetHost: string, targetPort: number) =>
    rig.gateway.explain({ workspaceId: WORKSPACE, username: 'default', targetHost, targetPort }).cause;
  expect(await outcome('evil.test:443')).toBe(DENIED);
  expect(explain('evil.test', 443)).toBe(DENIED);
  expect(await outcome('a.test:443')).toBe('pool_empty');
  expect(explain('a.test', 443)).toBe('pool_empty');
  // Port 80 is asked for in the clear, any other through a tunnel.
  expect(explain('a.test', 80)).toBe('pool_empty');
  expect(explain('a.test', 8443)).toBe(DENIED);
});

test('a name that this machine resolves for a LOCAL session is denied with its address', async () => {
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
  dns.behave(() => ({ addresses: ['127.0.0.1'] }));
  rig.putPool({ deny: ['127.0.0.0/8'] });
  expect(await outcome(`inside.test:${upstream.port}`)).toBe(DENIED);
  expect(upstream.received()).toBe('');
  rig.putPool({ deny: ['10.0.0.0/8'], allow: ['inside.test'] });
  expect(await outcome(`inside.test:${upstream.port}`)).toBe('ok');
});
