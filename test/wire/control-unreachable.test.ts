/**
 * The control API is out of reach from the data port (S7, K24, T9): five hundred
 * ways to ask for it, with a good key, through upstreams on this very machine and
 * from this machine itself; the control port, a real one, counts who connects.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Accounts } from '../../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { fullName } from '../../control/interceptors/method-rules.ts';
import { type ControlRig, RIG_KEY, startControlRig } from '../helpers/control-rig.ts';
import { type DnsServer, startDnsServer } from '../helpers/dns-server.ts';
import { type GatewayRig, KEY, LOCAL, startGatewayRig } from '../helpers/gateway-rig.ts';
import { Product } from '../helpers/product.ts';
import { startUpstreamProxy, type UpstreamProxy } from '../helpers/upstream-proxy.ts';
import { RawClient } from '../helpers/wire.ts';

const PATHS = [
  ...[...Accounts.methods, ...Proxies.methods].map((method) => `/${fullName(method)}`),
  ...['/', '/metrics', '/livez', '/readyz', '/healthz', '/openapi.json'],
];

/** Every name and address by which this machine may be asked for itself. */
function ourHosts(): string[] {
  const interfaces = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const addresses = interfaces.map(({ address }) => address).filter((address) => !address.includes('%'));
  // biome-ignore format: one list
  return [
    'localhost', 'LOCALHOST', 'localhost.', 'control.localhost', hostname(), `${hostname()}.`.toUpperCase(),
    '127.0.0.1', '127.0.0.2', '127.255.255.254', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001',
    '0.0.0.0', '0', '0x0', '127.0.0.1.', '127.1.',
    '[::1]', '[0:0:0:0:0:0:0:1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::FFFF:0:0]',
    ...addresses.map((address) => (address.includes(':') ? `[${address}]` : address)),
    ...addresses.filter((address) => !address.includes(':')).map((address) => `[::ffff:${address}]`),
  ];
}

let control: ControlRig;
let controlPort: number;
let rig: GatewayRig;
let proxy: UpstreamProxy;
let dns: DnsServer;
/** Connections that the control port has accepted. */
let accepted = 0;
let tries = 0;
const count = (message: unknown): void => {
  if ((message as { socket: Socket }).socket.localPort === controlPort) accepted++;
};

beforeAll(async () => {
  subscribe('net.server.socket', count);
  control = await startControlRig();
  controlPort = Number(new URL(control.url).port);
  // Names of others that lead here.
  dns = await startDnsServer(() => ({ addresses: ['127.0.0.1', '::1'] }));
  rig = await startGatewayRig({ dnsServers: [dns.address] });
  rig.gateway.guardPort(controlPort);
  // Beside us and without a rule of its own: what we let through to it reaches the control port.
  proxy = await startUpstreamProxy(() => true);
});
beforeEach(() => rig.put(1, proxy.port));
afterAll(async () => {
  unsubscribe('net.server.socket', count);
  await rig.close();
  await proxy.close();
  await dns.close();
  await control.close();
});

/** Sends this and answers the first line that comes back, which must be one of ours, and never that of a success. */
async function refusedBy(port: number, octets: string): Promise<string> {
  tries++;
  const client = await RawClient.connect(port);
  await client.send(octets).until((c) => c.text.includes('\r\n\r\n'));
  client.close();
  const [line = ''] = client.text.split('\r\n', 1);
  expect(client.text, octets).toMatch(/\r\nSallyport-Request-Id: /);
  expect(line, octets).toMatch(/^HTTP\/1\.1 [45]\d\d [a-z_]+$/);
  return line;
}

function request(method: string, target: string, host: string, lines: readonly string[] = []): string {
  return [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...lines, 'Connection: close', '', ''].join('\r\n');
}

/** As a good client of both doors would: the gateway's key, and the operator's. */
const credentials = (): string[] => [
  `Proxy-Authorization: ${rig.authorization()}`,
  `Authorization: Bearer ${RIG_KEY}`,
  'Content-Type: application/json',
];

test('the control port counts: one that asks it directly is seen', async () => {
  await control.call('proxies.v1.Proxies/ListPools', {});
  expect(accepted).toBe(1);
  accepted = 0;
});

describe('nothing reaches it', () => {
  test('in origin-form, whatever Host says', async () => {
    for (const path of PATHS) {
      for (const host of [`127.0.0.1:${controlPort}`, 'localhost', 'a.test']) {
        for (const lines of [[], credentials()]) {
          expect(await refusedBy(rig.port, request('POST', path, host, lines))).toBe('HTTP/1.1 400 bad_request');
        }
      }
    }
    expect(accepted).toBe(0);
  });

  test('in absolute-form, for every path', async () => {
    for (const path of PATHS) {
      const target = `http://127.0.0.1:${controlPort}${path}`;
      expect(await refusedBy(rig.port, request('GET', target, 'a.test', credentials()))).toBe(
        'HTTP/1.1 508 loop_detected',
      );
    }
    expect(accepted).toBe(0);
  });

  test.each(['an upstream beside us', 'a LOCAL session'])('by any of our names, through %s', async (way) => {
    if (way === 'a LOCAL session') rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
    for (const host of ourHosts()) {
      const authority = `${host}:${controlPort}`;
      for (const octets of [
        request('CONNECT', authority, authority, credentials()),
        request('POST', `http://${authority}/proxies.v1.Proxies/ListPools`, authority, credentials()),
        request('GET', `http://${authority}/metrics`, 'a.test', credentials()),
      ]) {
        expect(await refusedBy(rig.port, octets), authority).toBe('HTTP/1.1 508 loop_detected');
      }
    }
    expect({ accepted, asked: proxy.log }).toEqual({ accepted: 0, asked: [] });
  });

  test('by a name of somebody else that leads here, through a LOCAL session', async () => {
    rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
    for (const line of [
      `CONNECT leads-here.test:${controlPort}`,
      `GET http://leads-here.test:${controlPort}/metrics`,
    ]) {
      expect(await refusedBy(rig.port, rig.head(line))).toBe('HTTP/1.1 508 loop_detected');
    }
    expect(accepted).toBe(0);
  });

  test('as an upstream, by any of our names, in any scheme', async () => {
    const hosts = [
      '127.0.0.1',
      '127.0.0.2',
      'localhost',
      '::1',
      '::ffff:127.0.0.1',
      '0.0.0.0',
      'leads-here.test',
      hostname(),
    ];
    for (const host of hosts) {
      for (const scheme of ['http', 'https', 'socks4', 'socks5'] as const) {
        rig.put(1, controlPort, { endpoint: { scheme, host, port: controlPort } });
        for (const line of ['CONNECT 203.0.113.9:443', 'GET http://203.0.113.9/metrics']) {
          expect(await refusedBy(rig.port, rig.head(line)), `${scheme} ${host}`).toBe('HTTP/1.1 508 loop_detected');
        }
      }
    }
    expect(accepted).toBe(0);
  });

  test('through SOCKS5', async () => {
    const credential = `\x01\x07default${String.fromCharCode(KEY.length)}${KEY}`;
    const port = String.fromCharCode(controlPort >> 8, controlPort & 0xff);
    const targets = ['\x01\x7f\x00\x00\x01', '\x01\x00\x00\x00\x00', '\x03\x09localhost', `\x04${'\0'.repeat(15)}\x01`];
    for (const target of [...targets, `\x04${'\0'.repeat(10)}\xff\xff\x7f\x00\x00\x01`, '\x03\x09127.0.0.1']) {
      tries++;
      const client = await RawClient.connect(rig.port);
      // Greeting, username and password, and the request, as each is answered.
      await client.send('\x05\x01\x02').until((c) => c.text.length >= 2);
      expect(client.text).toBe('\x05\x02');
      await client.send(credential).until((c) => c.text.length >= 4);
      expect(client.text.slice(2)).toBe('\x01\x00');
      await client.send(`\x05\x01\x00${target}${port}`).until((c) => c.text.length >= 6);
      expect(client.text.slice(4, 5)).toBe('\x05');
      expect(client.text.charCodeAt(5), JSON.stringify(target)).not.toBe(0);
      client.close();
    }
    expect(accepted).toBe(0);
  });

  test('and that were five hundred tries at least', () => expect(tries).toBeGreaterThanOrEqual(500));
});

test('the product guards its own control port', async () => {
  const product = new Product();
  try {
    await product.start();
    const { host, port } = new URL(product.controlUrl);
    const credential = `Proxy-Authorization: ${product.authorization('local')}`;
    for (const authority of [host, `localhost:${port}`, `[::ffff:127.0.0.1]:${port}`, `0.0.0.0:${port}`]) {
      for (const [method, target] of [
        ['CONNECT', authority],
        ['GET', `http://${authority}/metrics`],
      ] as const) {
        const octets = request(method, target, authority, [credential]);
        expect(await refusedBy(product.gatewayPort, octets)).toBe('HTTP/1.1 508 loop_detected');
      }
    }
  } finally {
    await product.destroy();
  }
});
